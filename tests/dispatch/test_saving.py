"""Tests of runs whose saves are queued."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypedDict

import aiosqlite
import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.types import Send

import optiflow
from optiflow.dispatch import executors, internals
from optiflow.dispatch.graph import LeanStateGraph
from optiflow.dispatch.saving import SavingStateGraph


def add(before: list[Any], after: list[Any]) -> list[Any]:
    """Reduce."""
    return [*before, *after]


class State(TypedDict, total=False):
    """What the graph keeps."""

    values: Annotated[list[Any], add]


CONFIG: Any = {"configurable": {"thread_id": "1"}}


def fan(value: Any = 1, state: Any = State) -> StateGraph[Any]:
    """Three tasks in parallel, then steps one after another."""
    builder: StateGraph[Any] = StateGraph(state)
    builder.add_node("one", lambda state: {"values": [value]})
    builder.add_node("two", lambda state: {"values": [len(state["values"])]})
    builder.add_conditional_edges(START, lambda state: [Send("one", {})] * 3, ["one"])
    builder.add_edge("one", "two")
    builder.add_conditional_edges("two", lambda state: "two" if len(state["values"]) < 20 else "__end__")
    return builder


def run(
    file: Path, builder: StateGraph[Any], opt: Any, asynchronous: bool, durability: Any, **config: Any
) -> tuple[Any, list[Any]]:
    """The result, and the history as LangGraph's saver reads it."""
    options: Any = {**CONFIG, **config}

    async def arun() -> Any:
        async with aiosqlite.connect(file) as connection:
            graph: Any = optiflow.compile(builder, opt, checkpointer=AsyncSqliteSaver(connection))
            return await graph.ainvoke({}, options, durability=durability)

    if asynchronous:
        result = asyncio.run(arun())
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        plain = SqliteSaver(connection)
        if not asynchronous:
            result = optiflow.compile(builder, opt, checkpointer=plain).invoke({}, options, durability=durability)
        seen = [
            (each.values, each.next, each.metadata)
            for each in builder.compile(checkpointer=plain).get_state_history(CONFIG)
        ]
    return result, seen


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("opt", ["durability", {"durability": {}, "dispatch": {}}], ids=["alone", "with dispatch"])
@pytest.mark.parametrize("config", [{}, {"max_concurrency": 1}], ids=str)
def test_the_history_is_langgraphs(
    opt: Any, durability: Any, asynchronous: bool, config: dict[str, Any], tmp_path: Path
) -> None:
    """Every durability, sync and async, with parallel tasks, and with a single thread for all of them."""
    expected = run(tmp_path / "plain", fan(), "none", asynchronous, durability, **config)
    assert len(expected[1]) == (1 if durability == "exit" else 20)
    assert run(tmp_path / "ours", fan(), opt, asynchronous, durability, **config) == expected


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_channel_that_is_kept_as_its_writes(asynchronous: bool, tmp_path: Path) -> None:
    """A checkpoint that has to wait for writes is LangGraph's affair."""

    class Deltas(TypedDict, total=False):
        values: Annotated[list[Any], DeltaChannel(lambda before, writes: [*before, *chain.from_iterable(writes)])]

    builder = fan(state=Deltas)
    expected = run(tmp_path / "plain", builder, "none", asynchronous, "async")
    assert run(tmp_path / "ours", builder, "durability", asynchronous, "async") == expected


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("opt", ["none", "durability"])
def test_what_cannot_be_saved_fails_the_run(opt: str, asynchronous: bool, tmp_path: Path) -> None:
    """With what the serializer says, and no later checkpoint is there."""
    with pytest.raises(TypeError, match="not msgpack serializable"):
        run(tmp_path / "db", fan(value=lambda: None), opt, asynchronous, "async")
    with closing(sqlite3.connect(tmp_path / "db", check_same_thread=False)) as connection:
        assert [each.metadata["step"] for each in SqliteSaver(connection).list(CONFIG)] == [0, -1]


def compiled(opt: Any) -> tuple[Any, Any]:
    """A graph, and its saver's connection."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    return optiflow.compile(fan(), opt, checkpointer=SqliteSaver(connection)), connection


def test_which_graphs_queue() -> None:
    """One with a saver that writes together; it shows itself as what it was; a lean one queues as it is."""
    graph, connection = compiled("durability")
    with closing(connection):
        assert isinstance(graph, SavingStateGraph)
        assert type(graph).__name__ == CompiledStateGraph.__name__
        assert graph.stream.__doc__ == Pregel.stream.__doc__
    graph, connection = compiled({"durability": {}, "dispatch": {}})
    with closing(connection):
        assert isinstance(graph, LeanStateGraph)
    assert not isinstance(optiflow.compile(fan(), "durability"), SavingStateGraph)


def test_an_unknown_langgraph_saves_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a saver of ours, and a thread for each save."""
    monkeypatch.setattr(internals, "why_unknown", lambda: "another one")
    graph, connection = compiled("durability")
    with closing(connection):
        assert not isinstance(graph, SavingStateGraph)
        assert graph.invoke({}, CONFIG)["values"]


def test_a_loop_that_somebody_replaced_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer's ``put_writes`` sees every write."""
    from langgraph.pregel._loop import PregelLoop

    seen: list[str] = []
    original: Callable[..., None] = PregelLoop.put_writes

    def put_writes(self: Any, task_id: str, writes: Any, **more: Any) -> None:
        seen.append(threading.current_thread().name)
        original(self, task_id, writes, **more)

    graph, connection = compiled("durability")
    monkeypatch.setattr(PregelLoop, "put_writes", put_writes)
    with closing(connection):
        graph.invoke({}, CONFIG)
    assert len(seen) >= 20


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("opt", ["durability", {"durability": {}, "dispatch": {}}], ids=["alone", "with dispatch"])
def test_a_node_that_changes_its_input_changes_no_checkpoint(opt: Any, asynchronous: bool, tmp_path: Path) -> None:
    """A state is encoded as it was saved, however long it waits to be written."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("one", lambda state: {"values": [1]})
    builder.add_node("two", lambda state: state["values"].append(2))
    builder.add_edge(START, "one").add_edge("one", "two")
    _, history = run(tmp_path / "db", builder, opt, asynchronous, "async")
    assert [values.get("values", []) for values, following, _ in history if following == ("two",)] == [[1]]


def test_a_state_that_is_slow_to_encode_has_a_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in LangGraph; the history is the same."""
    expected = run(tmp_path / "plain", fan(), "none", False, "async")
    monkeypatch.setattr(executors, "ENCODED_IN_A_THREAD_S", 0.0)
    assert run(tmp_path / "ours", fan(), "durability", False, "async") == expected
