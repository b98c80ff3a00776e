"""Further code that nodes are made of: statements, expressions, Runnables, objects."""

# ruff: noqa: C408, C416, D103, N818, RET504, RET508 - the functions here are nodes to look at, as people write them

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import hashlib
import json
import logging.handlers
import re
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnablePassthrough
from langgraph._internal._runnable import RunnableCallable
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command
from pydantic import BaseModel, Field

from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.inference.infer import infer_effects, is_pure_function, may_wait


class State(TypedDict, total=False):
    a: int
    b: int
    text: str
    items: list[str]
    table: dict[str, list[int]]
    docs: list[Document]
    pair: tuple[int, str]
    any: Any
    messages: Annotated[list[AnyMessage], add_messages]


ALL = {"a", "b", "text", "items", "table", "docs", "pair", "any", "messages"}


class Model(BaseChatModel):
    """A model that keeps nothing, with a helper that it may call."""

    @property
    def _llm_type(self) -> str:
        return "mine"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))])


class Parser(BaseOutputParser[str]):
    """A parser of the application's own."""

    def parse(self, text: str) -> str:
        return text


class Retriever(BaseRetriever):
    """A retriever of the application's own."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return []


class Embedder(Embeddings):
    """Embeddings of the application's own, which only compute."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text))]


class Color(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int


Pair = namedtuple("Pair", "left right")


@dataclass
class Settings:
    """Settings that nobody changes."""

    limit: int = 3
    names: tuple[str, ...] = ("x", "y")

    @property
    def double(self) -> int:
        return self.limit * 2

    def scaled(self, factor: int) -> int:
        return self.limit * factor

    @classmethod
    def default(cls) -> int:
        return 7

    @staticmethod
    def plain(value: int) -> int:
        return value + 1


class Base:
    """A helper class with inheritance."""

    def __init__(self, size: int) -> None:
        self.size = size

    def area(self) -> int:
        return self.size


class Scorer:
    """An object that is called."""

    def __call__(self, value: int) -> int:
        return value + 1


class WithTimer:
    """A context manager of the application's own."""

    def __enter__(self) -> WithTimer:
        return self

    def __exit__(self, *args: object) -> None:
        return None


class Failure(Exception):
    """An error of the application's own, with more to say."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


model = Model()
chain = ChatPromptTemplate.from_messages([("human", "{x}")]) | model | StrOutputParser()
own_parser = ChatPromptTemplate.from_messages([("human", "{x}")]) | model | Parser()
fallbacks = model.with_fallbacks([model.with_retry()])
assigned = RunnablePassthrough.assign(y=RunnableLambda(lambda value: 1)) | RunnableLambda(lambda value: value["y"])
retriever = Retriever()
embedder = Embedder()
settings = Settings()
scorer = Scorer()
names = ["x", "y"]
TABLE = {"k": "v"}
MIXED = {"k": 1, "l": None}
PATTERN = re.compile(r"\d+")
add_one = functools.partial(Settings.plain)
handler = logging.handlers.MemoryHandler(1)


@functools.lru_cache
def remembered(value: int) -> int:
    return value


def twice(value: Any) -> Any:
    return value * 2


def level_one(value: Any) -> Any:
    return level_two(value)


def level_two(value: Any, depth: int = 0) -> Any:
    return value if depth > 3 else level_one(value)


def statements(state: State) -> dict[str, Any]:
    import json as js
    from collections import OrderedDict

    total: int = 0
    count: int
    count = 1
    for index, name in enumerate(state["items"]):
        if index > 2:
            break
        elif not name:
            continue
        else:
            total += index
    else:
        total = total + 1
    while (size := len(state["text"])) > 3 and total < 0:
        total -= size
    pass
    x, (y, *rest) = 1, (2, 3, 4)
    head = rest
    del x
    left, right = state["pair"]
    values = [*state["items"], "z"]
    values.append("w")
    table = {**{"k": 1}, "l": 2}
    table.pop("k")
    unique = {name for name in values if name}
    unique.add("q")
    part = values[1:3:1]
    part[0] = "p"
    ordered = OrderedDict(a=1)
    text = js.dumps({"t": total, "c": count, "o": len(ordered), "h": head is None, "y": y})
    text += f"{left:>{4}}{right!r}"
    if None is state["any"] or state["any"] in (1, 2):
        text = text.replace("a", "b")
    return {"text": text, "a": -total if unique else +count, "items": sorted(part)}


def trying(state: State) -> dict[str, Any]:
    try:
        value = int(state["text"])
    except* (ValueError, TypeError) as group:
        value = len(str(group))
    if value < 0:
        raise Failure(value) from None
    if value > 9:
        raise RuntimeError
    return {"a": value}


def matching(state: State) -> dict[str, Any]:
    match state["any"]:
        case {"kind": "x", **others}:
            return {"a": len(others)}
        case [first, *_]:
            return {"a": first}
        case _:
            return {"a": 0}


def matches_the_state(state: State) -> dict[str, Any]:
    match state:
        case {"a": value}:
            return {"b": value}
    return {}


def lookups(state: State) -> dict[str, Any]:
    values = state["table"].get("x", [])
    flat = [n for row in state["table"].values() for n in row]
    names_of = list(state["table"].keys())
    doubled = {key: len(row) for key, row in state["table"].items()}
    return {
        "a": sum(values) + max(flat, default=0) + settings.limit + settings.double + settings.scaled(2),
        "b": Settings.default() + Settings.plain(1) + add_one(2) + scorer(3) + level_one(1),
        "text": TABLE["k"] + str(MIXED[state["text"]]) + TABLE[state["text"]] + Color.RED.value + Color("red").name,
        "items": [*names_of, *settings.names, *doubled],
    }


def shapes(state: State) -> dict[str, Any]:
    made = dict(a=1)
    copied = dict(made, b=2)
    merged = copied if state["a"] else {"text": "x"}
    return merged


def tuples(state: State) -> dict[str, Any]:
    point = Point(1, 2)
    pair = Pair(left=1, right=2)
    picked = (state["a"], state["b"])[0]
    moved = point._replace(x=3)
    return {"a": point.x + picked, "any": pair, "pair": (moved, "x")}


def numbers(state: State) -> dict[str, Any]:
    found = PATTERN.findall(state["text"])
    exact = Decimal("1.5").quantize(Decimal("1"))
    joined = ", ".join(map(str.upper, found))
    return {"text": joined, "a": round(1.5) + int(exact), "items": list(filter(None, found))}


def inheritance(state: State) -> dict[str, Any]:
    base = Base(state["a"])
    return {"a": base.area(), "b": getattr(base, "size", 0)}


def higher_order(state: State) -> dict[str, Any]:
    def apply(function: Any, value: Any) -> Any:
        return function(value)

    async def later() -> int:
        return 1

    ranked = sorted(state["items"], key=twice)
    return {"a": apply(twice, state["a"]), "items": ranked, "b": functools.reduce(lambda x, y: x + y, [1, 2])}


def streams(state: State) -> dict[str, Any]:
    bound = model.bind(stop=["x"]).with_retry().with_config(tags=["t"])
    replies = bound.batch([state["text"]])
    text = "".join(reply.content.strip() for reply in replies)
    return {"text": text + chain.invoke({"x": 1}), "any": fallbacks.invoke(state["messages"])}


async def asks_everything(state: State) -> dict[str, Any]:
    async for chunk in chain.astream({"x": state["text"]}):
        last = chunk
    vectors = await embedder.aembed_documents(state["items"])
    return {"text": last, "any": [vectors, assigned.invoke({}), await chain.ainvoke(state)]}


def piped(state: State) -> dict[str, Any]:
    local = model | twice
    again = local | StrOutputParser()
    return {"any": again.invoke(state["text"]), "text": model.get_num_tokens(state["text"])}


def configured(state: State, config: RunnableConfig) -> dict[str, Any]:
    key = state["text"]
    return {"any": config[key], "text": config["metadata"]["x"]}  # type: ignore[literal-required]


def conditional(state: State) -> dict[str, Any]:
    source = state or {}
    return {"a": source["a"]}


def compares(state: State) -> dict[str, Any]:
    return {"a": int(state == {}), "b": int(state is None)}


def unpacked(state: State) -> dict[str, Any]:
    return {"a": twice(**state)}


def loops_over_its_state(state: State) -> dict[str, Any]:
    return {"items": [key for key in state]}


def contexts(state: State) -> dict[str, Any]:
    with contextlib.suppress(KeyError), contextlib.nullcontext() as nothing:
        return {"any": nothing}
    return {}


MOVABLE: list[tuple[Any, set[str], set[str]]] = [
    (statements, {"items", "text", "pair", "any"}, {"text", "a", "items"}),
    (trying, {"text"}, {"a"}),
    (matching, {"any"}, {"a"}),
    (matches_the_state, ALL, {"b"}),
    (lookups, {"table", "text"}, {"a", "b", "text", "items"}),
    (shapes, {"a"}, {"a", "b", "text"}),
    (tuples, {"a", "b"}, {"a", "any", "pair"}),
    (numbers, {"text"}, {"text", "a", "items"}),
    (inheritance, {"a"}, {"a", "b"}),
    (higher_order, {"items", "a"}, {"a", "items", "b"}),
    (streams, {"text", "messages"}, {"text", "any"}),
    (asks_everything, ALL, {"text", "any"}),
    (piped, {"text"}, {"any", "text"}),
    (configured, {"text"}, {"any", "text"}),
    (conditional, {"a"}, {"a"}),
    (compares, ALL, {"a", "b"}),
    (unpacked, ALL, {"a"}),
    (loops_over_its_state, ALL, {"items"}),
    (contexts, set(), {"any"}),
]


def effects_of(node: Any) -> Effects:
    """The effects of a node in a graph of its own."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("node", node)
    return GraphPlan.of(builder).nodes["node"].effects


@pytest.mark.parametrize(("node", "reads", "writes"), MOVABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_movable(node: Any, reads: set[str], writes: set[str]) -> None:
    """What a node reads and writes is known, and it touches nothing else."""
    found = effects_of(node)
    assert found.known, found.reason
    assert (found.reads, found.writes) == (reads, writes)


def reads_a_list(state: State) -> dict[str, Any]:
    return {"items": [name for name in names]}


def retrieves(state: State) -> dict[str, Any]:
    return {"docs": retriever.invoke(state["text"])}


def asks_the_config(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"any": config.copy()}


OUTSIDE = [(reads_a_list, "'names'"), (retrieves, "Retriever"), (asks_the_config, "copy()")]


@pytest.mark.parametrize(("node", "reason"), OUTSIDE, ids=lambda value: getattr(value, "__name__", ""))
def test_outside(node: Any, reason: str) -> None:
    """What stays in its place, with known writes."""
    found = effects_of(node)
    assert found.touches_outside
    assert found.writes is not None
    assert reason in found.reason


def remembers(state: State) -> dict[str, Any]:
    return {"a": remembered(state["a"])}


def own_parsing(state: State) -> dict[str, Any]:
    return {"text": own_parser.invoke({"x": 1})}


def enters(state: State) -> dict[str, Any]:
    with WithTimer():
        return {}


def class_inside(state: State) -> dict[str, Any]:
    class Inner:
        pass

    return {}


def relative(state: State) -> dict[str, Any]:
    from . import nothing

    return {"a": nothing}


def missing(state: State) -> dict[str, Any]:
    from json import nothing_of_the_kind

    return {"a": nothing_of_the_kind}


def undefined(state: State) -> dict[str, Any]:
    return {"a": nowhere_defined}  # noqa: F821


def lazy(state: State) -> dict[str, Any]:
    return {"a": json.nothing_of_the_kind}


def made_up(state: State) -> dict[str, Any]:
    return {"a": settings.nothing_of_the_kind}


def assigns_elsewhere(state: State) -> dict[str, Any]:
    settings.limit = 4
    return {}


def pops(state: State) -> dict[str, Any]:
    return {"a": state.pop("a")}


def adds_to_an_item(state: State) -> dict[str, Any]:
    state["table"]["x"] += [1]
    return {}


def handles(state: State) -> dict[str, Any]:
    handler.flush()
    return {}


def rebinds_outer(state: State) -> dict[str, Any]:
    total = 0

    def inner() -> None:
        nonlocal total
        total += 1

    inner()
    return {"a": total}


def calls_one_of(state: State) -> dict[str, Any]:
    for function in (twice, level_one):
        function(1)
    return {}


def hands_over_an_object(state: State) -> dict[str, Any]:
    return {"text": str(handler)}


def defers(state: State) -> dict[str, Any]:
    task = asyncio.create_task(asyncio.sleep(0))
    return {"any": task}


async def generates(state: State) -> dict[str, Any]:
    async def inner() -> Any:
        yield 1

    return {"any": [x async for x in inner()]}


def user_generator() -> Any:
    yield 1


def uses_a_generator(state: State) -> dict[str, Any]:
    return {"items": [x for x in user_generator()]}


UNKNOWN: list[tuple[Any, str]] = [
    (remembers, "remembers its results"),
    (own_parsing, "Parser"),
    (enters, "context manager"),
    (class_inside, "ClassDef"),
    (relative, "relative"),
    (missing, "nothing_of_the_kind"),
    (undefined, "nowhere_defined"),
    (lazy, "nothing_of_the_kind"),
    (made_up, "made up"),
    (assigns_elsewhere, ".limit"),
    (pops, ".pop()"),
    (adds_to_an_item, "did not make"),
    (handles, "flush"),
    (rebinds_outer, "total"),
    (calls_one_of, "not known"),
    (hands_over_an_object, "MemoryHandler"),
    (defers, "create_task"),
    (generates, "generator"),
    (uses_a_generator, "generator"),
    (retriever, "Retriever"),
]


@pytest.mark.parametrize(("node", "reason"), UNKNOWN, ids=lambda value: getattr(value, "__name__", ""))
def test_unknown(node: Any, reason: str) -> None:
    """What can't be followed is not movable, with the reason."""
    found = effects_of(node)
    assert not found.known
    assert reason in found.reason


def test_closures_that_are_not_filled_yet() -> None:
    """A name without a value yet is unknown, not an error."""

    def make() -> Any:
        def node(state: State) -> dict[str, Any]:
            return {"a": later}

        found = effects_of(node)
        later = 1
        return found, later

    found, _ = make()
    assert "no value yet" in found.reason


def test_deep_nesting_ends() -> None:
    """Functions that nest too deep are unknown."""
    function: Any = twice
    for _ in range(20):

        def function(value: Any, inner: Any = function) -> Any:
            return inner(value)

    def node(state: State) -> dict[str, Any]:
        return {"a": function(1)}

    assert "deeper" in effects_of(node).reason


def test_lists_of_commands_are_not_known() -> None:
    """A node may return several updates at once."""

    def several(state: State) -> Any:
        return [{"a": 1}, {"b": 1}]

    assert effects_of(several).writes is None
    assert not effects_of(lambda state: Command(goto="x")).known


def test_pure_functions() -> None:
    """Same outcome each time, and no effect."""
    assert is_pure_function(twice, int)
    assert not is_pure_function(lambda a, b: a.append(b), list, int)
    assert not is_pure_function(print, str)


def test_may_wait_is_a_quick_no() -> None:
    """Only code that reaches for nothing but its arguments surely does not wait."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("no", lambda state: {"a": state["a"] + 1})
    builder.add_node("maybe", asks_everything)
    builder.add_node("object", Scorer())
    nodes = GraphPlan.of(builder).nodes
    assert [may_wait(nodes[name].runnable) for name in ("no", "maybe", "object")] == [False, True, True]


class Filled(BaseModel):
    """A state as a model, with a default that is not None."""

    a: int = 0
    b: int | None = None
    c: list[str] = Field(default_factory=list)


@dataclass
class FilledToo:
    """A state as a dataclass."""

    a: int = 0
    b: int | None = None


def test_a_returned_object_writes_what_it_was_filled_with() -> None:
    """LangGraph writes fields left at a default too: of a model unless it is None, of a dataclass always."""

    def model_node(state: State) -> Any:
        return Filled(b=1)

    def dataclass_node(state: State) -> Any:
        return FilledToo()

    assert effects_of(model_node).writes == {"a", "b", "c"}
    assert effects_of(dataclass_node).writes == {"a", "b"}


def test_a_digest_only_computes() -> None:
    """Hashing a text is followed to its end."""

    def digesting(state: State) -> Any:
        return {"b": hashlib.sha256(state["a"].encode()).hexdigest()[:8]}

    found = effects_of(digesting)
    assert (found.known, found.reads, found.writes) == (True, {"a"}, {"b"})


class Wallet:
    """Works something out once, and keeps it."""

    spent = 0

    @functools.cached_property
    def first(self) -> int:
        """Kept in the instance."""
        return self.spent


class WalletState(TypedDict):
    """A state that holds one."""

    wallet: Wallet
    b: int


def test_a_property_that_keeps_its_value_is_computed_when_it_is_asked_for() -> None:
    """Of a value of the state, whose class is known, as of an object of the application's."""

    def node(state: WalletState) -> dict[str, Any]:
        return {"b": state["wallet"].first}

    effects = infer_effects(RunnableCallable(node), WalletState, frozenset({"wallet", "b"}))
    assert "computed when it is asked for" in effects.reason
