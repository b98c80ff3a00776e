"""A process that is killed in the middle of writing checkpoints; ``python killed.py FOLDER SYNC|ASYNC DURABILITY``.

For each statement that a run sends to SQLite, a child of this process runs the graph in a file of its own and kills
itself when that statement is about to be executed. ``N.started`` and ``N.returned`` tell how far it had come.
"""

from __future__ import annotations

import asyncio
import os
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

STEPS = 2


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


def noting(put: Any, returned: Note) -> Any:
    """A saver's ``put`` that tells when it returns."""

    def noted(config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        result = put(config, checkpoint, metadata, versions)
        returned.add(metadata["step"])
        return result

    async def anoted(config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        result = await put(config, checkpoint, metadata, versions)
        returned.add(metadata["step"])
        return result

    return anoted if asyncio.iscoroutinefunction(put) else noted


CONFIG: Any = {"configurable": {"thread_id": "t"}}


def run_sync(file: Path, at: int, durability: Any) -> None:
    """Run with LangGraph's saver for threads, optimized."""
    connection = sqlite3.connect(file, check_same_thread=False)
    saver = SqliteSaver(connection)
    saver.setup()
    compiled: Any = optiflow.compile(graph(Note(file.with_suffix(".started"))), "durability", checkpointer=saver)
    ours = compiled.checkpointer
    type(ours).put = staticmethod(noting(ours.put, Note(file.with_suffix(".returned"))))
    connection.set_trace_callback(killer(at))
    compiled.invoke({"messages": []}, CONFIG, durability=durability)


async def run_async(file: Path, at: int, durability: Any) -> None:
    """Run with LangGraph's saver for event loops, optimized."""
    async with aiosqlite.connect(file) as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        compiled: Any = optiflow.compile(graph(Note(file.with_suffix(".started"))), "durability", checkpointer=saver)
        ours = compiled.checkpointer
        type(ours).aput = staticmethod(noting(ours.aput, Note(file.with_suffix(".returned"))))
        await connection.set_trace_callback(killer(at))
        await compiled.ainvoke({"messages": []}, CONFIG, durability=durability)


def main(folder: Path, kind: str, durability: str) -> None:
    """Kill a child at each statement in turn, until one comes to its end."""
    # What is imported when it is first used need not be imported by each child.
    with sqlite3.connect(":memory:", check_same_thread=False) as connection:
        optiflow.compile(graph(Note(folder / "first")), "durability", checkpointer=SqliteSaver(connection)).invoke(
            {"messages": []}, CONFIG
        )
    at = 0
    while True:
        at += 1
        child = os.fork()
        if not child:
            file = folder / f"{at}.sqlite"
            if kind == "async":
                asyncio.run(run_async(file, at, durability))
            else:
                run_sync(file, at, durability)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            continue
        sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
