"""What ``async`` does for graphs, against plain LangGraph; ``python benchmarks/async_graph.py [--json FILE]``.

Every ratio is of arms that ran in turn in this process. Waiting is real: nodes sleep, and ask a server on this machine
that takes its time.
"""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, TypedDict

import requests
from langgraph.graph import START, StateGraph
from measure import interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

import optiflow

SYNC_NODES = 40
SYNC_WAIT = 0.05
BRANCHES = 6
WAIT = 0.2
"""Seconds that the blocking call of each branch takes."""
CHAIN = 50
"""Nodes of the chain in which nothing can be gained."""

OPT = {"async": {"offload": True}}

Work = Any
"""A node's function."""


class State(TypedDict, total=False):
    """The state of every graph here."""

    url: str
    done: Annotated[list[int], operator.add]


def threaded(state: State) -> dict[str, Any]:
    """Wait as sync nodes do."""
    time.sleep(SYNC_WAIT)
    return {"done": [1]}


async def sleeping(state: State) -> dict[str, Any]:
    """Block the loop between two awaits."""
    await asyncio.sleep(0.01)
    time.sleep(WAIT)
    await asyncio.sleep(0.01)
    return {"done": [1]}


async def disguised(state: State) -> dict[str, Any]:
    """Block the loop, and never await."""
    time.sleep(WAIT + 0.02)
    return {"done": [1]}


async def free(state: State) -> dict[str, Any]:
    """What the two before would be, written as it should be."""
    await asyncio.sleep(0.01)
    await asyncio.sleep(WAIT)
    await asyncio.sleep(0.01)
    return {"done": [1]}


async def fetching(state: State) -> dict[str, Any]:
    """Block the loop with a request."""
    await asyncio.sleep(0.01)
    answer = requests.get(state["url"], timeout=10)
    return {"done": [len(answer.text)]}


async def fetching_freely(state: State) -> dict[str, Any]:
    """The same request, written as it should be."""
    await asyncio.sleep(0.01)
    answer = await asyncio.to_thread(requests.get, state["url"], timeout=10)
    return {"done": [len(answer.text)]}


async def immediate(state: State) -> dict[str, Any]:
    """Nothing to gain: nothing waits."""
    return {"done": [1]}


def fan(work: Work, branches: int) -> StateGraph[Any]:
    """The same work in branches that run at once."""
    builder: StateGraph[Any] = StateGraph(State)
    for number in range(branches):
        builder.add_node(f"branch_{number}", work)
        builder.add_edge(START, f"branch_{number}")
    return builder


def chain(work: Work, length: int) -> StateGraph[Any]:
    """The same work again and again."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_sequence([(f"step_{number}", work) for number in range(length)])
    builder.add_edge(START, "step_0")
    return builder


def running(graph: Any, url: str, repeat: int = 1) -> Callable[[], None]:
    """An arm: the graph run on a fresh event loop, as a program that starts would."""

    async def run() -> None:
        for _ in range(repeat):
            await graph.ainvoke({"url": url, "done": []})

    return lambda: asyncio.run(run())


def arms(url: str) -> Mapping[str, Mapping[str, Callable[[], None]]]:
    """Experiments: name -> arm -> what to time."""

    def pair(builder: StateGraph[Any], repeat: int = 1) -> dict[str, Callable[[], None]]:
        return {
            "plain": running(builder.compile(), url, repeat),
            "async": running(optiflow.compile(builder, OPT), url, repeat),
        }

    return {
        "sync": pair(fan(threaded, SYNC_NODES)),
        "sleep": {
            **pair(fan(sleeping, BRANCHES)),
            "disguised": running(optiflow.compile(fan(disguised, BRANCHES), OPT), url),
            "free": running(fan(free, BRANCHES).compile(), url),
        },
        "request": {**pair(fan(fetching, BRANCHES)), "free": running(fan(fetching_freely, BRANCHES).compile(), url)},
        "idle": pair(chain(immediate, CHAIN), repeat=10),
    }


class _Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer after a while."""
        time.sleep(WAIT)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


@contextmanager
def server() -> Iterator[str]:
    """A slow server on this machine; its URL."""
    slow = _Server(("127.0.0.1", 0), _Slow)
    thread = threading.Thread(target=slow.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{slow.server_port}"
    finally:
        slow.shutdown()
        slow.server_close()
        thread.join()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=15).parse_args(argv)
    with server() as url:
        seen = {name: interleave(experiment, options.repetitions) for name, experiment in arms(url).items()}
    sync, sleep, request, idle = (seen[name] for name in ("sync", "sleep", "request", "idle"))
    publish(
        [
            Figure(f"{SYNC_NODES} sync nodes of 50 ms, ainvoke: plain", "s", median_interval(sync["plain"])),
            Figure(f"{SYNC_NODES} sync nodes of 50 ms, ainvoke: async", "s", median_interval(sync["async"])),
            Figure("times faster", "x", ratio_interval(sync["plain"], sync["async"]), ">= 5"),
            Figure(f"time.sleep of 200 ms in {BRANCHES} branches: plain", "s", median_interval(sleep["plain"])),
            Figure("async, against asyncio.sleep", "x", ratio_interval(sleep["async"], sleep["free"]), "<= 1.1"),
            Figure("async, no await at all", "x", ratio_interval(sleep["disguised"], sleep["free"]), "<= 1.1"),
            Figure(f"requests.get of 200 ms in {BRANCHES} branches: plain", "s", median_interval(request["plain"])),
            Figure(
                "async, against asyncio.to_thread", "x", ratio_interval(request["async"], request["free"]), "<= 1.1"
            ),
            Figure("a chain that gains nothing, against plain", "x", ratio_interval(idle["async"], idle["plain"])),
        ],
        options,
    )


if __name__ == "__main__":
    main()
