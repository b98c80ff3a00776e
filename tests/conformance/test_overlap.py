"""What overlapping gains, in virtual time, and how it behaves when a run is cut short or a node lies."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from conformance_cases.arms import build
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from optiflow.analysis.equivalence import Allowance, Recorder, first_difference, observe
from optiflow.clock import VirtualClock, use_clock
from optiflow.plan.declare import effects

KEYS = ("a", "b", "c", "d", "e", "f")

ACCIDENTS = 3.0
"""Seconds of real time that a busy machine may add to the virtual."""


class State(TypedDict, total=False):
    text: str
    a: str
    b: str
    c: str
    d: str
    e: str
    f: str


async def node_a(state: State) -> State:
    """Read the text."""
    await asyncio.sleep(10)
    return {"a": state["text"] + "a"}


async def node_b(state: State) -> State:
    """Read the text."""
    await asyncio.sleep(10)
    return {"b": state["text"] + "b"}


async def node_c(state: State) -> State:
    """Read the text."""
    await asyncio.sleep(10)
    return {"c": state["text"] + "c"}


async def join(state: State) -> State:
    """Read all three."""
    return {"d": state["a"] + state["b"] + state["c"]}


class Node:
    """A node that is an object."""

    def __init__(self, key: str) -> None:
        self.key = key

    async def __call__(self, state: State) -> dict[str, str]:
        """Read the text."""
        await asyncio.sleep(10)
        return {self.key: state["text"] + self.key}


async def long_a(state: State) -> State:
    """Long, on the text alone."""
    await asyncio.sleep(50)
    return {"a": state["text"] + "a"}


async def after_a(state: State) -> State:
    """Needs a."""
    await asyncio.sleep(20)
    return {"b": state["a"] + "b"}


async def long_c(state: State) -> State:
    """Needs nothing but the text."""
    await asyncio.sleep(40)
    return {"c": state["text"] + "c"}


async def after_c(state: State) -> State:
    """Needs c."""
    await asyncio.sleep(50)
    return {"d": state["c"] + "d"}


async def short_e(state: State) -> State:
    """Needs nothing but the text."""
    await asyncio.sleep(10)
    return {"e": state["text"] + "e"}


async def after_all(state: State) -> State:
    """Needs b, d and e."""
    await asyncio.sleep(10)
    return {"f": state["b"] + state["d"] + state["e"]}


def chain(*nodes: Any) -> StateGraph:
    """The nodes, one after another."""
    builder = StateGraph(State)
    builder.add_sequence([(f"node_{number}", node) for number, node in enumerate(nodes)])
    builder.add_edge(START, "node_0")
    return builder


def seconds(graph: CompiledStateGraph, **config: Any) -> float:
    """Virtual time that a run takes."""
    clock = VirtualClock()
    with use_clock(clock):
        began = clock.time()
        clock.run(graph.ainvoke({"text": "x"}, config))  # type: ignore[arg-type]
        return clock.time() - began


INDEPENDENT = {
    "functions": (node_a, node_b, node_c, join),
    "callable classes": (Node("a"), Node("b"), Node("c"), join),
}
MIXED = (long_a, after_a, long_c, after_c, short_e, after_all)


@pytest.mark.parametrize("kind", INDEPENDENT)
def test_independent_nodes_take_as_long_as_one(kind: str) -> None:
    """Three nodes of 10 s and a join: 10 s instead of 30 s, functions and callable classes alike."""
    nodes = INDEPENDENT[kind]
    assert seconds(build("none", chain(*nodes), {})) == pytest.approx(30, abs=ACCIDENTS)
    assert seconds(build("all", chain(*nodes), {})) == pytest.approx(10, abs=ACCIDENTS)


def test_a_mixed_chain_takes_its_critical_path() -> None:
    """The longest way through what needs what: c, d and the last node, 100 s of 180 s."""
    assert seconds(build("none", chain(*MIXED), {})) == pytest.approx(180, abs=ACCIDENTS)
    assert seconds(build("all", chain(*MIXED), {})) == pytest.approx(100, abs=ACCIDENTS)


@pytest.mark.parametrize(("limit", "expected"), [(1, 180), (2, 100), (3, 100)])
def test_a_runs_own_limit_is_kept(limit: int, expected: float) -> None:
    """No more nodes work at once than the run allows, and no limit locks it up."""
    assert seconds(build("all", chain(*MIXED), {}), max_concurrency=limit) == pytest.approx(expected, abs=ACCIDENTS)


def test_a_chain_longer_than_the_window_is_right() -> None:
    """Early starts reach ahead only so far; what is beyond has its turn as ever."""

    def number(place: int) -> Callable[[State], Any]:
        @effects(reads=["text"], writes=[KEYS[place % 6]])
        async def node(state: State) -> dict[str, str]:
            await asyncio.sleep(1)
            return {KEYS[place % 6]: f"{state['text']}{place}"}

        return node

    nodes = [number(place) for place in range(200)]
    clock = VirtualClock()
    with use_clock(clock):
        graphs = [build(arm, chain(*nodes), {}) for arm in ("none", "all")]
        config: Any = {"recursion_limit": 300}
        plain, optimized = (clock.run(graph.ainvoke({"text": "x"}, config)) for graph in graphs)
    assert plain == optimized


def printing_a(state: State) -> State:
    """Print late."""
    time.sleep(0.005)
    print("a", state["text"])
    return {"a": "a"}


def printing_b(state: State) -> State:
    """Print early, in several parts and to both streams."""
    time.sleep(0.001)
    print("b", end=" ")
    print(state["text"])
    print("b to the errors", file=sys.stderr)
    return {"b": "b"}


def printing_c(state: State) -> State:
    """Print at once."""
    time.sleep(0.0001)
    print("c", file=sys.stdout)
    return {"c": "c"}


@pytest.mark.parametrize("arm", ["safe", "all"])
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_what_nodes_print_keeps_its_order(arm: str, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of the terminal sees the nodes one after another."""

    def printed(arm: str) -> tuple[str, str]:
        graph = build(arm, chain(printing_a, printing_b, printing_c), {})
        if mode == "invoke":
            graph.invoke({"text": "x"})
        else:
            asyncio.run(graph.ainvoke({"text": "x"}))
        return capsys.readouterr()

    assert printed(arm) == printed("none") == ("a x\nb x\nc\n", "b to the errors\n")


user: ContextVar[str] = ContextVar("user")


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_early_work_sees_the_callers_context(mode: str) -> None:
    """Context variables reach a node wherever its work is done."""

    def named(key: str) -> Callable[[State], Any]:
        @effects(reads=[], writes=[key])
        def node(state: State) -> dict[str, str]:
            time.sleep(0.001)
            return {key: user.get()}

        return node

    token = user.set("ada")
    try:
        graph = build("all", chain(named("a"), named("b"), named("c")), {})
        seen = graph.invoke({"text": "x"}) if mode == "invoke" else asyncio.run(graph.ainvoke({"text": "x"}))
    finally:
        user.reset(token)
    assert seen == {"text": "x", "a": "ada", "b": "ada", "c": "ada"}


def test_runs_of_one_graph_at_once_do_not_meet() -> None:
    """Every run has its own early work."""
    graph = build("all", chain(*MIXED), {})
    plain = build("none", chain(*MIXED), {})

    async def run(one: CompiledStateGraph) -> list[Any]:
        return await asyncio.gather(*(one.ainvoke({"text": str(number)}) for number in range(20)))

    clock = VirtualClock()
    with use_clock(clock):
        assert clock.run(run(graph)) == clock.run(run(plain))


def test_an_abandoned_asynchronous_stream_leaves_nothing_behind() -> None:
    """Early work ends with the run that started it."""

    async def abandon() -> set[asyncio.Task[Any]]:
        stream = build("all", chain(*MIXED), {}).astream({"text": "x"}, stream_mode="values")
        await anext(stream)
        await anext(stream)
        await stream.aclose()
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    clock = VirtualClock()
    with use_clock(clock):
        assert not clock.run(abandon())


def test_nobody_waits_for_the_early_work_of_an_abandoned_stream() -> None:
    """Closing the stream returns while a node that was started early still works, and its outcome is dropped."""
    goes_on = threading.Event()
    working = threading.Event()

    @effects(reads=["text"], writes=["a"])
    def first(state: State) -> State:
        return {"a": "a"}

    @effects(reads=["text"], writes=["b"])
    def second(state: State) -> State:
        assert working.wait(10)
        return {"b": "b"}

    @effects(reads=["text"], writes=["c"])
    def third(state: State) -> State:
        working.set()
        assert goes_on.wait(10)
        return {"c": "c"}

    stream = build("all", chain(first, second, third), {}).stream({"text": "x"}, stream_mode="updates")
    assert next(stream) == {"node_0": {"a": "a"}}
    assert next(stream) == {"node_1": {"b": "b"}}
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("optiflow:")]
    stream.close()  # type: ignore[attr-defined]
    assert thread.is_alive()
    assert thread.daemon
    goes_on.set()
    thread.join(10)
    assert not thread.is_alive()


def liar(read: Callable[[State], Any], kept: list[str]) -> Callable[[State], State]:
    """A node that says that it reads the text alone."""

    @effects(reads=["text"], writes=["c"])
    def node(state: State) -> State:
        kept.append("begun")
        return {"c": str(read(state))}

    return node


@pytest.mark.parametrize(
    "read",
    [
        lambda state: state["b"],
        lambda state: state.get("b"),
        lambda state: "b" in state,
        lambda state: {**state},
        lambda state: dict(state),
        lambda state: sorted(state.items()),
        lambda state: len(state),
        lambda state: list(state),
        lambda state: [*state.values()],
        lambda state: state | {},
        lambda state: repr(state),
        lambda state: state == {"text": "x", "a": "a", "b": "b"},
        lambda state: state.copy(),
        lambda state: state.setdefault("b", "missing"),
        lambda state: state.pop("b", "missing"),
    ],
)
@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_a_node_that_reads_more_than_it_says_gets_the_right_value(read: Callable[[State], Any], mode: Any) -> None:
    """It is stopped and runs in its turn."""

    @effects(reads=["text"], writes=["a"])
    def first(state: State) -> State:
        time.sleep(0.002)
        return {"a": "a"}

    @effects(reads=["text"], writes=["b"])
    def second(state: State) -> State:
        time.sleep(0.002)
        return {"b": "b"}

    def graph(arm: str) -> CompiledStateGraph:
        return build(arm, chain(first, second, liar(read, [])), {})

    allow = Allowance(overlapped=frozenset({"node_1", "node_2"}))
    baseline = observe(graph("none"), {"text": "x"}, mode=mode)
    seen = observe(graph("all"), {"text": "x"}, mode=mode, recorder=Recorder())
    assert baseline.turns[0].failure is None
    assert first_difference(baseline, seen, allow=allow) is None


def test_a_node_that_writes_more_than_it_says_is_believed_by_nobody() -> None:
    """A reader of the key that was started on the old value starts again on the new one."""

    @effects(reads=["text"], writes=["a"])
    def first(state: State) -> State:
        time.sleep(0.005)
        return {"a": "a", "b": "also written"}

    @effects(reads=["b"], writes=["c"])
    def second(state: State) -> State:
        time.sleep(0.001)
        return {"c": state.get("b", "MISSING")}

    assert build("all", chain(first, second), {}).invoke({"text": "x"})["c"] == "also written"


@pytest.mark.parametrize("arm", ["safe", "all"])
def test_what_a_graph_says_of_itself_stays(arm: str) -> None:
    """Its class, name, drawing and schemas are plain LangGraph's."""
    plain, optimized = (build(each, chain(*MIXED), {"name": "mine"}) for each in ("none", arm))
    assert type(optimized).__name__ == type(plain).__name__ == "CompiledStateGraph"
    assert isinstance(optimized, CompiledStateGraph)
    assert optimized.get_name() == plain.get_name()
    assert optimized.get_graph().draw_mermaid() == plain.get_graph().draw_mermaid()
    assert optimized.get_graph().to_json() == plain.get_graph().to_json()
    assert optimized.get_input_jsonschema() == plain.get_input_jsonschema()
    assert optimized.get_output_jsonschema() == plain.get_output_jsonschema()
    assert optimized.stream_channels_list == plain.stream_channels_list
    assert list(optimized.nodes) == list(plain.nodes)


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("arm", ["safe", "all"])
def test_the_newest_stream_protocol_shows_the_same(arm: str) -> None:
    """Version 3 of the events, which LangGraph builds from its other streams."""

    def first(state: State) -> State:
        time.sleep(0.002)
        return {"a": state["text"]}

    def second(state: State) -> State:
        time.sleep(0.001)
        return {"b": state["text"]}

    def events(one: CompiledStateGraph) -> list[Any]:
        stream = one.stream_events({"text": "x"}, version="v3")
        return [{**event, "params": {**event["params"], "timestamp": None}} for event in stream]

    assert events(build(arm, chain(first, second), {})) == events(build("none", chain(first, second), {}))
