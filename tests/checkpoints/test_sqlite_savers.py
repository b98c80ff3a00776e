"""LangGraph's rows in SQLite, and LangGraph's failures."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import aiosqlite
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from optiflow.checkpoints.meter import metered
from optiflow.checkpoints.sqlite import Journal
from optiflow.checkpoints.sqlite_savers import OptimizedAsyncSqliteSaver, OptimizedSqliteSaver

JOURNAL = Journal(normal=True, pages=4000)


def rows(connection: sqlite3.Connection) -> list[list[Any]]:
    """All that is in the tables of a database."""
    return [sorted(connection.execute(f"SELECT * FROM {table}")) for table in ("checkpoints", "writes")]


def open_file(file: Path) -> Any:
    """A connection as LangGraph opens it, to be closed."""
    return closing(sqlite3.connect(file, check_same_thread=False))


def test_the_rows_are_langgraphs(dictate: Callable[..., Any], tmp_path: Path) -> None:
    """Interrupts, failures, updates, forks, subgraphs and parallel tasks leave the same bytes, sync and async."""
    with open_file(tmp_path / "plain") as plain, open_file(tmp_path / "sync") as ours:
        calls = dictate(SqliteSaver(plain))
        saver = OptimizedSqliteSaver(SqliteSaver(ours), JOURNAL)
        for method, given in calls:
            getattr(saver, method)(*given)
        assert rows(ours) == rows(plain)

        async def replay() -> None:
            async with aiosqlite.connect(tmp_path / "async") as connection:
                saver = OptimizedAsyncSqliteSaver(AsyncSqliteSaver(connection), JOURNAL)
                for method, given in calls:
                    await getattr(saver, f"a{method}")(*given)

        asyncio.run(replay())
        with open_file(tmp_path / "async") as written:
            assert rows(written) == rows(plain)


def talk(length: int) -> StateGraph:
    """A graph that says something a number of times."""

    def speak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("word " * 100)]}

    builder = StateGraph(MessagesState)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < length else "__end__")
    return builder


CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 200}


def test_the_users_saver_stays_what_it_is(tmp_path: Path) -> None:
    """It keeps its class, shares what it had, and reads what was written; its connection's settings come back."""
    with open_file(tmp_path / "db") as connection:
        saver = SqliteSaver(connection)
        before = set(vars(saver))
        ours = OptimizedSqliteSaver(saver, JOURNAL)
        talk(5).compile(checkpointer=ours).invoke({"messages": []}, CONFIG)
        assert type(saver) is SqliteSaver
        assert set(vars(saver)) == before
        assert saver.is_setup
        assert saver.serde is ours.serde
        assert [each.metadata["step"] for each in saver.list(CONFIG)] == [5, 4, 3, 2, 1, 0, -1]
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (1000,)


def test_a_saver_with_an_allowlist_is_one_of_ours(tmp_path: Path) -> None:
    """LangGraph copies savers to give their serializers a list of classes."""
    with open_file(tmp_path / "db") as connection:
        strict = JsonPlusSerializer(allowed_msgpack_modules=[("a", "B")])
        ours = OptimizedSqliteSaver(SqliteSaver(connection, serde=strict), JOURNAL)
        allowing = cast("Any", ours.with_allowlist([("c", "D")]))
        assert type(allowing) is OptimizedSqliteSaver
        talk(3).compile(checkpointer=allowing).invoke({"messages": []}, CONFIG)
        assert ours.serde is strict is not allowing.serde
        assert len(list(ours.list(CONFIG))) == 5


def test_writes_may_come_first(tmp_path: Path) -> None:
    """The tables are made when they are needed, as LangGraph makes them."""

    async def run() -> None:
        async with aiosqlite.connect(tmp_path / "db") as connection:
            saver = AsyncSqliteSaver(connection)
            config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}
            await OptimizedAsyncSqliteSaver(saver, JOURNAL).aput_writes(config, [("c", 1)], "task")
            assert saver.is_setup

    asyncio.run(run())
    with open_file(tmp_path / "db") as connection:
        assert len(rows(connection)[1]) == 1


def test_what_it_cost_is_added_up(tmp_path: Path) -> None:
    """Puts, bytes and transactions of the run that is metered, and not of another."""

    async def run() -> dict[str, Any]:
        async with aiosqlite.connect(tmp_path / "async") as connection:
            ours = OptimizedAsyncSqliteSaver(AsyncSqliteSaver(connection), JOURNAL)
            graph = talk(20).compile(checkpointer=ours)
            with metered() as meter:
                await graph.ainvoke({"messages": []}, CONFIG)
            await graph.ainvoke({"messages": []}, {**CONFIG, "configurable": {"thread_id": "other"}})
            return dict(meter.statistics())

    with open_file(tmp_path / "sync") as connection:
        graph = talk(20).compile(checkpointer=OptimizedSqliteSaver(SqliteSaver(connection), JOURNAL))
        with metered() as meter:
            graph.invoke({"messages": []}, CONFIG)
        figures = [meter.statistics(), asyncio.run(run())]
        written = sum(
            len(part) for table in rows(connection) for row in table for part in row if isinstance(part, bytes)
        )
    for seen in figures:
        assert (seen["checkpoint_puts"], seen["checkpoint_writes"]) == (22, 21)
        assert 22 <= seen["checkpoint_commits"] <= 43
        assert seen["checkpoint_syncs_saved"] == 43
        assert seen["checkpoint_bytes"] > 2 * seen["checkpoint_bytes_reused"] / 2 > 50_000
        assert seen["checkpoint_ms"] > 0
    assert figures[0]["checkpoint_bytes"] == written


def failing(saver: Any, spoil: Callable[[sqlite3.Connection], object]) -> str:
    """The failure of a run whose database is spoilt."""
    graph = talk(60).compile(checkpointer=saver)
    if isinstance(saver, SqliteSaver):
        saver.setup()
        spoil(saver.conn)
        with pytest.raises(Exception) as failure:  # noqa: PT011 - compared with LangGraph's
            graph.invoke({"messages": []}, CONFIG)
    else:

        async def run() -> None:
            await saver.setup()
            await saver.conn._execute(spoil, saver.conn._conn)
            await graph.ainvoke({"messages": []}, CONFIG)

        with pytest.raises(Exception) as failure:  # noqa: PT011 - compared with LangGraph's
            asyncio.run(run())
    return repr(failure.value)


def fill(connection: sqlite3.Connection) -> None:
    """Let the disk be full soon."""
    connection.execute("PRAGMA max_page_count=60")


def drop(connection: sqlite3.Connection) -> None:
    """Take a table away."""
    connection.execute("DROP TABLE writes")


def close(connection: sqlite3.Connection) -> None:
    """Lose the connection."""
    connection.close()


@pytest.mark.parametrize("spoil", [fill, drop, close])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_failure_is_langgraphs(spoil: Callable[[sqlite3.Connection], object], kind: str, tmp_path: Path) -> None:
    """A full disk, a lost table and a closed connection fail the run as they do with LangGraph's saver."""
    seen = []
    for name in ("plain", "ours"):
        file = tmp_path / name
        if kind == "sync":
            with open_file(file) as connection:
                saver: Any = SqliteSaver(connection)
                seen.append(failing(OptimizedSqliteSaver(saver, JOURNAL) if name == "ours" else saver, spoil))
        else:
            seen.append(asyncio_failing(file, name == "ours", spoil))
        if spoil is fill:
            with open_file(file) as connection:
                steps = [each.metadata["step"] for each in SqliteSaver(connection).list(CONFIG)]
                assert steps == list(range(len(steps) - 2, -2, -1))
                assert len(steps) > 3
    assert seen[0] == seen[1]


def asyncio_failing(file: Path, ours: bool, spoil: Callable[[sqlite3.Connection], object]) -> str:
    """As `failing`, with a saver of an event loop."""
    connection = aiosqlite.connect(file)

    async def make() -> AsyncSqliteSaver:
        return AsyncSqliteSaver(await connection)

    saver: Any = asyncio.run(make())
    try:
        return failing(OptimizedAsyncSqliteSaver(saver, JOURNAL) if ours else saver, spoil)
    finally:
        asyncio.run(_close(connection))


async def _close(connection: aiosqlite.Connection) -> None:
    await connection.close()


def test_what_cannot_be_encoded_fails_as_with_langgraph(tmp_path: Path) -> None:
    """The error is the serializer's."""
    builder = StateGraph(MessagesState)
    builder.add_node("speak", lambda state: {"messages": [AIMessage("x", additional_kwargs={"it": object()})]})
    builder.add_edge(START, "speak")
    seen = []
    for name in ("plain", "ours"):
        with open_file(tmp_path / name) as connection:
            saver = SqliteSaver(connection)
            graph = builder.compile(checkpointer=OptimizedSqliteSaver(saver, JOURNAL) if name == "ours" else saver)
            with pytest.raises(TypeError) as failure:
                graph.invoke({"messages": []}, CONFIG)
            seen.append(repr(failure.value))
    assert seen[0] == seen[1]


def test_pickles_are_langgraphs(tmp_path: Path) -> None:
    """A serializer that falls back to pickle pickles the checkpoint itself."""
    seen = []
    for name in ("plain", "ours"):
        with open_file(tmp_path / name) as connection:
            saver = SqliteSaver(connection, serde=JsonPlusSerializer(pickle_fallback=True))
            ours: Any = OptimizedSqliteSaver(saver, JOURNAL) if name == "ours" else saver
            state = {"v": 4, "id": "1", "channel_values": {"it": {1j}, "messages": [AIMessage("x", id="1")]}}
            ours.put({"configurable": {"thread_id": "t", "checkpoint_ns": ""}}, state, {}, {})
            seen.append(rows(connection))
    assert seen[0] == seen[1]
    assert seen[0][0][0][4] == "pickle"
