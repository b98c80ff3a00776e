"""Thread pools that are large enough."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
import uvloop
from langchain_core.runnables.config import ContextThreadPoolExecutor, get_executor_for_config

from optiflow.offload.pool import _default_executor, _usual, enough_threads

Loops = pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])


def at_once(many: int) -> Callable[[], int]:
    """Something that ends only when it runs ``many`` times at once."""
    return threading.Barrier(many, timeout=20).wait


def run(main: Any, loop_factory: Any = None) -> Any:
    """Run a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)


@Loops
@pytest.mark.parametrize("used", [False, True])
def test_a_run_gets_enough_threads_and_the_loop_keeps_its_own(loop_factory: Any, used: bool) -> None:
    """Forty jobs that wait for each other end; what the loop has for everybody else is what it had."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if used:
            await asyncio.to_thread(int)
        before = _default_executor(loop)
        work = at_once(40)
        with enough_threads(64), enough_threads(50):
            await asyncio.gather(*(asyncio.to_thread(work) for _ in range(40)))
        assert _default_executor(loop) is before
        assert before is None or (type(before), before._max_workers) == (ThreadPoolExecutor, _usual())  # type: ignore[attr-defined]

    run(main(), loop_factory)


@Loops
def test_others_on_the_loop_have_no_more_than_they_had(loop_factory: Any) -> None:
    """A task of nobody's, while a run goes on: its work waits in the loop's own executor."""

    async def main() -> None:
        go, names, many = threading.Event(), set[str](), _usual() + 3

        def work() -> None:
            names.add(threading.current_thread().name)
            go.wait(20)

        def plain() -> asyncio.Future[Any]:
            return asyncio.get_running_loop().run_in_executor(None, work)

        outside = copy_context()
        with enough_threads(64):
            theirs = [outside.run(plain) for _ in range(many)]
            await asyncio.to_thread(int)  # ours is not behind theirs
            assert len(names) <= _usual()
            go.set()
            await asyncio.gather(*theirs)

    run(main(), loop_factory)


@Loops
def test_the_loop_waits_for_threads_of_runs_as_for_its_own(loop_factory: Any) -> None:
    """What a cancelled run left behind has ended when the loop has, and so have the threads."""
    begun, done, go = threading.Event(), [], threading.Event()

    def work() -> None:
        begun.set()
        go.wait(20)
        done.append(True)

    async def main() -> None:
        with enough_threads(64):
            task = asyncio.create_task(asyncio.to_thread(work))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait, 20)
            task.cancel()
        threading.Timer(0.05, go.set).start()

    before = threading.active_count()
    run(main(), loop_factory)
    assert done == [True]
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()
    assert threading.active_count() == before


def test_a_loop_that_is_not_shut_down_takes_its_threads_along() -> None:
    """Whoever only closes a loop keeps neither it nor the threads."""

    async def main() -> None:
        with enough_threads(64):
            await asyncio.to_thread(int)

    before = set(threading.enumerate())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    (wider,) = loop.__dict__["_optiflow_wider_executors"].values()
    threads = [thread for thread in threading.enumerate() if thread not in before]
    loop.close()
    seen = weakref.ref(loop)
    del loop, wider
    gc.collect()
    assert seen() is None
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_loop_that_goes_on_after_shutting_down_gets_new_threads() -> None:
    """As it makes itself a new executor."""

    async def main() -> None:
        with enough_threads(64):
            await asyncio.to_thread(int)

    loop = asyncio.new_event_loop()
    for _ in range(2):
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        assert loop.__dict__["_optiflow_wider_executors"] == {}
        loop._asyncgens_shutdown_called = False  # type: ignore[attr-defined]
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class Special(ThreadPoolExecutor):
    """An application's own kind of pool."""


@Loops
@pytest.mark.parametrize("own", [lambda: Special(), lambda: ThreadPoolExecutor(2)])
def test_an_applications_own_executor_stays(loop_factory: Any, own: Callable[[], ThreadPoolExecutor]) -> None:
    """Neither another class nor a size that somebody chose is touched."""

    async def main() -> None:
        loop, pool = asyncio.get_running_loop(), own()
        before = pool._max_workers
        loop.set_default_executor(pool)
        with enough_threads(64):
            assert _default_executor(loop) is pool
            assert pool._max_workers == before

    run(main(), loop_factory)


def test_pools_of_langchain_are_large_enough() -> None:
    """Where the run's config names no number, there are enough threads; where it does, that number holds."""
    plain = ContextThreadPoolExecutor.__init__
    with enough_threads(64):
        with get_executor_for_config({}) as pool:
            assert pool._max_workers == 64  # type: ignore[attr-defined]
        with get_executor_for_config({"max_concurrency": 3}) as pool:
            assert pool._max_workers == 3  # type: ignore[attr-defined]
    assert ContextThreadPoolExecutor.__init__ is plain


def test_other_contexts_keep_their_pools() -> None:
    """A pool made outside of the run has its usual size."""
    usual = ThreadPoolExecutor()._max_workers
    seen = []

    def elsewhere() -> None:
        with get_executor_for_config({}) as pool:
            seen.append(pool._max_workers)  # type: ignore[attr-defined]

    with enough_threads(64):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert seen == [usual]


def test_no_pool_gets_smaller() -> None:
    """Fewer threads than usual are never asked for."""
    with enough_threads(1), get_executor_for_config({}) as pool:
        assert pool._max_workers == ThreadPoolExecutor()._max_workers  # type: ignore[attr-defined]


def test_no_thread_is_left() -> None:
    """Two hundred runs on loops of their own leave no thread behind."""

    async def main() -> None:
        with enough_threads(64):
            await asyncio.gather(*(asyncio.to_thread(int) for _ in range(5)))

    before = threading.active_count()
    for _ in range(200):
        run(main())
    assert threading.active_count() == before
