"""Virtual time: what waits is jumped over, what works is waited for."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import operator
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import psutil
import pytest
from blockbuster import BlockingError, blockbuster_ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph

from optiflow.clock import VirtualClock
from optiflow.clock.stillness import CpuWatch

TOLERANCE_S = 0.5
"""Real work counts as time spent; durations below are of whole seconds or more, so this tells them apart."""


@contextmanager
def taking(clock: VirtualClock, seconds: float) -> Iterator[None]:
    """Assert that the block takes this much virtual time."""
    start = clock.time()
    yield
    assert seconds <= clock.time() - start + 1e-6
    assert clock.time() - start < seconds + TOLERANCE_S


class State(TypedDict):
    done: Annotated[list[str], operator.add]


def graph_of(edges: list[tuple[str, str]], node: Callable[[str], Callable[..., Any]]) -> Any:
    """A compiled graph whose nodes are made by ``node`` from their names."""
    builder = StateGraph(State)
    for name in sorted({name for edge in edges for name in edge} - {START}):
        builder.add_node(name, node(name))
    for edge in edges:
        builder.add_edge(*edge)
    return builder.compile()


CHAIN = [(START, "n0"), *((f"n{i}", f"n{i + 1}") for i in range(19))]
FAN = [(START, f"n{i}") for i in range(5)]


def async_node(clock: VirtualClock, seconds: float) -> Callable[[str], Callable[..., Any]]:
    """Makes nodes that sleep on the loop."""

    def make(name: str) -> Callable[..., Any]:
        async def node(state: State) -> dict[str, list[str]]:
            await clock.sleep_async(seconds)
            return {"done": [name]}

        return node

    return make


def sync_node(clock: VirtualClock, seconds: float) -> Callable[[str], Callable[..., Any]]:
    """Makes nodes that sleep on their thread."""

    def make(name: str) -> Callable[..., Any]:
        def node(state: State) -> dict[str, list[str]]:
            clock.sleep(seconds)
            return {"done": [name]}

        return node

    return make


class TestLangGraph:
    def test_a_chain_of_195_seconds(self):
        """20 nodes that sleep 9.75 s each take 195 virtual seconds and next to none of the process's."""
        clock = VirtualClock()
        graph = graph_of(CHAIN, async_node(clock, 9.75))
        cpu = time.process_time()
        with taking(clock, 195):
            clock.run(graph.ainvoke({"done": []}))
        assert time.process_time() - cpu < 1

    def test_sync_nodes_under_invoke(self):
        """A chain of sync nodes runs on the caller's thread, a fan-out on LangGraph's pool."""
        clock = VirtualClock()
        with taking(clock, 195):
            graph_of(CHAIN, sync_node(clock, 9.75)).invoke({"done": []})
        with taking(clock, 30):
            final = graph_of(FAN, sync_node(clock, 30)).invoke({"done": []})
        assert final["done"] == ["n0", "n1", "n2", "n3", "n4"]

    def test_sync_nodes_under_ainvoke(self):
        """Sync nodes of an async run sleep on executor threads, beside one another."""
        clock = VirtualClock()
        with taking(clock, 30):
            clock.run(graph_of(FAN, sync_node(clock, 30)).ainvoke({"done": []}))

    def test_async_nodes_fanned_out(self):
        """Async nodes of one step sleep beside one another."""
        clock = VirtualClock()
        with taking(clock, 30):
            clock.run(graph_of(FAN, async_node(clock, 30)).ainvoke({"done": []}))

    def test_sync_and_async_nodes_mixed(self):
        """Threads and loop timers share one time."""
        clock = VirtualClock()

        def make(name: str) -> Callable[..., Any]:
            return sync_node(clock, 20)(name) if name in {"n0", "n3"} else async_node(clock, 30)(name)

        with taking(clock, 30):
            clock.run(graph_of(FAN, make).ainvoke({"done": []}))

    def test_a_graph_invoked_inside_a_node(self):
        """A sync run nested in a sync run's thread sleeps like any other."""
        clock = VirtualClock()
        inner = graph_of(FAN, sync_node(clock, 10))

        def make(name: str) -> Callable[..., Any]:
            def node(state: State) -> dict[str, list[str]]:
                inner.invoke({"done": []})
                clock.sleep(5)
                return {"done": [name]}

            return node

        with taking(clock, 15):
            graph_of(FAN[:3], make).invoke({"done": []})

    def test_200_runs_leak_nothing(self):
        """After 200 runs there are as many threads and files and, within 5 MB, as much memory as after 20."""
        process = psutil.Process()

        def resources() -> tuple[int, int]:
            gc.collect()
            return threading.active_count(), process.num_fds()

        for count in range(1, 201):
            clock = VirtualClock()
            clock.run(graph_of(FAN[:2], sync_node(clock, 1)).ainvoke({"done": []}))
            if count == 20:
                before, rss = resources(), process.memory_info().rss
        assert resources() == before
        assert process.memory_info().rss - rss < 5e6


@dataclass(frozen=True)
class Tree:
    """Sleeps of whole seconds in sequence or in parallel."""

    kind: str
    parts: tuple[Tree | int, ...]

    def makespan(self) -> int:
        """How long it takes with nobody in the way, s."""
        lengths = [part if isinstance(part, int) else part.makespan() for part in self.parts]
        return sum(lengths) if self.kind == "sequence" else max(lengths)


trees = st.recursive(
    st.builds(Tree, st.just("sequence"), st.tuples(st.integers(1, 9))),
    lambda inner: st.builds(
        Tree, st.sampled_from(["sequence", "parallel"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


def on_threads(clock: VirtualClock, tree: Tree | int) -> None:
    """Run a tree on plain threads: each parallel part on one of its own, the caller waiting for futures."""
    if isinstance(tree, int):
        clock.sleep(tree)
    elif tree.kind == "sequence":
        for part in tree.parts:
            on_threads(clock, part)
    else:
        with ThreadPoolExecutor(len(tree.parts)) as pool:
            wait([pool.submit(on_threads, clock, part) for part in tree.parts])


async def on_loop(clock: VirtualClock, tree: Tree | int, sleep: Callable[[float], Any]) -> None:
    """Run a tree as tasks."""
    if isinstance(tree, int):
        await sleep(tree)
    elif tree.kind == "sequence":
        for part in tree.parts:
            await on_loop(clock, part, sleep)
    else:
        await asyncio.gather(*(on_loop(clock, part, sleep) for part in tree.parts))


class TestMakespan:
    """For any tree of sleeps the virtual time is the tree's makespan."""

    @settings(max_examples=25, deadline=None)
    @given(trees)
    def test_of_tasks(self, tree):
        """Sleeping tasks of one loop."""
        clock = VirtualClock()
        with taking(clock, tree.makespan()):
            clock.run(on_loop(clock, tree, clock.sleep_async))

    @settings(max_examples=25, deadline=None)
    @given(trees)
    def test_of_executor_threads(self, tree):
        """Sleeps on threads that a loop awaits."""
        clock = VirtualClock()

        async def main() -> None:
            with ThreadPoolExecutor(32) as pool:
                loop = asyncio.get_running_loop()
                await on_loop(clock, tree, lambda s: loop.run_in_executor(pool, clock.sleep, s))

        with taking(clock, tree.makespan()):
            clock.run(main())

    @settings(max_examples=25, deadline=None)
    @given(trees)
    def test_of_plain_threads(self, tree):
        """Sleeps on threads without any loop."""
        clock = VirtualClock()
        with taking(clock, tree.makespan()):
            on_threads(clock, tree)

    @settings(max_examples=10, deadline=None)
    @given(trees)
    def test_on_a_foreign_loop(self, tree):
        """Sleeping tasks of a loop that knows nothing of the clock."""
        clock = VirtualClock()
        with taking(clock, tree.makespan()):
            asyncio.run(on_loop(clock, tree, clock.sleep_async))


def compute(milliseconds: float) -> None:
    """Hold the interpreter lock for about so long."""
    end = time.perf_counter() + milliseconds / 1e3
    while time.perf_counter() < end:
        sum(range(200))


def hash_bytes() -> None:
    """Work without the interpreter lock."""
    hashlib.sha256(bytes(3_000_000)).digest()


def hand_over() -> None:
    """Have a fresh thread do the work and wait for its answer."""
    answers: queue.Queue[int] = queue.Queue()
    thread = threading.Thread(target=lambda: answers.put(sum(range(50_000))))
    thread.start()
    answers.get()
    thread.join()


class TestNobodyIsOverlooked:
    """Time never jumps while somebody works."""

    @pytest.mark.parametrize(
        "work",
        [lambda: compute(20), hash_bytes, hand_over, lambda: time.sleep(0.02)],
        ids=["computing", "without the lock", "handing over", "really sleeping"],
    )
    @pytest.mark.parametrize("workers", [1, 3])
    def test_work_between_sleeps(self, work, workers):
        """Threads that work between sleeps stay in step: no sleep is added to another."""
        clock = VirtualClock()

        def job() -> None:
            for _ in range(3):
                work()
                clock.sleep(100)

        with taking(clock, 300), ThreadPoolExecutor(workers + 1) as pool:
            wait([pool.submit(job) for _ in range(workers)] + [pool.submit(clock.sleep, 299.9)])

    def test_work_of_an_executor_under_a_loop(self):
        """A timer of the loop does not fire early because a thread is still busy."""
        clock = VirtualClock()

        async def main() -> list[str]:
            done: list[str] = []

            async def busy() -> None:
                await asyncio.to_thread(compute, 50)
                done.append("busy")

            async def patient() -> None:
                await asyncio.sleep(10)
                done.append("patient")

            await asyncio.gather(patient(), busy())
            return done

        assert clock.run(main()) == ["busy", "patient"]

    def test_real_io_of_the_loop(self):
        """While a socket is registered time does not jump: data about to come wins against a timer."""
        clock = VirtualClock()

        async def main() -> bytes:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            with ours, theirs:
                sender = threading.Timer(0.05, lambda: theirs.send(b"x"))
                sender.start()
                data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 1), 5)
                sender.join()
            return data

        with taking(clock, 0):
            assert clock.run(main()) == b"x"

    def test_a_timer_runs_out_really_while_io_is_pending(self):
        """With a silent socket registered a timer takes its real time."""
        clock = VirtualClock()

        async def main() -> None:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            with ours, theirs, pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 1), 0.05)

        start = time.monotonic()
        clock.run(main())
        assert time.monotonic() - start >= 0.05


class TestSleep:
    def test_on_the_loop_thread_blocks_everybody(self):
        """A sync sleep inside a coroutine delays the loop's other timers by as long."""
        clock = VirtualClock()
        order: list[tuple[str, float]] = []

        async def main() -> None:
            start = clock.time()

            async def block() -> None:
                clock.sleep(5)

            async def mark(name: str, seconds: float) -> None:
                await asyncio.sleep(seconds)
                order.append((name, round(clock.time() - start)))

            await asyncio.gather(mark("early", 1), block(), mark("late", 2))

        with taking(clock, 7):
            clock.run(main())
        assert order == [("early", 5), ("late", 7)]

    def test_on_the_loop_thread_is_seen_as_blocking(self):
        """Whoever watches for blocking calls on the loop finds the sleep, but not the clock's own waiting."""
        clock = VirtualClock()

        async def good() -> None:
            await asyncio.gather(asyncio.sleep(1), asyncio.to_thread(clock.sleep, 2))

        async def bad() -> None:
            clock.sleep(1)

        with blockbuster_ctx():
            clock.run(good())
            with pytest.raises(BlockingError, match=r"time\.sleep"):
                clock.run(bad())

    def test_of_nothing_takes_no_time(self):
        """A sleep of zero seconds only lets others run."""
        clock = VirtualClock()
        with taking(clock, 0):
            clock.sleep(0)
            clock.run(clock.sleep_async(0))
            asyncio.run(clock.sleep_async(0))

    def test_of_a_negative_time_is_refused(self):
        """A negative duration raises, as time.sleep does."""
        with pytest.raises(ValueError, match="non-negative"):
            VirtualClock().sleep(-1)

    def test_cancelled_on_a_foreign_loop_ends_at_once(self):
        """A cancelled sleep leaves no thread behind that would still wait."""
        clock = VirtualClock()
        threads = threading.active_count()

        async def main() -> None:
            sleeping = asyncio.ensure_future(clock.sleep_async(1e6))
            await asyncio.to_thread(compute, 5)
            sleeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sleeping

        holder = threading.Event()
        busy = threading.Thread(target=lambda: [compute(1) for _ in iter(holder.is_set, True)])
        busy.start()  # keeps time from jumping to the end of the sleep
        try:
            asyncio.run(main())
        finally:
            holder.set()
            busy.join()
        for thread in threading.enumerate():
            if thread.name.startswith("optiflow-virtual-sleep"):
                thread.join()
        assert threading.active_count() == threads

    def test_two_loops_share_one_time(self):
        """Two loops of one clock on two threads sleep beside each other."""
        clock = VirtualClock()

        async def chain(count: int) -> None:
            for _ in range(count):
                await asyncio.sleep(2)

        with taking(clock, 20), ThreadPoolExecutor(2) as pool:
            wait([pool.submit(lambda n=n: clock.run(chain(n))) for n in (10, 7)])

    def test_with_the_cpu_watch(self, monkeypatch):
        """Where the kernel does not tell, the CPU clock does."""
        monkeypatch.setattr("optiflow.clock.virtual.watch_threads", CpuWatch)
        clock = VirtualClock()
        with taking(clock, 10), ThreadPoolExecutor(2) as pool:
            wait([pool.submit(clock.sleep, seconds) for seconds in (10, 4)])


def sleep_forever(clock: VirtualClock) -> None:
    """Until interrupted."""
    while True:
        clock.sleep(1)


class TestRun:
    def test_timeouts_are_virtual(self):
        """asyncio.timeout and wait_for run out on the clock."""
        clock = VirtualClock()

        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 60)
            async with asyncio.timeout(60):
                await asyncio.sleep(50)

        with taking(clock, 110):
            clock.run(main())

    def test_a_timer_beyond_a_day(self):
        """A loop looks at its timers once a day; longer sleeps take several jumps."""
        clock = VirtualClock()
        with taking(clock, 200_000):
            clock.run(asyncio.sleep(200_000))

    def test_cleans_up_like_asyncio_run(self):
        """Tasks are cancelled, generators and the executor are closed, the loop too."""
        clock = VirtualClock()
        events: list[str] = []
        kept: list[object] = []

        async def forever() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                events.append("cancelled")

        async def numbers():
            try:
                yield 1
            finally:
                events.append("generator closed")

        async def main() -> asyncio.AbstractEventLoop:
            task = asyncio.create_task(forever())
            generator = numbers()
            await anext(generator)
            kept.append(generator)
            await asyncio.to_thread(clock.sleep, 1)
            assert not task.done()
            return asyncio.get_running_loop()

        threads = threading.active_count()
        assert clock.run(main()).is_closed()
        assert events == ["cancelled", "generator closed"]
        assert threading.active_count() == threads

    def test_errors_come_through(self):
        """What the coroutine raises is raised."""

        async def main() -> None:
            await asyncio.sleep(1)
            raise KeyError("x")

        with pytest.raises(KeyError):
            VirtualClock().run(main())

    def test_a_second_loop_on_the_thread_is_refused(self):
        """Running inside a running loop raises, as asyncio.run does."""
        clock = VirtualClock()

        async def main() -> None:
            inner = asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="running event loop"):
                clock.run(inner)
            inner.close()

        clock.run(main())

    def test_ctrl_c_cancels_and_raises(self):
        """An interrupt ends the main task in good order and then raises KeyboardInterrupt."""
        clock = VirtualClock()
        cleaned: list[bool] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(1, os.kill, os.getpid(), signal.SIGINT)
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)

        with pytest.raises(KeyboardInterrupt):
            clock.run(main())
        assert cleaned == [True]

    def test_ctrl_c_ends_a_sync_sleep(self):
        """An interrupt ends a sleep on the main thread and the clock goes on working."""
        clock = VirtualClock()
        done = threading.Event()

        def interrupt() -> None:
            compute(30)
            os.kill(os.getpid(), signal.SIGINT)
            done.wait()

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                sleep_forever(clock)
        finally:
            done.set()
            thread.join()
        with taking(clock, 3):
            clock.sleep(3)
