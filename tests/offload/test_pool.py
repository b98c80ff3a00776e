"""Thread pools that are large enough."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop
from langchain_core.runnables.config import ContextThreadPoolExecutor, get_executor_for_config

from optiflow.offload.pool import _default_executor, enough_threads

Loops = pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])


def at_once(many: int) -> Callable[[], int]:
    """Something that ends only when it runs ``many`` times at once."""
    return threading.Barrier(many, timeout=20).wait


def run(main: Any, loop_factory: Any = None) -> Any:
    """Run a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)


@Loops
def test_a_loop_without_an_executor_gets_one(loop_factory: Any) -> None:
    """Forty jobs that wait for each other end."""

    async def main() -> None:
        work = at_once(40)
        with enough_threads(64):
            await asyncio.gather(*(asyncio.to_thread(work) for _ in range(40)))

    run(main(), loop_factory)


@Loops
def test_a_loops_own_executor_grows(loop_factory: Any) -> None:
    """The pool that the loop made for itself before is kept, with more threads; twice is as once."""

    async def main() -> None:
        await asyncio.to_thread(int)
        before = _default_executor(asyncio.get_running_loop())
        work = at_once(40)
        with enough_threads(64), enough_threads(50):
            await asyncio.gather(*(asyncio.to_thread(work) for _ in range(40)))
        assert _default_executor(asyncio.get_running_loop()) is before

    run(main(), loop_factory)


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
