"""How the write-ahead log comes back into the database."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

import optiflow
from optiflow.checkpoints import sqlite_log
from optiflow.checkpoints.sqlite_log import LITTLE, Log

CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 500}


def talk(length: int, characters: int, seen: Callable[[int], object] = bool) -> StateGraph[Any]:
    """A conversation of some messages of a length."""

    def speak(state: MessagesState) -> dict[str, Any]:
        seen(len(state["messages"]))
        return {"messages": [AIMessage("x" * characters)]}

    builder: StateGraph[Any] = StateGraph(MessagesState)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < length else "__end__")
    return builder


def steps(file: Path) -> int:
    """How many checkpoints a copy of the file alone has."""
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    with closing(sqlite3.connect(copy)) as connection:
        number: int = connection.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
    return number


def length(file: Path) -> int:
    """The size of the log."""
    log = Path(f"{file}-wal")
    return log.stat().st_size if log.exists() else 0


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when something holds, which it does soon."""
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never did")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A new database, whose log nobody tends in the end."""
    yield tmp_path / "db"
    wait_until(lambda: "checkpoint log" not in [each.name for each in threading.enumerate()])


@pytest.mark.parametrize("opt", ["durability", "all"])
def test_a_copy_of_the_file_has_all_that_runs_have_saved(opt: str, file: Path) -> None:
    """As soon as none is under way, sync and async; a run in between has the tables."""
    during: list[int] = []
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        builder = talk(20, 50, lambda messages: messages == 15 and during.append(steps(file)))
        graph: Any = optiflow.compile(builder, opt, checkpointer=SqliteSaver(connection))
        for number in range(1, 4):
            graph.invoke({"messages": []}, {**CONFIG, "configurable": {"thread_id": str(number)}})
            assert steps(file) == number * 22
    assert len(during) == 3

    async def run() -> None:
        async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
            graph: Any = optiflow.compile(talk(20, 50), opt, checkpointer=saver)
            await asyncio.gather(
                *(graph.ainvoke({"messages": []}, {**CONFIG, "configurable": {"thread_id": name}}) for name in "ab")
            )
            assert steps(file) == 5 * 22

    asyncio.run(run())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_long_log_is_copied_and_cut_off_when_all_is_quiet(asynchronous: bool, file: Path) -> None:
    """Without holding up the run that wrote it."""

    def cut_off() -> bool:
        return length(file) == 0

    async def run() -> None:
        async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
            await optiflow.compile(talk(60, 5000), "durability", checkpointer=saver).ainvoke({"messages": []}, CONFIG)
            await asyncio.to_thread(wait_until, cut_off)
            assert steps(file) == 62

    if asynchronous:
        asyncio.run(run())
        return
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        graph = optiflow.compile(talk(60, 5000), "durability", checkpointer=SqliteSaver(connection))
        graph.invoke({"messages": []}, CONFIG)
        wait_until(cut_off)
        assert steps(file) == 62
        graph.invoke({"messages": []}, {**CONFIG, "configurable": {"thread_id": "next"}})


@pytest.fixture
def logged(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection with a write-ahead log and a table."""
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE parts (part BLOB)")
        yield connection


def add(connection: sqlite3.Connection, log: Log, size: int = 10) -> None:
    """Write, and say so."""
    connection.execute("INSERT INTO parts VALUES (?)", [os.urandom(size)])
    connection.commit()
    log.written(connection)


def test_a_reader_of_an_older_state_is_not_waited_for(file: Path, logged: sqlite3.Connection) -> None:
    """What it may not see is copied another time."""
    log = Log()
    add(logged, log)
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM parts").fetchall()
        add(logged, log)
        log.settled(logged)
        assert log._dirty
        reader.rollback()
    log.settled(logged)
    assert not log._dirty


def test_what_may_not_be_copied_now_is_copied_later(logged: sqlite3.Connection) -> None:
    """Within a transaction of the program's own, and over a connection that was closed, nothing happens."""
    log = Log()
    add(logged, log)
    add(logged, log)
    logged.execute("INSERT INTO parts VALUES (1)")
    log.settled(logged)
    assert log._dirty
    logged.rollback()
    logged.close()
    log.settled(logged)
    assert log._dirty


@pytest.mark.parametrize("spoil", ["exclusive", "memory"])
def test_where_no_other_connection_may_be_opened_none_is(spoil: str, file: Path, logged: sqlite3.Connection) -> None:
    """A database of one connection's own is copied by that alone."""
    log = Log()
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as memory:
        connection = memory if spoil == "memory" else logged
        if spoil == "memory":
            connection.execute("CREATE TABLE parts (part BLOB)")
        else:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        add(connection, log, LITTLE)
        add(connection, log, LITTLE)
        assert log._thread is None
        log._copy_aside()


def test_a_log_that_is_written_meanwhile_is_copied_again(
    file: Path, logged: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same thread; one that cannot be started is started the next time."""
    log = Log()
    add(logged, log)
    with monkeypatch.context() as patched:

        def no_more(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", no_more)
        add(logged, log, 2 * LITTLE)
    assert length(file) > LITTLE
    copied: list[int] = []
    aside = Log._copy_aside

    def copy(self: Log) -> None:
        aside(self)
        if not copied:
            add(logged, self)
        copied.append(length(file))

    monkeypatch.setattr(Log, "_copy_aside", copy)
    add(logged, log)
    wait_until(lambda: len(copied) == 2)
    assert copied[0] > 0 == copied[1]


def test_a_connection_that_was_closed_is_left_alone(file: Path, logged: sqlite3.Connection) -> None:
    """SQLite has copied the log itself then, and the file may be gone."""
    log = Log()
    add(logged, log)
    add(logged, log, 2 * LITTLE)
    logged.close()
    file.unlink()
    log._copy_aside()
    assert not file.exists()
    assert sqlite_log.QUIET_S < 1
