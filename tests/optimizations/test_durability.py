"""The ``durability`` toggle."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

import optiflow
from optiflow import api
from optiflow.errors import ConfigurationError
from optiflow.optimizations.durability import Durability, DurabilityOptions

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def chat() -> StateGraph:
    """Two steps, the second of which fails when told to."""

    def answer(state: MessagesState) -> dict[str, Any]:
        if state["messages"][0].content == "fail":
            raise RuntimeError("told to")
        if state["messages"][0].content == "ask":
            return {"messages": [interrupt("what?")]}
        return {"messages": ["answer"]}

    builder = StateGraph(MessagesState)
    builder.add_node("think", lambda state: {"messages": ["thought"]})
    builder.add_node("answer", answer)
    builder.add_edge(START, "think")
    builder.add_edge("think", "answer")
    return builder


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database in a file."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite", check_same_thread=False)) as connection:
        yield connection


def steps(graph: Any) -> list[int]:
    """The steps of the history, the first one first."""
    return [each.metadata["step"] for each in graph.get_state_history(CONFIG)][::-1]


def test_the_history_is_the_same(connection: sqlite3.Connection) -> None:
    """The whole of it, in the saver's own tables, and the graph that was given keeps its saver."""
    plain = chat().compile(checkpointer=SqliteSaver(connection))
    graph = optiflow.optimize(plain, "durability")
    graph.invoke({"messages": ["hello"]}, CONFIG)
    assert type(plain.checkpointer) is SqliteSaver is not type(graph.checkpointer)
    assert steps(plain) == steps(graph) == [-1, 0, 1, 2]


@pytest.mark.parametrize("saver", ["sqlite", "memory"])
@pytest.mark.parametrize(
    ("durability", "expected"),
    [(None, [2]), ("exit", [2]), ("async", [-1, 0, 1, 2]), ("sync", [-1, 0, 1, 2])],
)
def test_at_exit_only_for_runs_that_ask_for_nothing(
    durability: Any, expected: list[int], saver: str, connection: sqlite3.Connection
) -> None:
    """With any saver, since it is LangGraph that does it."""
    checkpointer = SqliteSaver(connection) if saver == "sqlite" else InMemorySaver()
    graph = optiflow.compile(chat(), {"durability": {"mode": "exit"}}, checkpointer=checkpointer)
    graph.invoke({"messages": ["hello"]}, CONFIG, durability=durability)
    assert steps(graph) == expected


@pytest.mark.parametrize("word", ["fail", "ask"])
def test_at_exit_a_failure_and_an_interrupt_are_kept(word: str, connection: sqlite3.Connection) -> None:
    """The run can be taken up where it stopped."""
    graph = optiflow.compile(chat(), {"durability": {"mode": "exit"}}, checkpointer=SqliteSaver(connection))
    if word == "fail":
        with pytest.raises(RuntimeError, match="told to"):
            graph.invoke({"messages": [word]}, CONFIG)
    else:
        graph.invoke({"messages": [word]}, CONFIG)
    assert steps(graph) == [1]
    assert graph.get_state(CONFIG).next == ("answer",)


def test_what_a_crash_loses_is_spelled_out(connection: sqlite3.Connection) -> None:
    """Of both kinds, in `explain`."""
    graph = chat().compile(checkpointer=SqliteSaver(connection))
    same, at_exit = optiflow.explain(graph, {"durability": {"mode": "exit"}})
    assert "a killed process loses nothing by it, a power failure may lose" in same.reason
    assert "a process that is killed loses every step of the run" in at_exit.reason
    assert len(optiflow.explain(graph, "durability")) == 1


def test_a_graph_without_a_checkpointer_is_left_alone() -> None:
    """In either mode, and it says so."""
    for mode in ("same", "exit"):
        (decision,) = optiflow.explain(chat(), {"durability": {"mode": mode}})
        assert (decision.action, decision.reason) == ("refused", "the graph has no checkpointer")


def test_what_checkpoints_cost_is_told_while_a_run_is_measured(connection: sqlite3.Connection) -> None:
    """In the main job; in somebody's own program nobody adds up."""
    toggle = Durability(DurabilityOptions())
    graph = optiflow.compile(chat(), "durability", checkpointer=SqliteSaver(connection))
    with toggle.activate() as statistics:
        graph.invoke({"messages": ["hello"]}, CONFIG)
    assert statistics()["checkpoint_puts"] == 4
    with toggle.attach():
        graph.invoke({"messages": ["again"]}, CONFIG)
    assert statistics()["checkpoint_puts"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "never"}, "opt.durability.mode"),
        ({"synchronous": "off"}, "opt.durability.synchronous"),
        ({"wal_pages": 10}, "opt.durability.wal_pages"),
    ],
    ids=str,
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    """With their place."""
    with pytest.raises(ConfigurationError, match=message):
        api.toggles_of({"durability": options})
