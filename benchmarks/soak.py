"""Whether runs that go wrong leave anything behind; ``python benchmarks/soak.py [--runs N] [--json FILE]``.

Small graphs run under every toggle, sync and async, with checkpoints in SQLite. At random they end, fail, are
cancelled, or their streams are dropped, dropped in a cycle, left by a consumer that raises, or closed by another
thread; some runs have a process of their own, whose interpreter exits in their midst. A run that takes more than ten
seconds ends the soak with the stacks of all threads. At its end no thread, task or file may be left, and nothing that
was replaced, and no finalizer or thread may have failed: whatever has makes the exit code 1.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import faulthandler
import gc
import io
import logging
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypedDict

import httpx
import psutil
from langchain_core.callbacks import manager
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from results import Figure, options_parser, publish

import optiflow

WATCHDOG_S = 10
"""Seconds that a run may take."""

EXITS_EVERY = 100
"""One run in so many has a process of its own."""

ASYNC_TOGETHER = 20
"""Async runs of one event loop."""

REPLACED: Mapping[str, tuple[Any, str]] = {
    "builtins.print": (builtins, "print"),
    "logging.Logger.handle": (logging.Logger, "handle"),
    "handle_event": (manager, "handle_event"),
    "ahandle_event": (manager, "ahandle_event"),
    "httpx.Client.send": (httpx.Client, "send"),
    "httpx.AsyncClient.send": (httpx.AsyncClient, "send"),
    **{f"SqliteSaver.{name}": (SqliteSaver, name) for name in ("put", "put_writes", "get_tuple", "list", "setup")},
    **{f"AsyncSqliteSaver.{name}": (AsyncSqliteSaver, name) for name in ("aput", "aput_writes", "aget_tuple", "alist")},
}
"""What toggles replace while somebody needs it."""


class State(TypedDict, total=False):
    """What the graph keeps."""

    steps: int
    fails: bool


class UnluckyError(Exception):
    """What a node raises."""


_log = logging.getLogger("soak")


def builder(*, asynchronous: bool) -> StateGraph[Any]:
    """Three nodes, which print and log, and the last of which may fail."""

    def step(state: State) -> State:
        print("step", state.get("steps", 0))
        _log.info("step %d", state.get("steps", 0))
        return {"steps": state.get("steps", 0) + 1}

    def last(state: State) -> State:
        if state.get("fails"):
            raise UnluckyError
        return {"steps": 3}

    async def astep(state: State) -> State:
        await asyncio.sleep(0)
        return step(state)

    async def alast(state: State) -> State:
        await asyncio.sleep(0)
        return last(state)

    built: StateGraph[Any] = StateGraph(State)
    built.add_node("one", astep if asynchronous else step)
    built.add_node("two", astep if asynchronous else step)
    built.add_node("last", alast if asynchronous else last)
    built.add_edge(START, "one").add_edge("one", "two").add_edge("two", "last")
    return built


def config(number: int) -> Any:
    """A thread of the run's own."""
    return {"configurable": {"thread_id": str(number)}}


def begun(graph: Any, number: int) -> Any:
    """A stream that has gone one step."""
    stream = graph.stream({}, config(number))
    next(stream)
    return stream


def finished(graph: Any, number: int) -> None:
    """Run to the end."""
    assert graph.invoke({}, config(number))["steps"] == 3


def failed(graph: Any, number: int) -> None:
    """Fail in the last node."""
    with contextlib.suppress(UnluckyError):
        graph.invoke({"fails": True}, config(number))
        raise AssertionError("it did not fail")


def dropped(graph: Any, number: int) -> None:
    """Drop a stream."""
    begun(graph, number)


class Cycle:
    """Waits for the collector."""


def in_a_cycle(graph: Any, number: int) -> None:
    """Drop a stream that only the collector finds."""
    cycle: Any = Cycle()
    cycle.it, cycle.stream = cycle, begun(graph, number)


def consumer_fails(graph: Any, number: int) -> None:
    """Raise in the loop over a stream."""
    with contextlib.suppress(UnluckyError):
        for _ in graph.stream({}, config(number)):
            raise UnluckyError


def closed_elsewhere(graph: Any, number: int) -> None:
    """Let another thread close a stream."""
    thread = threading.Thread(target=begun(graph, number).close, name="soak")
    thread.start()
    thread.join()


SYNC: Mapping[str, Callable[[Any, int], None]] = {
    each.__name__: each for each in (finished, failed, dropped, in_a_cycle, consumer_fails, closed_elsewhere)
}


async def afinished(graph: Any, number: int) -> None:
    """Run to the end."""
    assert (await graph.ainvoke({}, config(number)))["steps"] == 3


async def afailed(graph: Any, number: int) -> None:
    """Fail in the last node."""
    with contextlib.suppress(UnluckyError):
        await graph.ainvoke({"fails": True}, config(number))
        raise AssertionError("it did not fail")


async def acancelled(graph: Any, number: int) -> None:
    """Cancel a run after a few turns of the loop."""
    task = asyncio.ensure_future(graph.ainvoke({}, config(number)))
    for _ in range(number % 30):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def adropped(graph: Any, number: int) -> None:
    """Drop a stream."""
    await anext(graph.astream({}, config(number)))


async def aconsumer_fails(graph: Any, number: int) -> None:
    """Raise in the loop over a stream."""
    with contextlib.suppress(UnluckyError):
        async for _ in graph.astream({}, config(number)):
            raise UnluckyError


ASYNC: Mapping[str, Callable[[Any, int], Any]] = {
    each.__name__: each for each in (afinished, afailed, acancelled, adropped, aconsumer_fails)
}

EXITS: Mapping[str, int] = {"kept": 0, "raises": 1, "exits": 3}
"""How a process ends in the midst of a run, and the code that it ends with."""


def exit_in_the_midst(how: str, opt: str) -> None:
    """End this process while a stream is under way."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    graph: Any = optiflow.compile(builder(asynchronous=False), opt, checkpointer=SqliteSaver(connection))
    globals()["_kept"] = begun(graph, 0)
    if how == "raises":
        raise UnluckyError
    if how == "exits":
        sys.exit(EXITS[how])


def exited(how: str, opt: str, problems: list[str]) -> None:
    """Have a process end in that way."""
    command = [sys.executable, __file__, "--opt", opt, "--exit", how]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WATCHDOG_S)
    except subprocess.TimeoutExpired:
        problems.append(f"a process whose run is {how} does not end")
        return
    if done.returncode != EXITS[how]:
        problems.append(f"a process whose run is {how} ends with {done.returncode}: {done.stderr[-500:]}")


def sync_batch(kinds: Sequence[str], first: int, opt: str) -> Iterator[None]:
    """Run one after another, over one connection; a step is a run."""
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        graph: Any = optiflow.compile(builder(asynchronous=False), opt, checkpointer=SqliteSaver(connection))
        for number, kind in enumerate(kinds, first):
            SYNC[kind](graph, number)
            yield
        del graph
        gc.collect()


async def async_batch(kinds: Sequence[str], first: int, opt: str, problems: list[str]) -> None:
    """Run at the same time, in one event loop, over one connection."""
    loop: Any = asyncio.get_running_loop()
    executor = loop._default_executor
    tasks = asyncio.all_tasks()
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        await saver.setup()
        graph: Any = optiflow.compile(builder(asynchronous=True), opt, checkpointer=saver)
        await asyncio.gather(*(ASYNC[kind](graph, number) for number, kind in enumerate(kinds, first)))
        del graph
        gc.collect()
        # Streams that were dropped are closed by tasks of the loop.
        until = time.monotonic() + WATCHDOG_S
        while asyncio.all_tasks() - tasks and time.monotonic() < until:
            await asyncio.sleep(0.001)
    problems += [f"task left: {task!r}" for task in asyncio.all_tasks() - tasks]
    if loop._default_executor is not executor and not _is_plain(loop._default_executor):
        problems.append(f"the loop's default executor is {loop._default_executor!r}")


def _is_plain(executor: Any) -> bool:
    """Whether an executor is what asyncio makes when somebody needs one."""
    return type(executor).__module__ == "concurrent.futures.thread"


def threads() -> Counter[str]:
    """Threads by their names, without numbers."""
    return Counter(each.name.rstrip("0123456789").rstrip("-_") for each in threading.enumerate())


def attributes() -> dict[str, Any]:
    """What is where toggles put something else."""
    return {name: getattr(owner, attribute) for name, (owner, attribute) in REPLACED.items()}


def files() -> int:
    """How many file descriptors are open."""
    return psutil.Process().num_fds()


@contextlib.contextmanager
def unheard(problems: list[str]) -> Iterator[None]:
    """Note what fails where nobody hears of it."""
    hooks = sys.unraisablehook, threading.excepthook

    def unraisable(failed: Any) -> None:
        problems.append(f"{failed.err_msg or 'exception ignored in'} {failed.object!r:.60}: {failed.exc_type.__name__}")

    def in_a_thread(failed: Any) -> None:
        problems.append(f"exception in a thread: {failed.exc_type.__name__}")

    sys.unraisablehook, threading.excepthook = unraisable, in_a_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks


def left(before: Counter[str], opened: int, replaced: Mapping[str, Any]) -> list[str]:
    """What is there now and was not before."""
    found = [f"thread left: {name} ({count})" for name, count in (threads() - before).items()]
    if (now := files()) > opened:
        found.append(f"file descriptors left: {now - opened}")
    return found + [f"{name} stays replaced" for name, each in attributes().items() if each is not replaced[name]]


def soak(runs: int, seed: int, opt: str) -> tuple[Counter[str], list[str]]:
    """Run, and say how often each kind was run, and what was wrong."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    # What is opened once, such as the source of randomness or an event loop's imports, is opened before.
    asyncio.run(asyncio.sleep(0))
    os.urandom(1)
    before, opened, replaced = threads(), files(), attributes()
    with unheard(problems):
        _runs(runs, chance, opt, counts, problems)
        gc.collect()
        until = time.monotonic() + WATCHDOG_S
        while (found := left(before, opened, replaced)) and time.monotonic() < until:
            threading.Event().wait(0.05)
    return counts, problems + found


def _runs(runs: int, chance: random.Random, opt: str, counts: Counter[str], problems: list[str]) -> None:
    done = 0
    while done < runs:
        size = min(ASYNC_TOGETHER, runs - done)
        faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
        if done // ASYNC_TOGETHER % 2:
            kinds = chance.choices(list(ASYNC), k=size)
            asyncio.run(async_batch(kinds, done, opt, problems))
        else:
            kinds = chance.choices(list(SYNC), k=size)
            for _ in sync_batch(kinds, done, opt):
                faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
        faulthandler.cancel_dump_traceback_later()
        counts.update(kinds)
        if (done + size) // EXITS_EVERY > done // EXITS_EVERY:
            how = chance.choice(list(EXITS))
            exited(how, opt, problems)
            counts[f"process {how}"] += 1
        done += size


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, and write the figures; end with 1 where something is wrong."""
    parser = options_parser(__doc__, repetitions=1)
    parser.add_argument("--runs", type=int, default=10_000, help="how many runs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the runs (default: %(default)s)")
    parser.add_argument("--opt", default="all", help="toggles, or a preset (default: %(default)s)")
    parser.add_argument("--exit", choices=list(EXITS), help="end this process in the midst of a run")
    options = parser.parse_args(argv)
    if options.exit:
        with contextlib.redirect_stdout(io.StringIO()):
            exit_in_the_midst(options.exit, options.opt)
        return
    with contextlib.redirect_stdout(io.StringIO()):
        counts, problems = soak(options.runs, options.seed, options.opt)
    figures = [Figure(f"{kind}: runs", "", float(count)) for kind, count in sorted(counts.items())]
    figures.append(Figure("violations", "", float(len(problems)), "<= 0"))
    publish(figures, options, runs=options.runs, seed=options.seed, problems=problems)
    for problem, count in Counter(problems).most_common(20):
        print(f"{count} x {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
