"""What ``durability`` does, against plain LangGraph; ``python benchmarks/checkpoints.py [--json FILE]``.

A node adds a message to a growing conversation, 200 times, with LangGraph's savers for SQLite. Every ratio is of whole
runs that ran in turn in this process: LangGraph's own work of each step is in it on both sides, and bounds it. With
``--postgres URL`` the same is measured in a new database of that server.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit
from uuid import uuid4

from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from measure import median_interval, ratio_interval
from results import Figure, options_parser, publish

import optiflow
from optiflow.checkpoints.meter import metered

LENGTHS = {"long": 4400, "short": 200}
"""Characters of a message: what a tool returns, so that 200 steps leave 90 MB, and what people write."""

LIMITS = {"same": ">= 2.5", "exit": ">= 8"}
"""How many times cheaper than LangGraph's default."""

ARMS: Mapping[str, Any] = {
    "plain": None,
    "same": {"durability": {}},
    "full": {"durability": {"synchronous": "full"}},
    "exit": {"durability": {"mode": "exit"}},
    "same + dispatch": {"durability": {}, "dispatch": {}},
    "exit + dispatch": {"durability": {"mode": "exit"}, "dispatch": {}},
    "all": "all",
    "unsaved": None,
}
"""LangGraph as it is, and the toggle in each way; with the toggle for LangGraph's own work, which is the rest of a
step; every toggle; and LangGraph without a saver, which bounds what any saver can gain."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A run."""

    characters: int
    """The length of each message."""
    steps: int
    """How many messages there are in the end."""


class Timing(TypedDict):
    """One run."""

    run: float
    """Seconds of the run."""
    closed: float
    """Seconds until the database is closed too: SQLite copies what its log holds then."""


def conversation(workload: Workload, *, sync: bool) -> StateGraph[Any]:
    """A graph that adds messages of a length."""
    text = ("word " * workload.characters)[: workload.characters]

    def speak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(text)]}

    async def aspeak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(text)]}

    builder: StateGraph[Any] = StateGraph(MessagesState)
    builder.add_node("speak", speak if sync else aspeak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < workload.steps else "__end__")
    return builder


def config(workload: Workload) -> Any:
    """A thread of its own."""
    return {"configurable": {"thread_id": uuid4().hex}, "recursion_limit": 2 * workload.steps}


def compiled(builder: StateGraph[Any], arm: str, saver: Any) -> Any:
    """The graph under one arm."""
    opt = ARMS[arm]
    if arm == "unsaved":
        return builder.compile()
    return builder.compile(checkpointer=saver) if opt is None else optiflow.compile(builder, opt, checkpointer=saver)


def sqlite_sync(workload: Workload, arm: str) -> Timing:
    """A run with `SqliteSaver` under ``invoke``."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(Path(folder) / "db", check_same_thread=False)) as connection:
            saver = SqliteSaver(connection)
            saver.setup()
            graph = compiled(conversation(workload, sync=True), arm, saver)
            started = time.perf_counter()
            graph.invoke({"messages": []}, config(workload))
            run = time.perf_counter() - started
        return {"run": run, "closed": time.perf_counter() - started}


def sqlite_async(workload: Workload, arm: str) -> Timing:
    """A run with `AsyncSqliteSaver` under ``ainvoke``."""

    async def measured() -> Timing:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "db")) as saver:
                await saver.setup()
                graph = compiled(conversation(workload, sync=False), arm, saver)
                started = time.perf_counter()
                await graph.ainvoke({"messages": []}, config(workload))
                run = time.perf_counter() - started
            return {"run": run, "closed": time.perf_counter() - started}

    return asyncio.run(measured())


def timed(run: Callable[[str], Timing], arms: Sequence[str], repetitions: int) -> dict[str, list[Timing]]:
    """Run every arm once per repetition, in snake order after an unmeasured round; as `measure.interleave`."""
    timings: dict[str, list[Timing]] = {arm: [] for arm in arms}
    order = list(arms)
    for repetition in range(repetitions + 1):
        for arm in order:
            timing = run(arm)
            if repetition:
                timings[arm].append(timing)
        order.reverse()
    return timings


def compared(
    name: str, steps: int, timings: Mapping[str, Sequence[Timing]], limits: Mapping[str, str]
) -> Iterator[Figure]:
    """What each arm costs, and how much less than LangGraph as it is."""
    plain = timings["plain"]
    for arm, measured in timings.items():
        step = median_interval([1000 * timing["run"] / steps for timing in measured])
        yield Figure(f"{name}, {arm}: a step", "ms", step)
        if arm == "plain":
            continue
        for what, part in (("", "run"), (", with closing", "closed")):
            ratio = ratio_interval([each[part] for each in plain], [each[part] for each in measured])  # type: ignore[literal-required]
            yield Figure(f"{name}, plain over {arm}{what}", "x", ratio, "" if what else limits.get(arm, ""))
    if "unsaved" in timings:
        plain_saving, saving = (
            [each["run"] - loop["run"] for each, loop in zip(timings[arm], timings["unsaved"], strict=True)]
            for arm in ("plain", "same")
        )
        yield Figure(f"{name}, plain over same, less unsaved", "x", ratio_interval(plain_saving, saving))


def sqlite_figures(steps: int, repetitions: int) -> Iterator[Figure]:
    """Both savers, both lengths, every arm."""
    for length, characters in LENGTHS.items():
        workload = Workload(characters, steps)
        for saver, run in (("SqliteSaver, invoke", sqlite_sync), ("AsyncSqliteSaver, ainvoke", sqlite_async)):
            name = f"{length} messages, {saver}"
            yield from compared(name, steps, timed(partial(run, workload), list(ARMS), repetitions), LIMITS)
            with metered() as meter:
                run(workload, "same")
            seen = meter.statistics()
            for figure in ("puts", "writes", "commits", "syncs_saved", "bytes", "bytes_reused"):
                yield Figure(f"{name}, same: checkpoint_{figure}", "", float(seen[f"checkpoint_{figure}"]))


@contextmanager
def database(server: str) -> Iterator[str]:
    """A new database of a PostgreSQL server, dropped at the end."""
    import psycopg

    name = f"optiflow_benchmark_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgres_figures(server: str, steps: int, repetitions: int) -> Iterator[Figure]:
    """Both savers for PostgreSQL."""
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    def sync(workload: Workload, arm: str) -> Timing:
        with PostgresSaver.from_conn_string(address) as saver:
            graph = compiled(conversation(workload, sync=True), arm, saver)
            started = time.perf_counter()
            graph.invoke({"messages": []}, config(workload))
            run = time.perf_counter() - started
        return {"run": run, "closed": time.perf_counter() - started}

    def asynchronous(workload: Workload, arm: str) -> Timing:
        async def measured() -> Timing:
            async with AsyncPostgresSaver.from_conn_string(address) as saver:
                graph = compiled(conversation(workload, sync=False), arm, saver)
                started = time.perf_counter()
                await graph.ainvoke({"messages": []}, config(workload))
                run = time.perf_counter() - started
            return {"run": run, "closed": time.perf_counter() - started}

        return asyncio.run(measured())

    with database(server) as address:
        with PostgresSaver.from_conn_string(address) as saver:
            saver.setup()
        for length, characters in LENGTHS.items():
            workload = Workload(characters, steps)
            for saver_name, run in (("PostgresSaver, invoke", sync), ("AsyncPostgresSaver, ainvoke", asynchronous)):
                timings = timed(partial(run, workload), ["plain", "same"], repetitions)
                yield from compared(f"{length} messages, {saver_name}", steps, timings, {})


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=7)
    parser.add_argument("--postgres", metavar="URL", help="a PostgreSQL server to measure too")
    parser.add_argument("--steps", type=int, default=200, help="messages of a run (default: %(default)s)")
    options = parser.parse_args(argv)
    figures = list(sqlite_figures(options.steps, options.repetitions))
    if options.postgres:
        figures += postgres_figures(options.postgres, options.steps, options.repetitions)
    publish(figures, options, steps=options.steps, characters=LENGTHS)


if __name__ == "__main__":
    main()
