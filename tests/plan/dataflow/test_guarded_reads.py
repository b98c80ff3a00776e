"""Early work that relied on what has changed is done again in its turn; what shows the order of time stays put."""

from __future__ import annotations

import asyncio
import builtins
import datetime
import operator
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict
from unittest import mock

import pytest
from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeTimeoutError
from langgraph.graph import END, START, StateGraph

import optiflow
from optiflow.plan.dataflow.node import ScheduledNode
from optiflow.plan.inference import handing

WAIT = 0.02
MODES = ("invoke", "ainvoke")


class State(TypedDict, total=False):
    """What the nodes hand on."""

    q: Any
    a: Any
    b: Any
    c: Any


def chain(*nodes: Callable[..., Any], schema: Any = State, **options: Any) -> Any:
    """The optimized graph of a straight chain."""
    builder = StateGraph(schema)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    builder.add_edge(before, END)
    return optiflow.compile(builder, "parallel", **options)


def run(graph: Any, mode: str, state: Any, **config: Any) -> Any:
    """One run by one of the two APIs."""
    return asyncio.run(graph.ainvoke(state, config)) if mode == "ainvoke" else graph.invoke(state, config)


def counted(graph: Any) -> dict[str, int]:
    """What came of early work in a graph; nothing where none is possible."""
    scheduled = [node.node for node in graph.nodes.values() if isinstance(node.node, ScheduledNode)]
    return dict(scheduled[0].schedule.tally.statistics()) if scheduled else {}


LIMIT = 1
FLAGS = {"stop": False}


class Settings:
    """An object of the application's."""

    level = 1

    def __init__(self) -> None:
        self.limit = 1


SETTINGS = Settings()


def helper() -> str:
    """Called by a node."""
    return "plain"


def wait(state: State) -> State:
    """The node that others overlap with."""
    time.sleep(WAIT)
    return {"a": 1}


def reads_a_global(state: State) -> State:
    """Depends on a global."""
    seen = LIMIT
    time.sleep(WAIT)
    return {"b": seen}


def reads_a_dict(state: State) -> State:
    """Depends on what a container holds."""
    seen = FLAGS["stop"]
    time.sleep(WAIT)
    return {"b": seen}


def reads_an_attribute(state: State) -> State:
    """Depends on an attribute of an object."""
    seen = SETTINGS.limit
    time.sleep(WAIT)
    return {"b": seen}


def reads_a_class_attribute(state: State) -> State:
    """Depends on an attribute of a class."""
    seen = Settings.level
    time.sleep(WAIT)
    return {"b": seen}


def calls_a_helper(state: State) -> State:
    """Depends on a function."""
    seen = helper()
    time.sleep(WAIT)
    return {"b": seen}


READERS = (reads_a_global, reads_a_dict, reads_an_attribute, reads_a_class_attribute, calls_a_helper)
CHANGES: dict[str, tuple[Callable[[], Any], Any]] = {
    "reads_a_global": (lambda: mock.patch(f"{__name__}.LIMIT", 2), 2),
    "reads_a_dict": (lambda: mock.patch.dict(FLAGS, stop=True), True),
    "reads_an_attribute": (lambda: mock.patch.object(SETTINGS, "limit", 2), 2),
    "reads_a_class_attribute": (lambda: mock.patch.object(Settings, "level", 2), 2),
    "calls_a_helper": (lambda: mock.patch(f"{__name__}.helper", return_value="changed"), "changed"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", READERS)
def test_a_change_by_a_reducer_is_seen(reader: Callable[[State], State], mode: str) -> None:
    """What the commit of the node before changes is what the next node reads, as without OptiFlow."""
    change, expected = CHANGES[reader.__name__]
    patches: list[Any] = []

    def reducer(left: Any, right: Any) -> Any:
        if right is not None and not patches:
            patches.append(change())
            patches[0].start()
        return right

    Reduced = TypedDict("Reduced", {"a": Annotated[int, reducer], "b": Any}, total=False)  # noqa: UP013

    graph = chain(wait, reader, schema=Reduced)
    try:
        assert run(graph, mode, {})["b"] == expected
    finally:
        patches[0].stop()
    figures = counted(graph)
    assert figures["started_early"] == 1
    assert figures["handed_over"] == 0
    assert figures["redone"] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", READERS)
def test_what_has_not_changed_is_handed_over(reader: Callable[[State], State], mode: str) -> None:
    """The same readers gain where nothing happens."""
    graph = chain(wait, reader)
    run(graph, mode, {})
    assert counted(graph)["handed_over"] == 1


@pytest.mark.parametrize("reader", READERS)
def test_nothing_starts_early_after_a_change(reader: Callable[[State], State]) -> None:
    """A place that is another one than when the code was looked at keeps the node in its turn."""
    graph = chain(wait, reader)
    change, expected = CHANGES[reader.__name__]
    with change():
        assert graph.invoke({})["b"] == expected
    figures = counted(graph)
    assert figures["started_early"] == 0
    assert sum(times for name, times in figures.items() if name.startswith("held_off_")) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_gauge_that_goes_up_and_down_is_noticed(mode: str) -> None:
    """A handler says that a node is at work, and that it no longer is, before the reader's turn has come."""
    held = threading.Event()

    class Gauge(BaseCallbackHandler):
        def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
            if kwargs.get("name") == "wait_for_it":
                SETTINGS.limit += 1

        def on_chain_end(self, outputs: Any, *, tags: Any = None, **kwargs: Any) -> None:
            if outputs == {"a": 1}:
                SETTINGS.limit = 1

    def wait_for_it(state: State) -> State:
        held.wait(WAIT)
        return {"a": 1}

    graph = chain(wait_for_it, reads_an_attribute)
    assert run(graph, mode, {}, callbacks=[Gauge()])["b"] == 1
    assert SETTINGS.limit == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_value_that_a_reducer_changes_in_place_is_seen(mode: str) -> None:
    """The other key holds the same list."""

    def extend(left: list[int], right: list[int]) -> list[int]:
        left.extend(right)
        return left

    keys = {"a": Annotated[list[int], extend], "b": list[int], "c": Any}
    Aliased = TypedDict("Aliased", keys, total=False)  # type: ignore[misc]

    def first(state: Any) -> Any:
        shared = [0]
        return {"a": shared, "b": shared}

    def second(state: Any) -> Any:
        time.sleep(WAIT)
        return {"a": [1]}

    def third(state: Any) -> Any:
        seen = list(state["b"])
        time.sleep(WAIT)
        return {"c": seen}

    assert run(chain(first, second, third, schema=Aliased), mode, {"a": [], "b": []})["c"] == [0]


class Ticket:
    """A value whose attribute is another one each time."""

    def __init__(self) -> None:
        self.taken = 0

    @property
    def number(self) -> int:
        """The next number."""
        self.taken += 1
        return self.taken


@pytest.mark.parametrize("mode", MODES)
def test_values_that_are_no_plain_data_are_read_in_turn(mode: str) -> None:
    """Of what is annotated as anything, the exact type decides when work would start."""

    def first(state: State) -> State:
        time.sleep(WAIT)
        return {"a": state["q"].number}

    def second(state: State) -> State:
        seen = state["q"].number
        time.sleep(WAIT)
        return {"b": seen}

    graph = chain(first, second)
    result = run(graph, mode, {"q": Ticket()})
    assert (result["a"], result["b"]) == (1, 2)
    assert counted(graph)["held_off_state"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_the_run_s_context_is_compared(mode: str) -> None:
    """A node before changes what the next one reads of it."""

    class Context(TypedDict):
        limit: int

    def changes(left: Any, right: Any) -> Any:
        if right == 1:
            context["limit"] = 2
        return right

    Reduced = TypedDict("Reduced", {"a": Annotated[int, changes], "b": Any}, total=False)  # noqa: UP013

    def reads(state: Any, runtime: Any) -> Any:
        seen = runtime.context["limit"]
        time.sleep(WAIT)
        return {"b": seen}

    builder = StateGraph(Reduced, context_schema=Context)
    builder.add_node("wait", wait)
    builder.add_node("reads", reads)
    builder.add_edge(START, "wait")
    builder.add_edge("wait", "reads")
    context = Context(limit=1)
    graph = optiflow.compile(builder, "parallel")
    call = graph.invoke if mode == "invoke" else lambda *args, **kw: asyncio.run(graph.ainvoke(*args, **kw))
    assert call({}, context=context)["b"] == 2


@pytest.mark.parametrize("mode", MODES)
def test_time_between_nodes_is_what_it_would_be(mode: str) -> None:
    """Neither is a node that reads a clock moved, nor anything that takes time across it."""

    def start(state: State) -> State:
        time.sleep(WAIT)
        return {"a": time.monotonic()}

    def work(state: State) -> State:
        time.sleep(WAIT)
        return {"c": 1}

    def stop(state: State) -> State:
        now = time.monotonic()
        time.sleep(WAIT)
        return {"b": now - state["a"]}

    graph = chain(start, work, stop)
    assert run(graph, mode, {})["b"] >= WAIT
    reasons = {each.node: each.reason for each in optiflow.explain(graph.builder, "parallel")}
    assert "clock" not in reasons["work"]
    assert "time.monotonic, whose order with other nodes shows" in reasons["stop"]


def test_nothing_is_started_across_a_pause() -> None:
    """A node that only lets time pass paces what comes after it."""
    moments: list[float] = []

    @optiflow.effects(reads=[], writes=["a"])
    def before(state: State) -> State:
        moments.append(time.monotonic())
        return {"a": 1}

    def pause(state: State) -> None:
        time.sleep(WAIT)

    @optiflow.effects(reads=[], writes=["b"])
    def after(state: State) -> State:
        moments.append(time.monotonic())
        return {"b": 1}

    chain(before, pause, after).invoke({})
    assert moments[1] - moments[0] >= WAIT


@pytest.mark.parametrize("mode", MODES)
def test_a_date_may_be_read_early_and_is_compared(mode: str) -> None:
    """At midnight the node runs again."""

    def dated(state: State) -> State:
        today = datetime.datetime.now().strftime("%Y-%m-%d")
        time.sleep(WAIT)
        return {"b": today}

    graph = chain(wait, dated)
    assert run(graph, mode, {})["b"] == datetime.datetime.now().strftime("%Y-%m-%d")
    assert counted(graph)["handed_over"] == 1


def test_a_date_that_changes_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quarter of an hour in which it was read is over."""
    quarter = [1]
    monkeypatch.setattr(handing, "quarter_of_an_hour", lambda: quarter[0])

    def dated(state: State) -> State:
        today = datetime.date.today()
        time.sleep(WAIT)
        return {"b": str(today)}

    @optiflow.effects(reads=[], writes=["a"])
    def midnight(state: State) -> State:
        time.sleep(WAIT)
        quarter[0] += 1
        return {"a": 1}

    graph = chain(midnight, dated)
    graph.invoke({})
    assert counted(graph)["redone_clock"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_node_that_fails_is_reported_at_once(mode: str) -> None:
    """Nobody waits for the node that was started early, which still works when the error is raised."""
    goes_on, working = threading.Event(), threading.Event()

    @optiflow.effects(reads=[], writes=["a"])
    def fails(state: State) -> State:
        assert working.wait(10)
        raise ValueError("bad input")

    @optiflow.effects(reads=[], writes=["b"])
    def slow(state: State) -> State:
        working.set()
        assert goes_on.wait(10)
        return {"b": 1}

    graph = chain(fails, slow)
    with pytest.raises(ValueError, match="bad input"):
        run(graph, mode, {})
    (thread,) = [each for each in threading.enumerate() if each.name == "optiflow:slow"]
    assert thread.daemon
    goes_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert counted(graph)["wasted"] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("late")])
def test_whatever_early_work_raises_is_raised_in_its_turn(error: BaseException, mode: str) -> None:
    """Not before, and not where it happened."""

    @optiflow.effects(reads=[], writes=["b"])
    def raises(state: State) -> State:
        raise error

    seen: list[int] = []

    @optiflow.effects(reads=[], writes=["a"])
    def first(state: State) -> State:
        time.sleep(WAIT)
        seen.append(1)
        return {"a": 1}

    graph = chain(first, raises, checkpointer=InMemorySaver())
    with pytest.raises(type(error)):
        run(graph, mode, {}, configurable={"thread_id": "1"})
    assert seen == [1]


def test_a_saver_of_the_application_s_is_part_of_the_order() -> None:
    """A counter that it moves is read in the node's turn."""

    class Counting(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            SETTINGS.limit += 1
            return super().put(*args, **kwargs)

    graph = chain(wait, reads_an_attribute, checkpointer=Counting())
    plain = StateGraph(State)
    plain.add_node("wait", wait)
    plain.add_node("reads", reads_an_attribute)
    plain.add_edge(START, "wait")
    plain.add_edge("wait", "reads")
    thread: Any = {"configurable": {"thread_id": "1"}}
    try:
        SETTINGS.limit = 1
        expected = plain.compile(checkpointer=Counting()).invoke({}, thread)["b"]
        SETTINGS.limit = 1
        assert graph.invoke({}, thread)["b"] == expected
    finally:
        SETTINGS.limit = 1


def test_reducers_that_add_up_are_still_computed_ahead() -> None:
    """Guards cost nothing where there is something to gain."""

    class Summed(TypedDict, total=False):
        a: Annotated[int, operator.add]
        b: Any

    def one(state: Summed) -> Summed:
        time.sleep(WAIT)
        return {"a": 1}

    def two(state: Summed) -> Summed:
        time.sleep(WAIT)
        return {"b": 2}

    graph = chain(one, two, schema=Summed)
    assert graph.invoke({"a": 1}) == {"a": 2, "b": 2}
    assert counted(graph)["handed_over"] == 1


def test_a_thread_that_outlives_its_run_tells_nobody() -> None:
    """A node that is a plain function goes on in its thread when the run has failed; its events are dropped."""
    goes_on, working, told = threading.Event(), threading.Event(), []

    class Handler(BaseCallbackHandler):
        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            told.append(name)

    @optiflow.effects(reads=[], writes=["a"])
    async def fails(state: State) -> State:
        await asyncio.to_thread(working.wait, 10)
        raise ValueError("bad input")

    @optiflow.effects(reads=[], writes=["b"])
    def slow(state: State) -> State:
        working.set()
        assert goes_on.wait(10)
        print("late")
        dispatch_custom_event("late", {})
        return {"b": 1}

    printed = builtins.print
    graph = chain(fails, slow)
    with pytest.raises(ValueError, match="bad input"):
        run(graph, "ainvoke", {}, callbacks=[Handler()])
    (thread,) = [each for each in threading.enumerate() if each.name == "optiflow:slow"]
    assert builtins.print is not printed
    goes_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not told
    assert builtins.print is printed


def test_explain_and_status_say_what_came_of_it() -> None:
    """By the kind of guard that failed; nothing is said of a graph that has not run, or starts nothing early."""
    graph = chain(wait, reads_an_attribute)
    assert set(optiflow.status(graph).values()) == {0}
    graph.invoke({})
    assert optiflow.status(graph)["handed_over"] == 1
    with mock.patch.object(SETTINGS, "limit", 2):
        graph.invoke({})
    assert optiflow.status(graph)["held_off_attribute"] == 1
    (told,) = [each.reason for each in optiflow.explain(graph, "parallel") if each.node == "*"]
    assert told == (
        "so far: started early 1 · handed over 1 · done again 0 · in vain 0 · kept in their turn (attribute 1)"
    )
    assert optiflow.status(chain(wait)) == {}
    assert not [each for each in optiflow.explain(chain(wait), "parallel") if each.reason.startswith("so far")]


def test_status_counts_graphs_that_are_nodes() -> None:
    """Those in a graph are part of it."""
    inner = StateGraph(State)
    inner.add_node("wait", wait)
    inner.add_node("reads", reads_a_global)
    inner.add_edge(START, "wait")
    inner.add_edge("wait", "reads")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    graph = optiflow.compile(outer, "parallel")
    graph.invoke({})
    assert optiflow.status(graph)["handed_over"] == 1


def test_a_node_with_a_time_limit_starts_early_only_where_nobody_is_told() -> None:
    """A handler would be told that it was cancelled while the node before it still runs."""
    events: list[str] = []

    class Heard(BaseCallbackHandler):
        def on_chain_error(self, error: Any, **kwargs: Any) -> None:
            events.append(type(error).__name__)

    @optiflow.effects(reads=[], writes=["a"])
    async def first(state: State) -> State:
        await asyncio.sleep(3 * WAIT)
        events.append("first")
        return {"a": 1}

    @optiflow.effects(reads=[], writes=["b"])
    async def late(state: State) -> State:
        await asyncio.sleep(10)
        return {"b": 1}

    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_node("late", late, timeout=WAIT)
    builder.add_edge(START, "first")
    builder.add_edge("first", "late")
    graph = optiflow.compile(builder, "parallel")
    with pytest.raises(NodeTimeoutError):
        asyncio.run(graph.ainvoke({}, {"callbacks": [Heard()]}))
    assert events[0] == "first"
    assert optiflow.status(graph)["held_off_observer"] == 1
