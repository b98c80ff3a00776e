"""What the analysis says of nodes, known and unknown."""

# ruff: noqa: D103 - most functions here are nodes to look at, not tests

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import itertools
import json
import linecache
import logging
import os
import random
import re
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel, RunnablePassthrough
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from optiflow import effects
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.inference.kept import forget


class State(TypedDict, total=False):
    a: int
    b: int
    text: str
    items: list[str]
    table: dict[str, int]
    docs: list[Document]
    any: Any
    messages: Annotated[list[AnyMessage], add_messages]


ALL = {"a", "b", "text", "items", "table", "docs", "any", "messages"}

log = logging.getLogger(__name__)
memory: dict[str, int] = {}
counter = itertools.count()
PROMPTS = {"one": "Say {x}", "two": "Sing {x}"}
KEYS = ("a", "b")
prompt = ChatPromptTemplate.from_messages([("human", "{x}")])
fake = FakeListChatModel(responses=["x"])


class Model(BaseChatModel):
    """A model of the application's own that keeps nothing."""

    name: str = "m"

    @property
    def _llm_type(self) -> str:
        return "mine"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.name))])


class CountingModel(Model):
    """A model that counts."""

    count: int = 0

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.count += 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage(str(self.count)))])


model = Model()
counting = CountingModel()
chain = prompt | model | StrOutputParser()
parallel = RunnableParallel(x=RunnablePassthrough(), y=RunnableLambda(lambda value: len(str(value))))


def helper(value: int, times: int = 2) -> int:
    return value * times


def deep(state: State, key: str) -> Any:
    return state[key]  # type: ignore[literal-required]


def recursive(n: int) -> int:
    return n if n < 2 else recursive(n - 1)


def recursive_state(state: State, n: int) -> Any:
    return state if n == 0 else recursive_state(state, n - 1)


def appends(values: list[str]) -> None:
    values.append("x")


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = function(*args, **kwargs)
        log.info("took %s", time.perf_counter() - start)
        return result

    return wrapper


class Plain:
    """An object that only stores."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.parts: list[str] = []

    def add(self, part: str) -> None:
        self.parts.append(part)

    @property
    def joined(self) -> str:
        return "".join(self.parts)


class Box:
    """An object with state."""

    def __init__(self) -> None:
        self.value = 1

    def bump(self) -> int:
        self.value += 1
        return self.value

    def look(self) -> int:
        return self.value


box = Box()


@dataclass
class Item:
    name: str
    tags: list[str] = field(default_factory=list)


class Answer(BaseModel):
    text: str = ""


# Each node with what is expected: reads, writes, and a part of the reason where it is not movable.


def indexing(state: State) -> dict[str, Any]:
    return {"a": state["b"] + 1}


def getting(state: State) -> dict[str, Any]:
    return {"a": state.get("b", 0), "text": "x" if "text" in state else "y"}


async def awaiting(state: State) -> dict[str, Any]:
    await asyncio.sleep(0)
    results = await asyncio.gather(*[asyncio.sleep(0) for _ in range(state["a"])])
    return {"b": len(results)}


def building(state: State) -> dict[str, Any]:
    out: dict[str, Any] = {}
    alias = out
    if state["a"]:
        out["a"] = 1
    alias["b"] = 2
    alias.update({"text": "x"}, items=[])
    out.setdefault("table", {})
    return out


def returning_nothing(state: State) -> None:
    if state["a"]:
        return
    return


def branches(state: State) -> Any:
    if state["a"] > 3:
        return {"a": 1}
    return {"b": 1} if state["b"] else None


def helped(state: State) -> dict[str, Any]:
    return {"a": helper(state["a"], times=recursive(3)), "b": deep(state, "text")}


def looping(state: State) -> dict[str, Any]:
    total = 0
    words = Counter[str]()
    for word in state["items"]:
        total += len(word)
        words[word] += 1
    while total > 10:
        total -= 1
    names = [f"{n}:{word.upper()}" for n, word in enumerate(sorted(state["items"], key=lambda w: w.lower()))]
    return {"a": total, "items": names, "table": dict.fromkeys(("x", "y"), 1)}


def parsing(state: State) -> dict[str, Any]:
    try:
        value = json.loads(state["text"])
        text = value.get("name", "").strip()
    except (json.JSONDecodeError, KeyError) as error:
        text = str(error)
    else:
        text = re.sub(r"\s+", " ", text)
    finally:
        pass
    with contextlib.suppress(ValueError):
        text = text.replace("a", "b")
    return {"text": text}


def keys_of_a_constant(state: State) -> dict[str, Any]:
    return {key: state[key] for key in KEYS}  # type: ignore[literal-required]


def constants(state: State) -> dict[str, Any]:
    first, second = KEYS
    name = "te" + "xt"
    return {f"{first}": PROMPTS["one"].format(x=1), name: PROMPTS.get("two"), second: os.path.join("a", "b")}  # noqa: PTH118


def spreading(state: State) -> dict[str, Any]:
    everything = {**state}
    return {"a": len(everything)}


def copying(state: State) -> dict[str, Any]:
    return {"a": len(dict(state))}


def items_of(state: State) -> dict[str, Any]:
    return {"a": len([key for key, _ in state.items()])}


def dumping(state: State) -> dict[str, Any]:
    return {"text": json.dumps(state)}


def formatting(state: State) -> dict[str, Any]:
    return {"text": f"{state}"}


def computed(state: State) -> dict[str, Any]:
    return {"a": state[state["text"]]}  # type: ignore[literal-required]


def messaging(state: State) -> dict[str, Any]:
    last = state["messages"][-1]
    return {"messages": [AIMessage(last.content.strip())]}


def documents(state: State) -> dict[str, Any]:
    return {"text": "\n".join(doc.page_content.strip() for doc in state["docs"])}


def asking(state: State) -> dict[str, Any]:
    reply = model.invoke([HumanMessage(state["text"])])
    return {"messages": [reply], "text": reply.content.strip()}


async def chaining(state: State) -> dict[str, Any]:
    return {"text": (await chain.ainvoke({"x": state["text"]})).strip()}


def composing(state: State) -> dict[str, Any]:
    local = prompt | model.with_structured_output(Answer)
    answer = local.invoke({"x": state["text"]})
    return {"text": answer.text, "any": parallel.invoke(1)}


def streaming(state: State) -> dict[str, Any]:
    text = ""
    for chunk in chain.stream({"x": state["text"]}):
        text += chunk
    return {"text": text}


def logging_node(state: State) -> dict[str, Any]:
    log.info("got %s", state["a"])
    log.debug("at %s", datetime.now())
    return {"text": str(uuid.uuid4())}


@decorated
def wrapped(state: State) -> dict[str, Any]:
    return {"a": state["b"]}


def objects(state: State) -> dict[str, Any]:
    plain = Plain(3)
    item = Item("x")
    return {"a": plain.size, "text": plain.joined + item.name, "any": Answer(text="y").model_dump()}


def threading_node(state: State) -> Any:
    async def run() -> dict[str, Any]:
        return {"a": await asyncio.to_thread(helper, state["a"])}

    return run()


def inner_functions(state: State) -> dict[str, Any]:
    def inner(key: str) -> Any:
        return state[key]  # type: ignore[literal-required]

    double = lambda value: value * 2  # noqa: E731
    return {"a": inner("b"), "b": double(state["a"])}


def configured(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"text": config["configurable"]["user"], "a": config.get("configurable", {}).get("b")}


def in_context(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"text": runtime.context}


def reader_of(*keys: str) -> Any:
    """A node that reads the keys that its factory was given."""

    def node(state: State) -> dict[str, Any]:
        return {"a": sum(state[key] for key in keys)}  # type: ignore[literal-required]

    return node


def matching(state: State) -> dict[str, Any]:
    match state["text"]:
        case "x":
            return {"a": 1}
        case str() as other if other:
            return {"a": len(other)}
    return {"a": 0}


def getting_attributes(state: State) -> dict[str, Any]:
    return {"a": getattr(state["any"], "size", 1), "b": state["table"]["x"] if not state["items"] else -state["a"]}


MOVABLE: list[tuple[Any, set[str], set[str]]] = [
    (indexing, {"b"}, {"a"}),
    (getting, {"b", "text"}, {"a", "text"}),
    (awaiting, {"a"}, {"b"}),
    (building, {"a"}, {"a", "b", "text", "items", "table"}),
    (returning_nothing, {"a"}, set()),
    (branches, {"a", "b"}, {"a", "b"}),
    (helped, {"a", "text"}, {"a", "b"}),
    (looping, {"items"}, {"a", "items", "table"}),
    (parsing, {"text"}, {"text"}),
    (keys_of_a_constant, {"a", "b"}, {"a", "b"}),
    (constants, set(), {"a", "b", "text"}),
    (spreading, ALL, {"a"}),
    (copying, ALL, {"a"}),
    (items_of, ALL, {"a"}),
    (dumping, ALL, {"text"}),
    (formatting, ALL, {"text"}),
    (computed, ALL, {"a"}),
    (messaging, {"messages"}, {"messages"}),
    (documents, {"docs"}, {"text"}),
    (asking, {"text"}, {"messages", "text"}),
    (chaining, {"text"}, {"text"}),
    (composing, {"text"}, {"text", "any"}),
    (streaming, {"text"}, {"text"}),
    (logging_node, {"a"}, {"text"}),
    (wrapped, {"b"}, {"a"}),
    (objects, set(), {"a", "text", "any"}),
    (threading_node, {"a"}, {"a"}),
    (inner_functions, {"a", "b"}, {"a", "b"}),
    (configured, set(), {"a", "text"}),
    (in_context, set(), {"text"}),
    (matching, {"text"}, {"a"}),
    (reader_of("a", "b"), {"a", "b"}, {"a"}),
    (reader_of(), set(), {"a"}),
    (getting_attributes, {"any", "table", "items", "a"}, {"a", "b"}),
    (lambda state: {"a": state["b"]}, {"b"}, {"a"}),
]


def effects_of(node: Any, schema: Any = State, **options: Any) -> Effects:
    """The effects of a node in a graph of its own."""
    builder: StateGraph[Any] = StateGraph(schema)
    builder.add_node("node", node, **options)
    return GraphPlan.of(builder).nodes["node"].effects


@pytest.mark.parametrize(("node", "reads", "writes"), MOVABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_movable(node: Any, reads: set[str], writes: set[str]) -> None:
    """What a node reads and writes is known, and it touches nothing else."""
    found = effects_of(node)
    assert found.known, found.reason
    assert (found.reads, found.writes, found.source) == (reads, writes, "inferred")


def prints(state: State) -> dict[str, Any]:
    print(state["a"])
    return {"b": 1}


def prints_to_a_file(state: State) -> dict[str, Any]:
    print(state["a"], file=sys.stderr)
    return {"b": 1}


def draws(state: State) -> dict[str, Any]:
    return {"b": random.randint(1, 6)}


def reads_the_environment(state: State) -> dict[str, Any]:
    return {"text": os.getenv("HOME")}


def loads(state: State) -> dict[str, Any]:
    return {"b": memory.get("x")}


def looks_into_a_box(state: State) -> dict[str, Any]:
    return {"b": box.look()}


def uses_the_store(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"text": str(runtime.store)}


def uses_the_checkpoint(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"text": config["configurable"]["checkpoint_ns"]}


OUTSIDE: list[tuple[Any, str]] = [
    (prints_to_a_file, "print"),
    (draws, "randint"),
    (reads_the_environment, "getenv"),
    (loads, "'memory'"),
    (looks_into_a_box, ".value changes"),
    (uses_the_store, ".store"),
    (uses_the_checkpoint, "'checkpoint_ns'"),
]


@pytest.mark.parametrize(("node", "reason"), OUTSIDE, ids=lambda value: getattr(value, "__name__", ""))
def test_outside(node: Any, reason: str) -> None:
    """A node that touches the outside stays in its place; what it writes is known, so others may pass it."""
    found = effects_of(node)
    assert found.touches_outside
    assert found.writes is not None
    assert reason in found.reason


def mutates(state: State) -> dict[str, Any]:
    state["items"].append("x")
    return {}


def mutates_by_adding(state: State) -> dict[str, Any]:
    items = state["items"]
    items += ["x"]
    return {}


def mutates_an_element(state: State) -> dict[str, Any]:
    for doc in state["docs"]:
        doc.metadata["seen"] = True
    return {}


def mutates_through_a_helper(state: State) -> dict[str, Any]:
    appends(state["items"])
    return {}


def mutates_a_view(state: State) -> dict[str, Any]:
    part = state["any"][1:]
    part[0] = 1
    return {}


def changes_its_state(state: State) -> State:
    state["a"] = 1
    return state


def deletes(state: State) -> dict[str, Any]:
    del state["table"]["x"]
    return {}


def saves(state: State) -> dict[str, Any]:
    memory["x"] = state["a"]
    return {"a": 1}


def rebinds(state: State) -> dict[str, Any]:
    global memory
    memory = {}
    return {}


def bumps(state: State) -> dict[str, Any]:
    return {"a": box.bump()}


def takes_from_an_iterator(state: State) -> dict[str, Any]:
    return {"a": next(counter)}


def iterates_over_an_iterator(state: State) -> dict[str, Any]:
    return {"items": [str(n) for n in counter]}


def hands_over_an_iterator(state: State) -> dict[str, Any]:
    return {"items": list(zip(state["items"], counter, strict=False))}


def interrupts(state: State) -> dict[str, Any]:
    return {"a": interrupt("?")}


def commands(state: State) -> Any:
    return Command(update={"a": 1}, goto="node")


def sends(state: State) -> Any:
    return [Send("node", {})]


def fills_its_own_object(state: State) -> dict[str, Any]:
    plain = Plain(3)
    plain.add(state["text"])
    return {"a": plain.size}


def unknown_method(state: State) -> dict[str, Any]:
    return {"a": state["any"].run()}


def unknown_call(state: State) -> dict[str, Any]:
    return {"a": state["any"](1)}


def third_party(state: State) -> dict[str, Any]:
    return {"a": pytest.approx(state["a"])}


def evaluates(state: State) -> dict[str, Any]:
    return {"a": eval(state["text"])}


def fakes(state: State) -> dict[str, Any]:
    return {"messages": [fake.invoke("x")]}


def counts(state: State) -> dict[str, Any]:
    return {"messages": [counting.invoke("x")]}


def opens(state: State) -> dict[str, Any]:
    with open(state["text"]) as file:  # noqa: PTH123
        return {"text": file.read()}


def writes_a_stream(state: State) -> dict[str, Any]:
    get_stream_writer()("x")
    return {}


def generates(state: State) -> Any:
    yield {"a": 1}


def returns_itself(state: State) -> State:
    return state


def returns_through_recursion(state: State) -> dict[str, Any]:
    return {"a": recursive_state(state, 3)["a"]}


def imports(state: State) -> dict[str, Any]:
    import a_module_that_does_not_exist

    return {"a": a_module_that_does_not_exist.x}


def unpacks(state: State) -> dict[str, Any]:
    return {"a": helper(*state["items"]), "b": state["any"].get("x")}


def takes_the_store(state: State, store: BaseStore) -> dict[str, Any]:
    return {}


def decorates_inside(state: State) -> dict[str, Any]:
    @decorated
    def inner() -> int:
        return 1

    return {"a": inner()}


UNKNOWN: list[tuple[Any, str]] = [
    (mutates, "did not make"),
    (mutates_by_adding, "in place"),
    (mutates_an_element, "did not make"),
    (mutates_through_a_helper, "did not make"),
    (mutates_a_view, "did not make"),
    (changes_its_state, "copy of the state"),
    (deletes, "did not make"),
    (saves, "did not make"),
    (rebinds, "memory"),
    (bumps, "did not make"),
    (takes_from_an_iterator, "next"),
    (iterates_over_an_iterator, "counter"),
    (hands_over_an_iterator, "has state"),
    (interrupts, "interrupts"),
    (commands, "Command"),
    (sends, "Send"),
    (fills_its_own_object, "did not make"),
    (unknown_method, ".run()"),
    (unknown_call, "not known"),
    (third_party, "approx"),
    (evaluates, "eval"),
    (fakes, "FakeListChatModel"),
    (counts, "did not make"),
    (opens, "context manager"),
    (writes_a_stream, "get_stream_writer"),
    (generates, "generator"),
    (returns_through_recursion, "recursive"),
    (imports, "a_module_that_does_not_exist"),
    (unpacks, "not known"),
    (takes_the_store, "store"),
    (decorates_inside, "decorated"),
    (StateGraph(State).add_node("x", indexing).set_entry_point("x").compile(), "graph of its own"),
    (eval("lambda state: {}"), "source"),
]


@pytest.mark.parametrize(("node", "reason"), UNKNOWN, ids=lambda value: getattr(value, "__name__", ""))
def test_unknown(node: Any, reason: str) -> None:
    """What can't be followed is unknown, with the reason; nothing moves across it."""
    found = effects_of(node)
    assert (found.source, found.reads, found.writes, found.touches_outside) == ("unknown", None, None, True)
    assert reason in found.reason


def test_a_node_that_returns_its_state_may_write_anything() -> None:
    """Its writes are not known, so it is not moved."""
    found = effects_of(returns_itself)
    assert found.writes is None
    assert not found.known
    assert "which keys it writes" in found.reason


class Callable:
    """A callable class."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, state: State) -> dict[str, Any]:
        return {self.key: state["a"]}

    def method(self, state: State) -> dict[str, Any]:
        return {self.key: state["b"]}


class Remembering(Callable):
    """A callable class with state."""

    def __call__(self, state: State) -> dict[str, Any]:
        self.last = state["a"]
        return {"a": 1}


def with_key(state: State, key: str) -> dict[str, Any]:
    return {key: state["a"]}


@pytest.mark.parametrize(
    ("node", "reads", "writes"),
    [
        (Callable("b"), {"a"}, {"b"}),
        (Callable("a").method, {"b"}, {"a"}),
        (functools.partial(with_key, key="text"), {"a"}, {"text"}),
        (RunnableLambda(indexing), {"b"}, {"a"}),
    ],
)
def test_callables_of_every_kind(node: Any, reads: set[str], writes: set[str]) -> None:
    """Instances, methods, partials and Runnables are followed like functions."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("node", node)
    found = GraphPlan.of(builder).nodes["node"].effects
    assert (found.reads, found.writes, found.known) == (reads, writes, True)


def test_an_instance_that_remembers_is_unknown() -> None:
    """Assigning to ``self`` may be read by anybody."""
    assert "did not make" in effects_of(Remembering("a")).reason


def test_a_chain_as_a_node_reads_everything() -> None:
    """A Runnable gets the whole state, and what it writes is not known."""
    found = effects_of(RunnablePassthrough() | RunnableLambda(indexing))
    assert found.reads == ALL
    assert found.writes is None


def test_a_narrow_input_schema_bounds_the_reads() -> None:
    """A node that reads everything reads no more than its input schema has."""

    class Narrow(TypedDict):
        a: int
        b: int

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("node", spreading, input_schema=Narrow)
    assert GraphPlan.of(builder).nodes["node"].effects.reads == {"a", "b"}


class Model2(BaseModel):
    a: int = 0
    text: str = ""

    def both(self) -> str:
        return f"{self.a}{self.text}"


@dataclass
class Data:
    a: int = 0
    text: str = ""


def attributes(state: Any) -> dict[str, Any]:
    return {"text": state.text.upper()}


def getattrs(state: Any) -> dict[str, Any]:
    return {"text": getattr(state, "text", "")}


def methods(state: Any) -> dict[str, Any]:
    return {"text": state.model_dump()}


def properties(state: Any) -> dict[str, Any]:
    whatever = state.both
    return {"text": str(whatever is None)}


@pytest.mark.parametrize("schema", [Model2, Data])
def test_attributes_of_models_and_dataclasses(schema: Any) -> None:
    """State as an object: fields are reads, anything else reads everything."""
    assert effects_of(attributes, schema).reads == {"text"}
    assert effects_of(getattrs, schema).reads == {"text"}
    assert effects_of(properties, schema).reads == {"a", "text"}
    assert effects_of(methods, schema).reads == {"a", "text"}


@effects(reads=["a"], writes=["b"])
def vouched(state: State) -> dict[str, Any]:
    memory["x"] = state["a"]
    return {"b": 1}


@effects(reads=["a"], writes=["b"])
class Vouched:
    def __call__(self, state: State) -> dict[str, Any]:
        return {"b": next(counter)}


@pytest.mark.parametrize("node", [vouched, Vouched(), functools.partial(vouched)])
def test_declared_effects_are_taken_as_they_are(node: Any) -> None:
    """The author of a node knows better than its code shows."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("node", node)
    found = GraphPlan.of(builder).nodes["node"].effects
    assert (found.reads, found.writes, found.source) == ({"a"}, {"b"}, "declared")


def test_waiting_is_told_from_computing() -> None:
    """Only what waits gains by overlapping."""
    assert effects_of(awaiting).waits
    assert effects_of(asking).waits
    assert not effects_of(looping).waits


def test_printing_is_held_back_and_so_moves() -> None:
    """What goes to standard output waits for the node's turn."""
    found = effects_of(prints)
    assert found.known
    assert (found.reads, found.writes) == ({"a"}, {"b"})


def test_an_analysis_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application compiles even where the analysis itself breaks."""
    from optiflow.plan.inference import infer

    def broken(*args: object) -> object:
        raise RuntimeError("broken")

    forget()
    monkeypatch.setattr(infer, "_follow", broken)
    assert "broken" in effects_of(indexing).reason


def test_code_that_is_not_what_the_file_says_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was edited after it was imported does not tell what runs; reloaded, it does."""
    file = tmp_path / "edited_module.py"
    file.write_text("def node(state):\n    assert state['a'], 'a'\n    return {'b': state['a']}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("edited_module")
    assert effects_of(module.node).reads == {"a"}
    file.write_text("def node(state):\n    return {'b': state['text']}\n")
    linecache.checkcache(str(file))
    # The code that runs is the one that was looked at.
    assert effects_of(module.node).reads == {"a"}
    forget()
    assert "source" in effects_of(module.node).reason
