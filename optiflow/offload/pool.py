"""Enough threads for the sync nodes and tools of a run, and for nobody else.

LangGraph runs sync code under `ainvoke` on the loop's default executor and under `invoke` on one that LangChain
makes for the run; both have only a few threads more than there are processors, though the code mostly waits. In the
context of a run, what is meant for the loop's default executor goes to a wider one beside it. The loop's own is never
touched: graphs that nobody optimized, and everything else on that loop, keep it as it is.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

from optiflow.offload.hooks import Hooks

__all__ = ["POOLS", "enough_threads", "sync_threads"]

sync_threads: ContextVar[int | None] = ContextVar("optiflow_sync_threads", default=None)
"""Threads that sync code in this context has; None: as many as anybody."""

_ATTRIBUTE = "_optiflow_wider_executors"
"""Where a loop keeps them, by their number of threads."""


@contextmanager
def enough_threads(threads: int) -> Iterator[None]:
    """Give sync code in this context at least ``threads`` threads.

    An executor that the application chose itself is used as ever, and so is every ``max_concurrency`` that a run's
    config names.

    Args:
        threads: Most threads of each pool.
    """
    token = sync_threads.set(threads)
    try:
        with POOLS.held():
            yield
    finally:
        sync_threads.reset(token)


@dataclass(slots=True)
class _Wider:
    """The wider executor beside a loop's own, with as long a life."""

    executor: ThreadPoolExecutor
    end: AsyncGenerator[None]
    """Ends when the loop shuts its asynchronous generators down, as `asyncio.run` does at its end."""


async def _until_shutdown(executor: Executor, of_loop: dict[int, _Wider], threads: int) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        of_loop.pop(threads, None)
        # As the loop waits for what its own executor still does.
        await asyncio.get_running_loop().run_in_executor(None, executor.shutdown)


def _executor(loop: asyncio.AbstractEventLoop) -> Executor | None:
    """What takes the place of a loop's default executor in this context; None: nothing does."""
    threads = sync_threads.get()
    if threads is None or threads <= _usual():
        return None
    own = _default_executor(loop)
    if own is not None and not (type(own) is ThreadPoolExecutor and _is_usual(own)):
        return None
    of_loop: dict[int, _Wider] = loop.__dict__[_ATTRIBUTE]
    wider = of_loop.get(threads)
    if wider is None:
        if asyncio._get_running_loop() is not loop:
            return None
        executor = ThreadPoolExecutor(threads, thread_name_prefix="asyncio")
        wider = of_loop[threads] = _Wider(executor, _until_shutdown(executor, of_loop, threads))
        with suppress(StopIteration):
            anext(wider.end).__await__().__next__()
    return wider.executor


def _default_executor(loop: asyncio.AbstractEventLoop) -> Executor | None:
    if hasattr(loop, "_default_executor"):
        found: Executor | None = loop._default_executor
        return found
    # uvloop keeps it where only the garbage collector sees it.
    return next((held for held in gc.get_referents(loop) if isinstance(held, Executor)), None)


@cache
def _usual() -> int:
    """Threads of a pool for which nobody chose a number."""
    usual: int = ThreadPoolExecutor()._max_workers
    return usual


def _is_usual(executor: ThreadPoolExecutor) -> bool:
    """Whether this is the pool that every loop makes for itself, and no choice of the application."""
    return executor._max_workers == _usual() and executor._initializer is None


def _wide(plain: Callable[..., None]) -> Callable[..., None]:
    """Wrap the ``__init__`` of LangChain's pools."""

    def init(pool: Any, max_workers: int | None = None, *args: Any, **kwargs: Any) -> None:
        if max_workers is None and (threads := sync_threads.get()) is not None:
            max_workers = max(threads, _usual())
        plain(pool, max_workers, *args, **kwargs)

    return init


class _Pools:
    """What hands sync code to threads: LangChain's pools, and the running loop."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it for the block."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """A run begins."""
        loop = asyncio._get_running_loop()
        if loop is not None and _ATTRIBUTE not in getattr(loop, "__dict__", (_ATTRIBUTE,)):
            _prepare(loop)
        _langchains.hold()

    def release(self) -> None:
        """A run ends. The loop stays prepared: outside of runs it does what it always did."""
        _langchains.release()


def _prepare(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop look for wider executors; for good, as changing a loop's methods slows it down each time."""
    plain = loop.run_in_executor

    @wraps(plain)
    def run_in_executor(executor: Any, function: Any, *args: Any) -> Any:
        return plain(_executor(loop) if executor is None else executor, function, *args)

    # Both are kept by the loop itself, because they refer to it: all is collected together.
    loop.__dict__[_ATTRIBUTE] = {}
    loop.__dict__["run_in_executor"] = run_in_executor


_langchains = Hooks({("langchain_core.runnables.config", "ContextThreadPoolExecutor.__init__"): _wide})

POOLS = _Pools()
