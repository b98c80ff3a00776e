"""Tests of a lean graph as its users see it."""

from __future__ import annotations

import asyncio
import copy
import operator
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers import LangChainTracer
from langgraph.channels import EphemeralValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel, main
from langgraph.types import CachePolicy, Command, RetryPolicy, StateSnapshot, interrupt

from optiflow import api
from optiflow.dispatch.tally import Tally, counting


class State(TypedDict, total=False):
    seen: Annotated[list[str], operator.add]
    count: int
    passing: Annotated[str, EphemeralValue]


def looping(**compiled: Any) -> StateGraph[Any]:
    """Counts to three, in a loop."""
    builder = StateGraph(State)
    builder.add_node("count", lambda state: {"count": state.get("count", 0) + 1, "seen": ["c"], "passing": "now"})
    builder.add_node("look", lambda state: {"seen": [f"l{state['count']}"]})
    builder.add_edge(START, "count").add_edge("count", "look")
    builder.add_conditional_edges("look", lambda state: END if state["count"] > 2 else "count", [END, "count"])
    return builder


def both(builder: StateGraph[Any], act: Callable[[Any], Any], **options: Any) -> tuple[Any, Any, Tally]:
    """What is done with a graph, plain and lean, and what was counted."""
    expected = act(builder.compile(**options))
    with counting() as tally:
        seen = act(api.compile(builder, "dispatch", **options))
    return expected, seen, tally


def streamed(graph: Any, asynchronous: bool, **how: Any) -> list[Any]:
    """All parts of a stream."""

    async def collect() -> list[Any]:
        return [part async for part in graph.astream({}, **how)]

    return asyncio.run(collect()) if asynchronous else list(graph.stream({}, **how))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("how", "lean"),
    [
        ({}, True),
        ({"stream_mode": "values"}, True),
        ({"stream_mode": ["values", "updates", "custom"]}, True),
        ({"stream_mode": "values", "version": "v2"}, True),
        ({"stream_mode": "updates", "subgraphs": True}, True),
        ({"stream_mode": "messages"}, False),
        ({"stream_mode": "values", "output_keys": ["count"]}, True),
        ({"stream_mode": "values", "output_keys": "count"}, True),
    ],
)
def test_streams_are_the_same(how: dict[str, Any], lean: bool, asynchronous: bool) -> None:
    """In every mode, lean or not."""
    expected, seen, tally = both(looping(), lambda graph: streamed(graph, asynchronous, **how))
    assert seen == expected
    assert bool(tally.runs_lean) is lean


@pytest.mark.parametrize("mode", ["tasks", "debug", "checkpoints"])
def test_streams_of_tasks_are_langgraphs(mode: Any) -> None:
    """Who wants to know of every task gets LangGraph's own loop."""

    def stream(graph: Any) -> list[Any]:
        graph.checkpointer = InMemorySaver()
        return list(graph.stream({}, {"configurable": {"thread_id": "1"}}, stream_mode=mode))

    expected, seen, tally = both(looping(), stream)
    assert len(seen) == len(expected) > 3
    assert (tally.runs_lean, tally.runs_full) == (0, 1)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stream_mode": "updates"},
        {"output_keys": ["count"]},
        {"output_keys": "count"},
        {"output_keys": ["passing"]},
        {"version": "v2"},
        {"print_mode": "updates"},
        {"debug": True},
    ],
)
def test_a_call_returns_the_same(how: dict[str, Any], asynchronous: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints the same."""
    printed: list[str] = []

    def call(graph: Any) -> Any:
        result = asyncio.run(graph.ainvoke({}, **how)) if asynchronous else graph.invoke({}, **how)
        printed.append(capsys.readouterr().out)
        return result

    expected, seen, tally = both(looping(), call)
    assert seen == expected
    assert printed[0] == printed[1]
    assert tally == Tally(runs_lean=1, nodes=6)


def pausing() -> StateGraph[Any]:
    """Asks twice, at once, and goes on."""
    builder = StateGraph(State)
    builder.add_node("first", lambda state: {"seen": ["first"]})
    builder.add_node("ask", lambda state: {"seen": [interrupt("a?")]})
    builder.add_node("beg", lambda state: {"seen": [interrupt("b?")]})
    builder.add_node("done", lambda state: {"count": len(state["seen"])})
    builder.add_edge(START, "first").add_edge("first", "ask").add_edge("first", "beg")
    builder.add_edge(["ask", "beg"], "done")
    return builder


@pytest.mark.parametrize("asynchronous", [False, True])
def test_interrupts_and_answers_are_the_same(asynchronous: bool) -> None:
    """What is asked, what is returned meanwhile, and what comes of the answers."""

    def act(graph: Any) -> Any:
        config: RunnableConfig = {"configurable": {"thread_id": "1"}}

        def call(given: Any) -> Any:
            return asyncio.run(graph.ainvoke(given, config)) if asynchronous else graph.invoke(given, config)

        paused = call({})
        asked = sorted(paused.pop("__interrupt__"), key=lambda each: str(each.value))
        answers = {each.id: each.value.upper() for each in asked}
        resumed = call(Command(resume=answers))
        state: StateSnapshot = graph.get_state(config)
        return paused, [each.value for each in asked], sorted(resumed["seen"]), resumed["count"], state.next

    for saver in (InMemorySaver, type("Other", (InMemorySaver,), {})):
        expected = act(pausing().compile(checkpointer=saver()))
        with counting() as tally:
            seen = act(api.compile(pausing(), "dispatch", checkpointer=saver()))
        assert seen == expected
        assert (tally.runs_lean, tally.runs_full) == (2, 0)


def test_a_run_that_is_over_has_nothing_to_do() -> None:
    """Its nodes have seen what would start them."""

    def twice(graph: Any) -> Any:
        graph.checkpointer = InMemorySaver()
        config: Any = {"configurable": {"thread_id": "1"}}
        return graph.invoke({}, config), graph.invoke(None, config)

    expected, seen, tally = both(looping(), twice)
    assert seen == expected
    assert tally == Tally(runs_lean=2, nodes=6)


def test_a_node_without_a_state_does_not_run() -> None:
    """A graph whose whole state is one value that it does not have yet."""

    def start(graph: Any) -> Any:
        graph.checkpointer = InMemorySaver()
        config: Any = {"configurable": {"thread_id": "1"}}
        return graph.invoke(Command(goto="node"), config), graph.invoke(3, config)

    builder = StateGraph(int).add_node("node", lambda value: value + 1).add_edge(START, "node")
    expected, seen, _ = both(builder, start)
    assert seen == expected == (None, 4)


def failing(graph: Any, **config: Any) -> tuple[str, str, list[str]]:
    """How a call fails, and what is noted on the error."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever is raised is compared
        graph.invoke({}, config)
    notes = [note.partition(" and ")[0] for note in getattr(caught.value, "__notes__", ())]
    return type(caught.value).__name__, str(caught.value), notes


def test_errors_are_the_same() -> None:
    """The limit of steps, a node that fails, a state that does not fit, a router that goes astray."""
    expected, seen, _ = both(looping(), lambda graph: failing(graph, recursion_limit=3))
    assert expected == seen
    assert seen[0] == GraphRecursionError.__name__

    def fail(state: State) -> State:
        raise ValueError("no")

    def broken(state: State) -> Any:
        return 3

    for node in (fail, broken):
        builder = StateGraph(State).add_node("node", node).add_edge(START, "node")
        expected, seen, _ = both(builder, failing)
        assert expected == seen
        assert seen[2] == ["During task with name 'node'"]
    builder = looping().add_conditional_edges("count", lambda state: "nowhere", ["count"])
    expected, seen, _ = both(builder, failing)
    assert expected == seen


def test_a_state_that_cannot_be_made_is_noted() -> None:
    """The error says before which node."""
    from pydantic import BaseModel, field_validator

    class Model(BaseModel):
        count: int = 0

        @field_validator("count")
        @classmethod
        def small(cls, value: int) -> int:
            if value > 1:
                raise ValueError("too large")
            return value

    builder = StateGraph(Model).add_node("a", lambda state: {"count": state.count + 2}).add_edge(START, "a")
    builder.add_node("b", lambda state: {"count": 0}).add_edge("a", "b")
    expected, seen, _ = both(builder, failing)
    assert expected == seen
    assert seen[2] == ["Before task with name 'b'"]


def test_retries_and_cached_nodes_are_langgraphs() -> None:
    """Every attempt is told its number; a cached node does not run again."""
    attempts: list[tuple[int, bool]] = []

    def flaky(state: State, runtime: Any) -> State:
        info = runtime.execution_info
        attempts.append((info.node_attempt, info.node_first_attempt_time is not None))
        if info.node_attempt < 3:
            raise ConnectionError("again")
        return {"seen": ["done"]}

    policy = RetryPolicy(initial_interval=0.0, jitter=False)
    builder = StateGraph(State).add_node("flaky", flaky, retry_policy=policy).add_edge(START, "flaky")
    builder.add_node("kept", lambda state: {"seen": ["kept"]}, cache_policy=CachePolicy()).add_edge("flaky", "kept")
    expected, seen, _ = both(builder, lambda graph: graph.invoke({}))
    assert expected == seen
    assert attempts == [(1, True), (2, True), (3, True)] * 2


@pytest.mark.parametrize("name", ["stream", "astream"])
def test_a_replaced_method_is_called(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instrumentation that replaces LangGraph's methods after the graph was made sees every run."""
    graph: Any = api.compile(looping(), "dispatch")
    calls: list[str] = []
    plain = getattr(Pregel, name)

    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(Pregel, name, traced)
    with counting() as tally:
        if name == "stream":
            graph.invoke({})
            list(graph.stream({}))
        else:
            asyncio.run(graph.ainvoke({}))
            streamed(graph, asynchronous=True)
    assert calls == [name, name]
    assert tally == Tally()


def test_a_replaced_part_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that replaces a class or a function within."""
    graph: Any = api.compile(looping(), "dispatch")
    made: list[str] = []

    class Loop(main.SyncPregelLoop):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append("loop")
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(main, "SyncPregelLoop", Loop)
    graph.invoke({})
    assert made == ["loop"]


def test_tracing_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer, by the environment or in the config, makes the run LangGraph's."""
    graph: Any = api.compile(looping(), "dispatch")
    traced: list[str] = []
    monkeypatch.setattr(LangChainTracer, "_persist_run_single", lambda self, run: traced.append(run.name))
    monkeypatch.setattr(LangChainTracer, "_update_run_single", lambda self, run: None)
    with counting() as tally:
        graph.invoke({}, {"callbacks": [LangChainTracer(client=object())]})  # type: ignore[arg-type]
    assert tally == Tally(runs_full=1)
    assert traced.count("count") == 3


def test_what_is_shown_and_copied_is_the_same() -> None:
    """The drawing, the class's name, isinstance; a copy is as lean as the graph."""
    plain, lean = looping().compile(), api.compile(looping(), "dispatch")
    assert isinstance(lean, CompiledStateGraph)
    assert repr(type(lean)) == repr(type(plain))
    assert lean.get_graph().to_json() == plain.get_graph().to_json()
    for copied in (copy.copy(lean), lean.copy(), lean.with_config(tags=["x"])):
        with counting() as tally:
            assert copied.invoke({}) == plain.invoke({})
        assert tally.runs_lean == 1


def test_a_subgraph_is_lean_too_and_its_parents_commands_arrive() -> None:
    """Also one that a function calls, and one that ends by a command to its parent."""

    def up(state: State) -> Command[str]:
        return Command(graph=Command.PARENT, goto="after", update={"seen": ["up"]})

    inner = StateGraph(State).add_node("up", up).add_edge(START, "up").compile()
    builder = StateGraph(State).add_node("inner", inner, destinations=("after",)).add_edge(START, "inner")
    builder.add_node("after", lambda state: {"count": 9})
    expected, seen, tally = both(builder, lambda graph: graph.invoke({"seen": ["a"]}))
    assert expected == seen == {"seen": ["a", "up"], "count": 9}
    assert tally.runs_lean == 2


def test_an_abandoned_stream_ends_its_run() -> None:
    """Whoever stops reading leaves nothing behind."""

    async def abandon(graph: Any) -> set[Any]:
        async with aclosing(graph.astream({})) as parts:
            assert await anext(parts)
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    graph: Any = api.compile(looping(), "dispatch")
    assert asyncio.run(abandon(graph)) == set()
    parts: Iterator[Any] = graph.stream({})
    assert next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert graph.invoke({})["count"] == 3
