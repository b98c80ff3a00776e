"""LangGraph's rows in PostgreSQL, in fewer transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from optiflow.checkpoints.meter import metered
from optiflow.checkpoints.postgres_savers import OptimizedAsyncPostgresSaver, OptimizedPostgresSaver
from optiflow.checkpoints.statements import encode_writes

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def emptied(url: str) -> list[list[Any]]:
    """All that is in LangGraph's tables, which are empty afterwards."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = [sorted(map(repr, connection.execute(f"SELECT * FROM {table}").fetchall())) for table in TABLES]
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
    return rows


def test_the_rows_are_langgraphs(dictate: Callable[..., Any], postgres_url: str) -> None:
    """Interrupts, failures, updates, forks, subgraphs and parallel tasks leave the same, sync, async and pooled."""
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        saver.setup()
        calls = dictate(saver)
        plain = emptied(postgres_url)
        assert all(plain)
        for method, given in calls:
            getattr(OptimizedPostgresSaver(saver), method)(*given)
        assert emptied(postgres_url) == plain

    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    with ConnectionPool(postgres_url, min_size=1, max_size=2, kwargs=options) as pool:
        ours = OptimizedPostgresSaver(PostgresSaver(pool))  # type: ignore[arg-type]
        for method, given in calls:
            getattr(ours, method)(*given)
    assert emptied(postgres_url) == plain

    async def replay() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            ours = OptimizedAsyncPostgresSaver(saver)
            await asyncio.gather(*(getattr(ours, f"a{method}")(*given) for method, given in calls))

    asyncio.run(replay())
    assert emptied(postgres_url) == plain


def talk(length: int) -> StateGraph:
    """A graph that says something a number of times."""
    builder = StateGraph(MessagesState)
    builder.add_node("speak", lambda state: {"messages": [AIMessage("word " * 100)]})
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < length else "__end__")
    return builder


CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}


def test_runs_take_fewer_transactions(postgres_url: str) -> None:
    """The history is whole, LangGraph's saver reads it, and what was saved is told."""

    async def run() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            await saver.setup()
            graph = talk(20).compile(checkpointer=OptimizedAsyncPostgresSaver(saver))
            with metered() as meter:
                await graph.ainvoke({"messages": []}, CONFIG)
            assert [each.metadata["step"] async for each in saver.alist(CONFIG)] == list(range(20, -2, -1))
            assert (meter.puts, meter.writes) == (22, 21)
            assert meter.commits + meter.syncs_saved == 43
            assert meter.syncs_saved > 0 < meter.bytes_reused

    asyncio.run(run())
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        graph = talk(22).compile(checkpointer=OptimizedPostgresSaver(saver))
        with metered() as meter:
            graph.invoke({"messages": []}, CONFIG)
        assert meter.commits + meter.syncs_saved == meter.puts + meter.writes
        assert len(graph.get_state(CONFIG).values["messages"]) == 22


GOOD = "00000000-0000-0000-0000-000000000001"


def config(thread: str) -> Any:
    """Where writes belong."""
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": "1"}}


NUL = "a\x00b"
"""What PostgreSQL takes in no text."""


def threads(url: str) -> list[str]:
    """The threads whose writes are committed."""
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT thread_id FROM checkpoint_writes ORDER BY 1")]


def test_a_failure_is_its_requests_own(postgres_url: str) -> None:
    """What LangGraph's saver raises, for the one request; the others of its transaction are written."""
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        saver.setup()
        with pytest.raises(psycopg.Error) as plain:
            saver.put_writes(config(NUL), [("c", 1)], GOOD)
        ours = OptimizedPostgresSaver(saver)
        with pytest.raises(psycopg.Error) as failure:
            ours.put_writes(config(NUL), [("c", 1)], GOOD)
        assert repr(failure.value) == repr(plain.value)

    async def together() -> list[Any]:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            ours = OptimizedAsyncPostgresSaver(saver)
            calls = [ours.aput_writes(config(thread), [("c", 1)], GOOD) for thread in ("a", NUL, "b")]
            return await asyncio.gather(*calls, return_exceptions=True)

    first, second, third = asyncio.run(together())
    assert first is third is None
    assert repr(second) == repr(plain.value)
    assert threads(postgres_url) == ["a", "b"]

    with PostgresSaver.from_conn_string(postgres_url) as saver:
        ours = OptimizedPostgresSaver(saver)
        requests = [
            encode_writes(saver, PostgresSaver, config(thread), [("c", 1)], GOOD, "") for thread in ("c", NUL, "d")
        ]
        outcomes = ours._write(requests)
    assert outcomes[0] is outcomes[2] is None
    assert repr(outcomes[1]) == repr(plain.value)
    assert threads(postgres_url) == ["a", "b", "c", "d"]


def test_a_lost_connection_fails_as_with_langgraph(postgres_url: str) -> None:
    """The run ends with the same error."""
    seen = []
    for optimized in (False, True):
        with PostgresSaver.from_conn_string(postgres_url) as saver:
            saver.setup()
            graph = talk(3).compile(checkpointer=OptimizedPostgresSaver(saver) if optimized else saver)
            saver.conn.close()  # type: ignore[union-attr]
            with pytest.raises(psycopg.OperationalError) as failure:
                graph.invoke({"messages": []}, CONFIG)
            seen.append(str(failure.value))
    assert seen[0] == seen[1]
