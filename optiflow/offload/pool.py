"""Thread pools that are large enough for the sync nodes and tools of a run.

LangGraph runs sync code under `ainvoke` on the loop's default executor and under `invoke` on one that LangChain
makes for the run; both have only a few threads more than there are processors, though the code mostly waits.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from optiflow.offload.hooks import Hooks

__all__ = ["enough_threads"]

_threads: ContextVar[int | None] = ContextVar("optiflow_sync_threads", default=None)
"""Threads of the pools that LangChain makes in this context."""


@contextmanager
def enough_threads(threads: int) -> Iterator[None]:
    """Give sync code in this context at least ``threads`` threads.

    The running loop's default executor keeps its size afterwards and ends with the loop, as ever. An executor that
    the application chose itself stays as it is, and so does every ``max_concurrency`` that a run's config names.

    Args:
        threads: Most threads of each pool.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        _widen(loop, threads)
    token = _threads.set(threads)
    try:
        with _pool_hooks.held():
            yield
    finally:
        _threads.reset(token)


def _widen(loop: asyncio.AbstractEventLoop, threads: int) -> None:
    executor = _default_executor(loop)
    if executor is None:
        loop.set_default_executor(ThreadPoolExecutor(max_workers=max(threads, _usual()), thread_name_prefix="asyncio"))
    elif isinstance(executor, ThreadPoolExecutor) and _is_usual(executor):
        # It starts another thread whenever none is idle, up to this number.
        executor._max_workers = max(threads, executor._max_workers)


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
    return type(executor) is ThreadPoolExecutor and executor._max_workers == _usual() and executor._initializer is None


def _wide(plain: Callable[..., None]) -> Callable[..., None]:
    def init(pool: Any, max_workers: int | None = None, *args: Any, **kwargs: Any) -> None:
        if max_workers is None and (threads := _threads.get()) is not None:
            max_workers = max(threads, _usual())
        plain(pool, max_workers, *args, **kwargs)

    return init


_pool_hooks = Hooks({("langchain_core.runnables.config", "ContextThreadPoolExecutor.__init__"): _wide})
