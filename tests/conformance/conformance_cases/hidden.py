"""Effects, reads and writes that are easily overlooked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import functools
import itertools
import linecache
import logging
import operator
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypedDict

from conformance_cases.case import Built, case
from conformance_cases.models import EchoModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import Recorder

PAUSE = 0.004
INSTANT = 0.0005
"""Enough for a node to be worth an early start."""


class Note(TypedDict, total=False):
    text: str
    one: Any
    two: Any
    three: Any


TEXT = {"text": "hi"}


def slow(state: Note) -> Note:
    """Stands before the nodes in question: during it they could start."""
    time.sleep(PAUSE)
    return {"one": "slow"}


def chain(*nodes: Any) -> StateGraph:
    builder = StateGraph(Note)
    builder.add_sequence([(f"node_{number}", node) for number, node in enumerate(nodes)])
    builder.add_edge(START, "node_0")
    return builder


# --- effects ---------------------------------------------------------------------------------------------------


@case(input=TEXT, output={"two": 1, "three": 2})
def a_closures_counter(recorder: Recorder) -> Built:
    count = 0

    def first(state: Note) -> Note:
        nonlocal count
        time.sleep(PAUSE)
        count += 1
        return {"two": count}

    def second(state: Note) -> Note:
        nonlocal count
        time.sleep(INSTANT)
        count += 1
        return {"three": count}

    return chain(first, second)


@case(input=TEXT, output={"two": 0, "three": 1})
def an_iterator_shared_by_nodes(recorder: Recorder) -> Built:
    numbers = itertools.count()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": next(numbers)}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": next(numbers)}

    return chain(first, second)


@case(input=TEXT, output={"two": 1, "three": 2})
def a_mutable_default_argument(recorder: Recorder) -> Built:
    seen: list[str] = []

    def first(state: Note, seen: list[str] = seen) -> Note:
        time.sleep(PAUSE)
        seen.append(state["text"])
        return {"two": len(seen)}

    def second(state: Note, seen: list[str] = seen) -> Note:
        time.sleep(INSTANT)
        seen.append(state["text"])
        return {"three": len(seen)}

    return chain(first, second)


@case(input=TEXT, output={"two": 1, "three": 2})
def an_attribute_of_a_function(recorder: Recorder) -> Built:
    def count() -> int:
        count.calls += 1  # type: ignore[attr-defined]
        return count.calls  # type: ignore[attr-defined,no-any-return]

    count.calls = 0  # type: ignore[attr-defined]

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": count()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": count()}

    return chain(first, second)


class Counter:
    """Counts in the class itself."""

    calls = 0

    def __call__(self) -> int:
        type(self).calls += 1
        return type(self).calls


@case(input=TEXT, output={"two": 1, "three": 2})
def an_attribute_of_a_class(recorder: Recorder) -> Built:
    Counter.calls = 0
    counter = Counter()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": counter()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": counter()}

    return chain(first, second)


class Lazy:
    """An attribute whose reading changes it."""

    def __init__(self) -> None:
        self._reads = 0

    @property
    def reads(self) -> int:
        self._reads += 1
        return self._reads


# LangGraph itself looks at the attribute when it compiles, so the count does not begin at one.
@case(input=TEXT)
def a_property_that_changes_its_object(recorder: Recorder) -> Built:
    lazy = Lazy()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": lazy.reads}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": lazy.reads}

    return chain(first, second)


class Adder:
    """An operator with a memory."""

    def __init__(self) -> None:
        self.total = 0

    def __add__(self, other: int) -> int:
        self.total += other
        return self.total

    def __getitem__(self, key: int) -> int:
        self.total += key
        return self.total

    def __contains__(self, key: object) -> bool:
        self.total += 1
        return self.total > 1

    def __iter__(self) -> Iterator[int]:
        self.total += 1
        return iter([self.total])

    def __str__(self) -> str:
        self.total += 1
        return str(self.total)

    def __bool__(self) -> bool:
        self.total += 1
        return self.total > 1

    def __enter__(self) -> int:
        self.total += 1
        return self.total

    def __exit__(self, *error: object) -> None:
        self.total += 1


def by_addition(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return adder + 1

    return read


def by_subscription(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return adder[1]

    return read


def by_membership(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return "x" in adder

    return read


def by_iteration(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return [*adder]

    return read


def by_formatting(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return f"{adder}"

    return read


def by_truth(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return not adder

    return read


def by_conversion(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return str(adder)

    return read


def by_sum(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return sum(adder)

    return read


def by_sorting(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return sorted(adder)

    return read


OPERATORS = {
    by_addition: (1, 2),
    by_subscription: (1, 2),
    by_membership: (False, True),
    by_iteration: ([1], [2]),
    by_formatting: ("1", "2"),
    by_truth: (True, False),
    by_conversion: ("1", "2"),
    by_sum: (1, 2),
    by_sorting: ([1], [2]),
}


def first_of(read: Callable[[Note], Any]) -> Callable[[Note], Note]:
    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": read(state)}

    return first


def second_of(read: Callable[[Note], Any]) -> Callable[[Note], Note]:
    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": read(state)}

    return second


def _operator_case(make: Callable[[Any], Callable[[Note], Any]], one: Any, two: Any) -> None:
    def build(recorder: Recorder) -> Built:
        read = make(Adder())
        return chain(first_of(read), second_of(read))

    name = f"an_operator_with_a_memory_{make.__name__}"
    case(name=name, input=TEXT, output={"two": one, "three": two})(build)


for _make, _expected in OPERATORS.items():
    _operator_case(_make, *_expected)


@case(input=TEXT, output={"two": 1, "three": 2})
def operators_with_a_memory_inside_nodes(recorder: Recorder) -> Built:
    adder = Adder()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": adder + 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": adder + 1}

    return chain(first, second)


@case(input=TEXT, output={"two": 1, "three": 3})
def a_context_manager_with_a_memory(recorder: Recorder) -> Built:
    adder = Adder()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        with adder as total:
            return {"two": total}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        with adder as total:
            return {"three": total}

    return chain(first, second)


@case(input=TEXT, output={"two": 0.13436424411240122, "three": 0.8474337369372327})
def a_seeded_random_sequence(recorder: Recorder) -> Built:
    generator = random.Random(1)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": generator.random()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": generator.random()}

    return chain(first, second)


@case(input=TEXT, output={"two": "set", "three": "by first"})
def an_environment_variable(recorder: Recorder) -> Built:
    os.environ.pop("OPTIFLOW_CONFORMANCE", None)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        os.environ["OPTIFLOW_CONFORMANCE"] = "by first"
        return {"two": "set"}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": os.environ.get("OPTIFLOW_CONFORMANCE", "MISSING")}

    return chain(first, second)


@case(input=TEXT, output={"two": "written", "three": "hi"})
def a_file_written_and_then_read(recorder: Recorder) -> Built:
    path = Path(gettempdir()) / f"optiflow-conformance-{os.getpid()}-{id(recorder)}.txt"

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        path.write_text(state["text"])
        return {"two": "written"}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        try:
            with open(path) as file:  # noqa: PTH123 - the form to be seen through
                return {"three": file.read()}
        finally:
            path.unlink()

    return chain(first, second)


class RecordingHandler(logging.Handler):
    """Notes log records as effects."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        self.recorder.effect(record.getMessage())


@case(input=TEXT, output={"two": 1, "three": 2}, effects=("first", "second"))
def log_records(recorder: Recorder) -> Built:
    logger = logging.getLogger(f"conformance.{id(recorder)}")
    logger.propagate = False
    logger.addHandler(RecordingHandler(recorder))

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        logger.warning("first")
        return {"two": 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        logger.warning("second")
        return {"three": 2}

    return chain(first, second)


def remembered(function: Callable[[Note], Note], seen: list[str]) -> Callable[[Note], Note]:
    """A decorator that leaves a trace; the source that tools show is that of the function inside."""

    @functools.wraps(function)
    def wrapper(state: Note) -> Note:
        result = function(state)
        seen.append(function.__name__)
        return {**result, "one": list(seen)}

    return wrapper


@case(input=TEXT, output={"one": ["first", "second"], "two": 1, "three": 2})
def decorated_nodes(recorder: Recorder) -> Built:
    seen: list[str] = []

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": 2}

    return chain(remembered(first, seen), remembered(second, seen))


@case(input=TEXT, output={"two": 1, "three": 2})
def a_builtin_shadowed(recorder: Recorder) -> Built:
    seen: list[int] = []

    def len(text: str) -> int:
        seen.append(1)
        return seen.__len__()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": len(state["text"])}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": len(state["text"])}

    return chain(first, second)


MISLEADING = """
def misleading(state):
    return {"three": state["text"]}
"""


@case(input=TEXT, output={"two": "hi", "three": "hi then"})
def a_source_that_is_not_the_code(recorder: Recorder) -> Built:
    """The file was edited after it was imported."""
    kept: list[str] = []
    name = f"<edited {id(recorder)}>"
    names: dict[str, Any] = {"kept": kept}
    exec(compile('\ndef misleading(state):\n    return {"three": kept[-1] + " then"}\n', name, "exec"), names)
    linecache.cache[name] = (0, None, MISLEADING.splitlines(keepends=True), name)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(state["text"])
        return {"two": kept[-1]}

    return chain(first, names["misleading"])


class Secretive:
    """Its call is not the one that its class shows."""

    def __init__(self, kept: list[int]) -> None:
        self.kept = kept

    def __call__(self, state: Note) -> Note:
        return self.work(state)

    def work(self, state: Note) -> Note:
        raise NotImplementedError


class Counting(Secretive):
    def work(self, state: Note) -> Note:
        time.sleep(INSTANT)
        self.kept.append(1)
        return {"three": len(self.kept)}


@case(input=TEXT, output={"two": 1, "three": 2})
def an_overridden_method(recorder: Recorder) -> Built:
    kept: list[int] = []

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(1)
        return {"two": len(kept)}

    return chain(first, Counting(kept))


@case(input=TEXT, output={"two": 1, "three": 2})
def a_method_replaced_on_the_instance(recorder: Recorder) -> Built:
    kept: list[int] = []
    worker = Secretive(kept)

    def work(state: Note) -> Note:
        time.sleep(INSTANT)
        kept.append(1)
        return {"three": len(kept)}

    worker.work = work  # type: ignore[method-assign]

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(1)
        return {"two": len(kept)}

    return chain(first, worker)


@case(input=TEXT, output={"two": "one", "three": "two"})
def a_model_that_answers_in_turn(recorder: Recorder) -> Built:
    model = FakeListChatModel(responses=["one", "two"])

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


@case(input=TEXT, output={"two": "one", "three": "two"})
def a_model_that_reads_a_script(recorder: Recorder) -> Built:
    model = GenericFakeChatModel(messages=iter([AIMessage("one"), AIMessage("two")]))

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


@case(input=TEXT, output={"two": "sample 1", "three": "sample 2"})
def a_model_of_the_users_that_counts(recorder: Recorder) -> Built:
    asked: list[int] = []

    def sample(messages: Any) -> AIMessage:
        asked.append(1)
        return AIMessage(f"sample {len(asked)}")

    model = EchoModel(recorder, sample, temperature=1.0)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


@case(input=TEXT, output={"two": "heard: hi", "three": "heard: hi!"})
def runnables_that_ask_a_model(recorder: Recorder) -> Built:
    model = EchoModel(recorder)

    def ask(state: Note) -> Note:
        return {"two": model.invoke(state["text"]).text}

    def ask_louder(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"] + "!").text}

    return chain(slow, RunnableLambda(ask), RunnableLambda(ask_louder))


# --- reads -----------------------------------------------------------------------------------------------------


def by_alias(state: Note) -> Note:
    time.sleep(INSTANT)
    other = state
    return {"two": other["one"]}


def by_bound_method(state: Note) -> Note:
    time.sleep(INSTANT)
    get = state.get
    return {"two": get("one")}


def by_inner_function(state: Note) -> Note:
    time.sleep(INSTANT)

    def read() -> Any:
        return state["one"]

    return {"two": read()}


def by_inner_lambda(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": (lambda given: given["one"])(state)}


def by_itemgetter(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": operator.itemgetter("one")(state)}


def by_getattr(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": getattr(state, "get")("one")}  # noqa: B009 - the form to be seen through


def by_locals(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": locals()["state"]["one"]}


def by_match(state: Note) -> Note:
    time.sleep(INSTANT)
    match state:
        case {"one": found}:
            return {"two": found}
    return {"two": "MISSING"}


def by_walrus(state: Note) -> Note:
    time.sleep(INSTANT)
    if (given := state) and "one" in given:
        return {"two": given["one"]}
    return {"two": "MISSING"}


def by_keywords(state: Note) -> Note:
    time.sleep(INSTANT)

    def take(one: Any = "MISSING", **_: Any) -> Any:
        return one

    return {"two": take(**state)}


def by_format_map(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": "{one}".format_map(state)}


def by_percent(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": "%(one)s" % state}  # noqa: UP031 - the form to be seen through


def by_comprehension(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": [state[key] for key in ("one",)][0]}  # type: ignore[literal-required]  # noqa: RUF015


def by_try(state: Note) -> Note:
    time.sleep(INSTANT)
    try:
        return {"two": state["one"]}
    except KeyError:
        return {"two": "MISSING"}


def by_catching_everything(state: Note) -> Note:
    time.sleep(INSTANT)
    try:
        return {"two": state["one"]}
    except:  # noqa: E722 - the form to be seen through
        return {"two": "MISSING"}


def by_container(state: Note) -> Note:
    time.sleep(INSTANT)
    box = [state]
    return {"two": box[0]["one"]}


def by_dict_method(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": dict.get(state, "one")}


def by_merge(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": (state | {"three": 3})["one"]}  # type: ignore[typeddict-item]


def by_sorted_items(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": dict(sorted(state.items()))["one"]}


def by_map(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": next(map(state.get, ["one"]))}  # type: ignore[call-overload]


def by_partial(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": functools.partial(operator.getitem, state)("one")}


def by_loop_variable(state: Note) -> Note:
    time.sleep(INSTANT)
    for given in (state,):
        found = given["one"]
    return {"two": found}


def by_returned_state(state: Note) -> Note:
    time.sleep(INSTANT)

    def same(given: Note) -> Note:
        return given

    return {"two": same(state)["one"]}


def by_eval(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": eval("state['one']")}


READS = (
    by_alias, by_bound_method, by_inner_function, by_inner_lambda, by_itemgetter, by_getattr, by_locals, by_match,
    by_walrus, by_keywords, by_format_map, by_percent, by_comprehension, by_try, by_catching_everything, by_container,
    by_dict_method, by_merge, by_sorted_items, by_map, by_partial, by_loop_variable, by_returned_state, by_eval,
)  # fmt: skip


def before(state: Note) -> Note:
    time.sleep(PAUSE)
    return {"three": "before"}


def _read_case(read: Callable[[Note], Note]) -> None:
    case(name=f"a_read_{read.__name__}", input=TEXT, output={"two": "slow"})(lambda recorder: chain(before, slow, read))


for read in READS:
    _read_case(read)


# --- writes ----------------------------------------------------------------------------------------------------


def into_a_variable(state: Note) -> Note:
    time.sleep(INSTANT)
    update: Note = {}
    update["one"] = "slow"
    return update


def by_dict_call(state: Note) -> Any:
    time.sleep(INSTANT)
    return dict(one="slow")  # noqa: C408 - the form to be seen through


def by_union(state: Note) -> Any:
    time.sleep(INSTANT)
    return {"three": 3} | {"one": "slow"}


def by_a_helper(state: Note) -> Any:
    time.sleep(INSTANT)

    def made() -> dict[str, str]:
        return {"one": "slow"}

    return made()


def by_a_computed_name(state: Note) -> Any:
    time.sleep(INSTANT)
    return {"o" + "ne": "slow"}


def by_update(state: Note) -> Any:
    time.sleep(INSTANT)
    update: dict[str, Any] = {"three": 3}
    update.update(one="slow")
    return update


def by_setdefault(state: Note) -> Any:
    time.sleep(INSTANT)
    update: dict[str, Any] = {}
    update.setdefault("one", "slow")
    return update


def by_the_state_itself(state: Note) -> Note:
    time.sleep(INSTANT)
    state["one"] = "slow"
    return state


def by_the_state_unpacked(state: Note) -> Note:
    time.sleep(INSTANT)
    return {**state, "one": "slow"}


def by_one_of_two_returns(state: Note) -> Note:
    time.sleep(INSTANT)
    if state["text"]:
        return {"one": "slow"}
    return {"three": 3}


def by_a_conditional_expression(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"one": "slow"} if state["text"] else {"three": 3}


def by_comprehension_over_names(state: Note) -> Any:
    time.sleep(INSTANT)
    return {name: state["text"] and "slow" for name in ("one", "three")}


def by_pairs(state: Note) -> Any:
    time.sleep(INSTANT)
    return dict([("one", "slow")])  # noqa: C406 - the form to be seen through


WRITES = (
    into_a_variable, by_dict_call, by_union, by_a_helper, by_a_computed_name, by_update, by_setdefault,
    by_the_state_itself, by_the_state_unpacked, by_one_of_two_returns, by_a_conditional_expression,
    by_comprehension_over_names, by_pairs,
)  # fmt: skip


def read_one(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": state.get("one", "MISSING")}


def _write_case(write: Callable[[Note], Any]) -> None:
    def paused(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"three": "paused"}

    case(name=f"a_write_{write.__name__}", input=TEXT, output={"two": "slow"})(
        lambda recorder: chain(paused, write, read_one)
    )


for write in WRITES:
    _write_case(write)
