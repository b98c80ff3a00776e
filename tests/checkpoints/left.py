"""A process whose streams are left in some way; ``python left.py SCENARIO DATABASE TOGGLES``.

DATABASE is a file for SQLite, or the address of a PostgreSQL server.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, TypedDict

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from psycopg.rows import dict_row

import optiflow

CONFIG: Any = {"configurable": {"thread_id": "t"}}

OTHER: Any = {"configurable": {"thread_id": "other"}}


class State(TypedDict, total=False):
    """What the graph keeps."""

    n: int


def one(state: State) -> State:
    """Count."""
    return {"n": 1}


def two(state: State) -> State:
    """Count."""
    return {"n": 2}


def exits(state: State) -> State:
    """End the program."""
    sys.exit(3)


def interrupted(state: State) -> State:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    return {"n": 2}


def builder(second: Callable[[State], State] = two) -> StateGraph[Any]:
    """Two nodes."""
    built: StateGraph[Any] = StateGraph(State)
    built.add_node("one", one)
    built.add_node("two", second)
    built.add_edge(START, "one").add_edge("one", "two")
    return built


connections: list[Any] = []
"""Stay open as long as the process."""

kept: list[Any] = []
"""Streams that nobody closes."""


def saver_of(database: str) -> Any:
    """A saver whose connection stays open."""
    if "://" not in database:
        connections.append(sqlite3.connect(database, check_same_thread=False))
        return SqliteSaver(connections[0])
    connections.append(psycopg.connect(database, autocommit=True, row_factory=dict_row))
    return PostgresSaver(connections[0])


def graph_of(database: str, opt: str, second: Callable[[State], State] = two) -> Any:
    """The graph, compiled, with a new database."""
    saver = saver_of(database)
    saver.setup()
    return optiflow.compile(builder(second), opt, checkpointer=saver)


def begun(graph: Any, config: Any = CONFIG) -> Any:
    """A stream that has gone one step."""
    stream = graph.stream({}, config)
    next(stream)
    return stream


def abandoned(database: str, opt: str) -> None:
    """Keep a stream, and end."""
    kept.append(begun(graph_of(database, opt)))


def abandoned_exit(database: str, opt: str) -> None:
    """Keep a stream whose checkpoint is written when it is closed, and end."""
    kept.append(graph_of(database, opt).stream({}, CONFIG, durability="exit"))
    next(kept[0])


def consumer_fails(database: str, opt: str) -> None:
    """Raise within the loop over a stream."""
    for _ in graph_of(database, opt).stream({}, CONFIG):
        raise ValueError("consumer failed")


def node_exits(database: str, opt: str) -> None:
    """Call ``sys.exit`` within a node."""
    graph_of(database, opt, exits).invoke({}, CONFIG)


def ctrl_c(database: str, opt: str) -> None:
    """Be interrupted within a node."""
    graph_of(database, opt, interrupted).invoke({}, CONFIG)


def in_a_thread(database: str, opt: str, *, daemon: bool = False) -> None:
    """Let a thread leave its stream."""
    graph = graph_of(database, opt)
    thread = threading.Thread(target=lambda: kept.append(begun(graph)), daemon=daemon)
    thread.start()
    thread.join()


def in_a_daemon(database: str, opt: str) -> None:
    """Let a daemon leave its stream."""
    in_a_thread(database, opt, daemon=True)


def closed_by_another(database: str, opt: str) -> None:
    """Let a thread close the stream of another."""
    stream = begun(graph_of(database, opt))
    thread = threading.Thread(target=stream.close)
    thread.start()
    thread.join()


def thrown(database: str, opt: str) -> None:
    """Have something raised where the stream stands still."""
    begun(graph_of(database, opt)).throw(KeyError("thrown"))


def at_exit(database: str, opt: str) -> None:
    """Close a stream when no thread can be started any more."""
    graph = graph_of(database, opt)
    stream = begun(graph)
    atexit.register(stream.close)


class Cycle:
    """Is collected by nobody but the collector."""


def collected(database: str, opt: str, **options: Any) -> None:
    """Have the collector close streams in the midst of writing, as it may at any allocation."""
    graph = graph_of(database, opt)
    graph.invoke({}, {"configurable": {"thread_id": "first"}})
    gc.disable()
    cycle: Any = Cycle()
    cycle.it, cycle.stream = cycle, graph.stream({}, CONFIG, **options)
    next(cycle.stream)
    saver = graph.checkpointer
    del cycle
    seen: list[int] = []

    def collect(statement: object) -> None:
        if not seen:
            seen.append(1)
            gc.collect()

    if "://" in database:
        cursor = saver._cursor

        def watched(**given: Any) -> Any:
            collect(None)
            return cursor(**given)

        saver.__dict__["_cursor"] = watched
    else:
        connections[0].set_trace_callback(lambda statement: collect(statement) if "INSERT" in statement else None)
    graph.invoke({}, OTHER)
    assert seen


def collected_exit(database: str, opt: str) -> None:
    """The same, where the checkpoint is not written before that."""
    collected(database, opt, durability="exit")


def forked(database: str, opt: str) -> None:
    """End a process that was forked while a stream was under way."""
    kept.append(begun(graph_of(database, opt)))
    child = os.fork()
    if not child:
        # No connection may be shared: the child leaves it to its parent.
        kept[0].close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


async def _consumer_fails(database: str, opt: str) -> None:
    async with AsyncExitStack() as stack:
        kind: Any = AsyncPostgresSaver if "://" in database else AsyncSqliteSaver
        saver = await stack.enter_async_context(kind.from_conn_string(database))
        await saver.setup()
        async for _ in optiflow.compile(builder(), opt, checkpointer=saver).astream({}, CONFIG):
            raise ValueError("consumer failed")


def async_consumer_fails(database: str, opt: str) -> None:
    """Raise within the loop over a stream of an event loop, and close the connection."""
    asyncio.run(_consumer_fails(database, opt))


async def _abandoned(database: str, opt: str) -> None:
    async with AsyncExitStack() as stack:
        kind: Any = AsyncPostgresSaver if "://" in database else AsyncSqliteSaver
        saver = await stack.enter_async_context(kind.from_conn_string(database))
        await saver.setup()
        kept.append(optiflow.compile(builder(), opt, checkpointer=saver).astream({}, CONFIG))
        await anext(kept[0])


def async_abandoned(database: str, opt: str) -> None:
    """Keep a stream of an event loop that ends."""
    asyncio.run(_abandoned(database, opt))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
