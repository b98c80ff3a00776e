"""Which savers are replaced, and what is said of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import aiosqlite
import psycopg
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from psycopg_pool import ConnectionPool

from optiflow.checkpoints.swapping import optimize_checkpoints
from optiflow.plan.graph_plan import GraphPlan


def builder() -> StateGraph:
    """Any graph."""
    built = StateGraph(MessagesState)
    built.add_node("speak", lambda state: {"messages": ["hello"]})
    built.add_edge(START, "speak")
    return built


def swapped(saver: Any, **options: Any) -> tuple[Any, list[tuple[str, str]]]:
    """The saver that a graph gets for one, and what is said."""
    plan = GraphPlan.of(builder().compile(checkpointer=saver))
    standard: dict[str, Any] = {"toggle": "t", "at_exit": False, "normal": True, "wal_pages": 2000}
    rewritten = optimize_checkpoints(plan, **{**standard, **options})
    assert {(each.toggle, each.node) for each in rewritten.decisions} == {("t", "*")}
    return rewritten.build().checkpointer, [(each.action, each.reason) for each in rewritten.decisions]


def test_savers_of_sqlite() -> None:
    """Both are, each by its own; the reason says what a power failure may lose."""

    async def asynchronous() -> None:
        async with aiosqlite.connect(":memory:") as connection:
            ours, [(action, _)] = swapped(AsyncSqliteSaver(connection))
            assert (type(ours).__name__, action) == ("OptimizedAsyncSqliteSaver", "applied")

    asyncio.run(asynchronous())
    with closing(sqlite3.connect(":memory:")) as connection:
        ours, [(action, reason)] = swapped(SqliteSaver(connection))
        assert (type(ours).__name__, action) == ("OptimizedSqliteSaver", "applied")
        assert "a power failure may lose" in reason
        _, [(_, reason)] = swapped(SqliteSaver(connection), normal=False)
        assert "power failure" not in reason


def test_savers_of_postgresql(postgres_url: str) -> None:
    """Those that commit each put are; a pipeline or a transaction of the program's own is left to it."""
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        ours, [(action, reason)] = swapped(saver)
        assert (type(ours).__name__, action) == ("OptimizedPostgresSaver", "applied")
        assert "power failure" not in reason
    with PostgresSaver.from_conn_string(postgres_url, pipeline=True) as saver:
        assert swapped(saver) == (saver, [("refused", "the PostgresSaver has a pipeline of the program's own")])
    with psycopg.connect(postgres_url) as connection:
        saver = PostgresSaver(connection)  # type: ignore[arg-type]
        assert swapped(saver) == (saver, [("refused", "the PostgresSaver's connection does not commit by itself")])
    for options, replaced in (({}, False), ({"autocommit": True}, True)):
        pool = ConnectionPool(postgres_url, open=False, kwargs=options)
        ours, _ = swapped(saver := PostgresSaver(pool))  # type: ignore[arg-type]
        assert (ours is not saver) is replaced

    async def asynchronous() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            ours, [(action, _)] = swapped(saver)
            assert (type(ours).__name__, action) == ("OptimizedAsyncPostgresSaver", "applied")

    asyncio.run(asynchronous())


class Own(SqliteSaver):
    """A program's own saver."""


@pytest.mark.parametrize(
    ("saver", "reason"),
    [
        (None, "the graph has no checkpointer"),
        (False, "the graph has no checkpointer"),
        (True, "the graph takes its parent's checkpointer"),
        (InMemorySaver(), "InMemorySaver is none of LangGraph's own savers for SQLite and PostgreSQL"),
        (Own.__new__(Own), "Own is none of LangGraph's own savers for SQLite and PostgreSQL"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_others_are_left_alone(saver: Any, reason: str) -> None:
    """With the reason."""
    assert swapped(saver) == (saver, [("refused", reason)])


def test_a_saver_that_was_changed_is_left_alone() -> None:
    """What a program put in place of a method counts."""
    with closing(sqlite3.connect(":memory:")) as connection:
        saver = SqliteSaver(connection)
        saver.put = lambda *given: {}  # type: ignore[method-assign,assignment]
        assert swapped(saver) == (saver, [("refused", "the SqliteSaver's own put() was replaced")])


def test_a_saver_that_another_toggle_put_in_place_stays() -> None:
    """The last word has whoever changed the compiled graph first."""

    class Other:
        def install(self, compiled: Any) -> None:
            compiled.checkpointer = mine

    mine = InMemorySaver()
    with closing(sqlite3.connect(":memory:")) as connection:
        plan = GraphPlan.of(builder().compile(checkpointer=SqliteSaver(connection))).with_finisher(Other())
        plan = optimize_checkpoints(plan, toggle="t", at_exit=False, normal=True, wal_pages=2000)
        assert plan.build().checkpointer is mine
