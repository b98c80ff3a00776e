"""A run whose disk is full in its midst; ``python limited.py FILE SYNC|ASYNC TOGGLES``.

No file of the process may grow beyond a size, so a write ends in the middle of a page of the log, as on a full disk.
Prints why the run failed, what the connection that it leaves behind can still read, and the run's result when there
is room again.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import sys
from contextlib import closing
from typing import Any

import aiosqlite
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

import optiflow

STEPS = 40

CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 100}


def limit(size: int) -> None:
    """How large a file may be; -1 for any size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def graph() -> StateGraph:
    """Says something a number of times."""
    builder = StateGraph(MessagesState)
    builder.add_node("speak", lambda state: {"messages": [AIMessage("word " * 500)]})
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < STEPS else "__end__")
    return builder


def run_sync(file: str, opt: str) -> None:
    """Run in threads."""
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        saver.setup()
        compiled: Any = optiflow.compile(graph(), opt, checkpointer=saver)
        limit(200_123)
        try:
            compiled.invoke({"messages": []}, CONFIG)
        except sqlite3.Error as error:
            print(repr(error))
        print([each.metadata["step"] for each in saver.list(CONFIG)][::-1])
        limit(-1)
        print(len(compiled.invoke(None, CONFIG)["messages"]))


async def run_async(file: str, opt: str) -> None:
    """Run on an event loop."""
    async with aiosqlite.connect(file) as connection:
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        compiled: Any = optiflow.compile(graph(), opt, checkpointer=saver)
        limit(200_123)
        try:
            await compiled.ainvoke({"messages": []}, CONFIG)
        except sqlite3.Error as error:
            print(repr(error))
        print([each.metadata["step"] async for each in saver.alist(CONFIG)][::-1])
        limit(-1)
        print(len((await compiled.ainvoke(None, CONFIG))["messages"]))


if __name__ == "__main__":
    if sys.argv[2] == "async":
        asyncio.run(run_async(sys.argv[1], sys.argv[3]))
    else:
        run_sync(sys.argv[1], sys.argv[3])
