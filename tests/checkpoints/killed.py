"""A process that is killed in the middle of writing checkpoints; ``python killed.py FOLDER KIND DURABILITY PHASE``.

A child of this process runs the graph in a file of its own and is killed, for each moment of a phase in turn:

- ``statement``: when one of the statements that a run sends to SQLite is about to be executed,
- ``commit``: in the middle of writing a transaction to the log, when that has a certain size,
- ``copy``: in the middle of copying the log into the database.

``N.started`` and ``N.returned`` tell how far it had come.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

import optiflow
from optiflow.checkpoints.sqlite_log import Log
from optiflow.checkpoints.sqlite_savers import OptimizedAsyncSqliteSaver, OptimizedSqliteSaver

STEPS = 2

SMALLEST = 32_768
"""Bytes of the index of the log, which is there before anything is written."""

BYTES = 733
"""From one size at which a process is killed to the next: no divisor of a page."""


class Note:
    """A number in a file that survives the process."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def add(self, number: int) -> None:
        """Add a line."""
        os.write(self._file, f"{number}\n".encode())


def graph(started: Note) -> StateGraph:
    """Says something a few times."""

    def speak(state: MessagesState) -> dict[str, Any]:
        started.add(len(state["messages"]) + 1)
        return {"messages": [AIMessage("word " * 500)]}

    builder = StateGraph(MessagesState)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < STEPS else "__end__")
    return builder


def killer(at: int) -> Callable[[str], None]:
    """What kills the process when the given number of statements has begun."""
    seen = 0

    def count(statement: str) -> None:
        nonlocal seen
        # A question, such as what a setting is, changes nothing.
        seen += "PRAGMA" not in statement or "=" in statement
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return count


def at_size(size: int) -> None:
    """Have the process killed by the first write that makes a file larger, once that is as large."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def note_commits(kind: type, returned: Note) -> None:
    """Have a saver tell what is written, before anybody else hears of it."""
    write: Any = kind._write  # type: ignore[attr-defined]

    def tell(requests: Any) -> None:
        for request in requests:
            for _, statement, parameters in request.statements:
                if "INTO checkpoints" in statement:
                    returned.add(json.loads(parameters[-1])["step"])

    def noted(self: Any, requests: Any) -> Any:
        outcomes = write(self, requests)
        tell(requests)
        return outcomes

    async def anoted(self: Any, requests: Any) -> Any:
        outcomes = await write(self, requests)
        tell(requests)
        return outcomes

    kind._write = anoted if asyncio.iscoroutinefunction(write) else noted  # type: ignore[attr-defined]


def kill_copying(size: int) -> None:
    """Have the process killed in the midst of copying the log, when the run is at its end."""
    settled = Log.settled

    def limited(self: Log, connection: sqlite3.Connection) -> None:
        at_size(size)
        settled(self, connection)

    Log.settled = limited  # type: ignore[method-assign]


CONFIG: Any = {"configurable": {"thread_id": "t"}}

OTHER: Any = {"configurable": {"thread_id": "before"}}
"""A run whose log is copied before."""


def run_sync(file: Path, at: int, durability: Any, phase: str) -> None:
    """Run with LangGraph's saver for threads, optimized."""
    note_commits(OptimizedSqliteSaver, Note(file.with_suffix(".returned")))
    connection = sqlite3.connect(file, check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    compiled: Any = optiflow.compile(graph(Note(file.with_suffix(".started"))), "durability", checkpointer=saver)
    if phase == "statement":
        connection.set_trace_callback(killer(at))
    elif phase == "commit":
        at_size(SMALLEST + at * BYTES)
    elif phase == "copy":
        compiled.invoke({"messages": []}, OTHER)
        kill_copying(at * BYTES)
    compiled.invoke({"messages": []}, CONFIG, durability=durability)


async def run_async(file: Path, at: int, durability: Any, phase: str) -> None:
    """Run with LangGraph's saver for event loops, optimized."""
    note_commits(OptimizedAsyncSqliteSaver, Note(file.with_suffix(".returned")))
    async with aiosqlite.connect(file) as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        compiled: Any = optiflow.compile(graph(Note(file.with_suffix(".started"))), "durability", checkpointer=saver)
        if phase == "statement":
            await connection.set_trace_callback(killer(at))
        elif phase == "commit":
            at_size(SMALLEST + at * BYTES)
        elif phase == "copy":
            await compiled.ainvoke({"messages": []}, OTHER)
            kill_copying(at * BYTES)
        await compiled.ainvoke({"messages": []}, CONFIG, durability=durability)


def main(folder: Path, kind: str, durability: str, phase: str) -> None:
    """Kill a child at each moment in turn, until one comes to its end."""
    # What is imported when it is first used need not be imported by each child.
    with sqlite3.connect(":memory:", check_same_thread=False) as connection:
        optiflow.compile(graph(Note(folder / "first")), "durability", checkpointer=SqliteSaver(connection)).invoke(
            {"messages": []}, CONFIG
        )
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    at = 0
    while True:
        at += 1
        child = os.fork()
        if not child:
            file = folder / f"{at}.sqlite"
            if kind == "async":
                asyncio.run(run_async(file, at, durability, phase))
            else:
                run_sync(file, at, durability, phase)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXFSZ):
            continue
        sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
