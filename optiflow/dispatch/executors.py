"""LangGraph's executors of a run: no thread pool before it is needed, no thread or task for saving to memory.

A checkpoint that is kept in the process's own memory is saved where LangGraph would start a thread or a task to save
it: what is stored is the same, and nothing waits for anything. Every other saver works as ever, and so does this one
where the state is large.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import copy_context
from time import perf_counter
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_executor_for_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel._executor import AsyncBackgroundExecutor, BackgroundExecutor
from langgraph.pregel._loop import PregelLoop

__all__ = ["AsyncExecutor", "Executor"]

WORTH_A_THREAD_S = 0.0002
"""A save that takes this long, in seconds, is better done while the next node runs: from then on a run's saves have
threads, as LangGraph gives them. The way there and back takes about half as long."""


class Executor(BackgroundExecutor):
    """The executor of a sync run."""

    def __init__(self, config: RunnableConfig) -> None:
        self.stack = ExitStack()
        self.tasks = {}
        self._config = config
        self._pool: concurrent.futures.Executor | None = None
        self._lock = threading.Lock()
        self._slow = False

    @property
    def executor(self) -> concurrent.futures.Executor:  # type: ignore[override]
        """The run's thread pool, made when it is first needed."""
        with self._lock:
            if self._pool is None:
                self._pool = self.stack.enter_context(get_executor_for_config(self._config))
            return self._pool

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run a function in a thread, or at once where it saves to memory."""
        if self._slow or not _saves_to_memory(fn):
            return super().submit(fn, *args, **kwargs)
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        started = perf_counter()
        try:
            future.set_result(copy_context().run(fn, *args))
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from a thread
            future.set_exception(error)
            self.tasks[future] = (False, True)
        self._slow = perf_counter() - started > WORTH_A_THREAD_S
        return future


class AsyncExecutor(AsyncBackgroundExecutor):
    """The executor of an async run."""

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Run a coroutine function in a task, or at once where it saves to memory."""
        if not _saves_to_memory(fn):
            return super().submit(fn, *args, **kwargs)
        future = self.loop.create_future()
        saving = fn(*args)
        try:
            copy_context().run(saving.send, None)
        except StopIteration as end:
            future.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from a task
            future.set_exception(error)
            self.tasks[future] = (False, True)
            future.exception()  # asked for here, as of a task: asyncio would report it as one that nobody saw
        else:
            # It waits for something after all, before it saved anything.
            saving.close()
            return super().submit(fn, *args, **kwargs)
        return future


def _saves_to_memory(fn: Callable[..., Any]) -> bool:
    owner = getattr(fn, "__self__", None)
    if type(owner) is InMemorySaver:
        return fn.__name__ in ("put_writes", "aput_writes")
    return (
        isinstance(owner, PregelLoop)
        and type(owner.checkpointer) is InMemorySaver
        and fn.__name__ == "_checkpointer_put_after_previous"
    )
