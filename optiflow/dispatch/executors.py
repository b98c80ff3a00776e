"""LangGraph's executors of a run: no thread pool before it is needed, no thread or task for each save.

A checkpoint that is kept in the process's own memory is saved where LangGraph would start a thread or a task to save
it: what is stored is the same, and nothing waits for anything, but for a large state. A saver that writes several
saves at once gets those that nobody waits for together. Every other works as ever.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from sys import getswitchinterval
from time import perf_counter
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_executor_for_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel._executor import AsyncBackgroundExecutor, BackgroundExecutor
from langgraph.pregel._loop import PregelLoop

from optiflow.checkpoints.backlog import AsyncBatchSaver, Backlog, BatchSaver
from optiflow.checkpoints.busy import is_busy
from optiflow.checkpoints.extent import is_small
from optiflow.checkpoints.statements import Chain, Request, written_values

__all__ = ["AsyncExecutor", "Executor"]

SaverT = TypeVar("SaverT")

MAY_WAIT = 32
"""Saves of an async run that may be encoded before they are written; then a save waits for those before it, and is
encoded when its turn comes, as in LangGraph."""

WORTH_A_THREAD_S = 0.0002
"""A save that takes this long, in seconds, is better done while the next node runs: from then on a run's saves have
threads, as LangGraph gives them. The way there and back takes about half as long."""


ENCODED_IN_A_THREAD_S = 0.002
"""A state that takes this long to encode, in seconds, is better encoded while the next node runs: from then on a run's
saves have threads, as LangGraph gives them. Any other is encoded at once, so that a node that changes it in place
changes no checkpoint."""


class Executor(BackgroundExecutor):
    """The executor of a sync run."""

    def __init__(self, config: RunnableConfig) -> None:
        self.stack = ExitStack()
        self.tasks = {}
        self._config = config
        self._pool: concurrent.futures.Executor | None = None
        self._lock = threading.Lock()
        self._slow = False
        self._backlog: Backlog | None = None
        self._chain = Chain()
        self._last: concurrent.futures.Future[Any] | None = None

    @property
    def executor(self) -> concurrent.futures.Executor:  # type: ignore[override]
        """The run's thread pool, made when it is first needed."""
        with self._lock:
            if self._pool is None:
                self._pool = self.stack.enter_context(get_executor_for_config(self._config))
            return self._pool

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run a function in a thread, or at once where it saves to memory."""
        saver = _saver(fn, BatchSaver)  # type: ignore[type-abstract]
        if saver is not None and (queued := self._queued(saver, fn, args)) is not None:
            return queued
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

    def __exit__(self, *exception: Any) -> bool | None:
        """Wait for everything, and first of all have written what was saved."""
        if is_busy():
            self._leave_behind()
            return None
        backlog = self._backlog
        if backlog is None:
            return super().__exit__(*exception)
        backlog.hurry()
        # Only a stream that is closed ends with this, and the collector may be who closes it.
        wait = exception[0] is not GeneratorExit
        try:
            result = super().__exit__(*exception)
        except BaseException as error:
            wait = wait and isinstance(error, Exception)
            raise
        else:
            # Tasks that ended just now have saved how.
            backlog.settle()
            return result
        finally:
            backlog.leave(wait=wait)

    def _leave_behind(self) -> None:
        """End, as far as that takes no waiting: the collector closes the run while its thread writes for another."""
        for task, (cancelled, _) in self.tasks.copy().items():
            if cancelled:
                task.cancel()
        if self._backlog is not None:
            self._backlog.leave(wait=False)
        if self._pool is not None:
            # A pool that is closed waits for its tasks, and they may wait for what this thread holds.
            threading.Thread(target=self.stack.close, name="abandoned run", daemon=True).start()

    def _queued(
        self, saver: BatchSaver, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> concurrent.futures.Future[None] | None:
        """What ends when a save is written; None where it is LangGraph's affair."""
        if self._backlog is None:
            self._backlog = Backlog(saver)
        is_checkpoint = fn.__name__ != "put_writes"
        if self._slow or (is_checkpoint and (args[1] or not _follows(args[0], self._last))):
            self._backlog.settle()
            return None
        started = perf_counter()
        request = _encoded(saver, self._chain, args, is_checkpoint=is_checkpoint)
        self._slow = perf_counter() - started > ENCODED_IN_A_THREAD_S
        now = is_checkpoint and fn.__self__.durability == "sync"  # type: ignore[attr-defined]
        future = self._backlog.add(request, is_checkpoint=is_checkpoint, now=now)
        if is_checkpoint:
            self._last = future
        self.tasks[future] = (False, True)
        future.add_done_callback(self.done)
        return future


class AsyncExecutor(AsyncBackgroundExecutor):
    """The executor of an async run."""

    def __init__(self, config: RunnableConfig) -> None:
        super().__init__(config)
        self._chain = Chain()
        self._last: asyncio.Future[Any] | None = None
        self._waiting = 0
        self._slow = False
        self._saver: AsyncBatchSaver | None = None
        self._run = object()

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Run a coroutine function in a task, or at once where it saves to memory."""
        saver = _saver(fn, AsyncBatchSaver)  # type: ignore[type-abstract]
        if saver is not None and (queued := self._queued(saver, fn, args)) is not None:
            return queued
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

    async def __aexit__(self, *exception: Any) -> None:
        """Wait for everything, and first of all write what was saved."""
        if self._saver is None:
            await super().__aexit__(*exception)
            return
        self._saver.together.flush()
        try:
            await super().__aexit__(*exception)
        finally:
            self._saver.runs.discard(self._run)
            # Tasks that were cancelled just now have saved that they were.
            await self._saver.together.settle()
            if not self._saver.runs:
                await self._saver.settled()

    def _queued(
        self, saver: AsyncBatchSaver, fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> asyncio.Future[None] | None:
        """What ends when a save is written; None where it has to wait for what is not written in the same way."""
        is_checkpoint = fn.__name__ != "aput_writes"
        self._saver = saver
        saver.runs.add(self._run)
        if (
            not saver.can_enqueue()
            or self._waiting >= MAY_WAIT
            or (saver.encodes_in_threads and (self._slow or not is_small(_values(args, is_checkpoint=is_checkpoint))))
            or (is_checkpoint and (args[1] or not _follows(args[0], self._last)))
        ):
            saver.together.flush()
            return None
        started = perf_counter()
        request = _encoded(saver, self._chain, args, is_checkpoint=is_checkpoint)
        self._slow = perf_counter() - started > ENCODED_IN_A_THREAD_S
        future = saver.together.enqueue(request, 0 if request.full else getswitchinterval())
        if future is None:
            return None
        self._waiting += 1
        future.add_done_callback(partial(self._written, request))
        if is_checkpoint:
            self._last = future
        self.tasks[future] = (False, True)
        future.add_done_callback(self.done)
        return future

    def _written(self, request: Request, future: asyncio.Future[None]) -> None:
        self._waiting -= 1
        request.ended(asyncio.CancelledError() if future.cancelled() else future.exception())


def _saver(fn: Callable[..., Any], kind: type[SaverT]) -> SaverT | None:
    """The saver of a kind that a function saves with, if it saves."""
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, PregelLoop):
        saver = owner.checkpointer if fn.__name__ == "_checkpointer_put_after_previous" else None
        return saver if isinstance(saver, kind) else None
    return owner if isinstance(owner, kind) and fn.__name__ in ("put_writes", "aput_writes") else None


def _encoded(
    saver: BatchSaver | AsyncBatchSaver, chain: Chain, args: tuple[Any, ...], *, is_checkpoint: bool
) -> Request:
    """What a save will write, as its state is now."""
    if is_checkpoint:
        _previous, _writes, *given = args
        return copy_context().run(saver.next_put, chain, *given)
    return copy_context().run(saver.next_writes, *args)


def _values(args: tuple[Any, ...], *, is_checkpoint: bool) -> Sequence[Any]:
    """What a save to PostgreSQL has to encode."""
    if not is_checkpoint:
        return args[1]  # type: ignore[no-any-return]
    _previous, _writes, _config, checkpoint, _metadata, versions = args
    return written_values(checkpoint, versions)


def _follows(previous: Any, last: Any) -> bool:
    """Whether a checkpoint has nothing to wait for but what was queued before it."""
    if previous is None or previous is last:
        return True
    return bool(previous.done()) and not previous.cancelled() and previous.exception() is None


def _saves_to_memory(fn: Callable[..., Any]) -> bool:
    owner = getattr(fn, "__self__", None)
    if type(owner) is InMemorySaver:
        return fn.__name__ in ("put_writes", "aput_writes")
    return (
        isinstance(owner, PregelLoop)
        and type(owner.checkpointer) is InMemorySaver
        and fn.__name__ == "_checkpointer_put_after_previous"
    )
