"""What a run saves, in the order in which it saves it, written together.

LangGraph gives every save a thread, in which it waits for the one before, and, while nodes compute, for its turn in
the interpreter at each statement. Here saves that nobody waits for are written together when the interpreter would
have given the first of them its turn, when they are too many, or when the run ends. The savers say how;
`optiflow.dispatch.executors` adds what a run gives to them.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from sys import getswitchinterval
from typing import Any
from weakref import WeakSet

from optiflow.checkpoints.busy import busy, is_busy
from optiflow.checkpoints.statements import Chain, Request
from optiflow.checkpoints.together import AsyncTogether, Outcome

__all__ = ["AsyncBatchSaver", "Backlog", "BatchSaver"]

LONGEST = 8
"""Checkpoints that may wait: whoever adds the last of them waits for them all, so that memory and loss are bounded."""


class _Encoding(ABC):
    """What both kinds of savers can do for a run."""

    __slots__ = ()

    @abstractmethod
    def _encode_put(
        self, config: Any, checkpoint: Any, metadata: Any, versions: Any, chain: Any
    ) -> tuple[Any, Request]:
        """Encode a checkpoint; return what ``put`` returns and what it would write."""

    @abstractmethod
    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        """Encode what ``put_writes`` would write."""

    def next_put(self, chain: Chain, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Request:
        """What ``put`` would write, as the next checkpoint of a run.

        What cannot be encoded fails in its turn: the checkpoints before it are written, those after it are not.
        """
        try:
            return self._encode_put(config, checkpoint, metadata, versions, chain)[1]
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from LangGraph's thread
            return Request([], False, None, chain, error)

    def next_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        """What ``put_writes`` would write; what cannot be encoded fails in its turn."""
        try:
            return self._encode_writes(config, writes, task_id, task_path)
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from LangGraph's thread
            return Request([], False, None, None, error)


class BatchSaver(_Encoding):
    """A saver for threads that can write several saves at once; to be mixed into one of LangGraph's."""

    __slots__ = ()

    backlogs: set[Backlog]
    """What each run under way has to have written; whoever reads has it written first."""

    @abstractmethod
    def write_all(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Write requests in their order; return how each ended."""

    def settle(self) -> None:
        """Return when all that runs saved before is written."""
        for backlog in tuple(self.backlogs):
            backlog.settle()

    def settled(self) -> None:
        """All that runs saved is written, and none is under way."""

    def get_tuple(self, config: Any) -> Any:
        """Read."""
        self.settle()
        with busy:
            return super().get_tuple(config)  # type: ignore[misc]

    def list(self, config: Any, **given: Any) -> Any:
        """Read all."""
        self.settle()
        return super().list(config, **given)  # type: ignore[misc]

    def delete_thread(self, thread_id: str) -> None:
        """Delete."""
        self.settle()
        with busy:
            super().delete_thread(thread_id)  # type: ignore[misc]


class AsyncBatchSaver(_Encoding):
    """A saver for tasks that can write several saves at once; to be mixed into one of LangGraph's."""

    __slots__ = ()

    together: AsyncTogether[Request]
    """What is to be written; whoever reads has it written first."""

    runs: set[object]
    """The runs that are under way."""

    encodes_in_threads = False
    """Whether LangGraph's encodes in threads, so that a large state does not hold up the event loop."""

    async def settled(self) -> None:
        """All that runs saved is written, and none is under way."""

    def can_enqueue(self) -> bool:
        """Whether requests can be written."""
        return True

    async def aget_tuple(self, config: Any) -> Any:
        """Read."""
        await self.together.settle()
        return await super().aget_tuple(config)  # type: ignore[misc]

    async def alist(self, config: Any, **given: Any) -> AsyncIterator[Any]:
        """Read all."""
        await self.together.settle()
        async for each in super().alist(config, **given):  # type: ignore[misc]
            yield each

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete."""
        await self.together.settle()
        await super().adelete_thread(thread_id)  # type: ignore[misc]


_Save = tuple[Request, "Future[None]"]


class _Job:
    """A visit of the thread."""

    __slots__ = ("bell", "taking")

    def __init__(self) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        """Rings when somebody waits; a finalizer may ring it, too."""
        self.taking = False
        """Whether it looks for saves no more: those that are added later need another one."""


class Backlog:
    """What a run in threads has saved and nobody has written yet.

    A thread of a pool writes it, as LangGraph's do: an interpreter that exits lets it finish, and no signal reaches it.
    Adding, hurrying and leaving take no lock of this object, for the collector may close a stream at any moment, in any
    thread. That thread may hold the locks of another run's futures, which is why each run has a thread of its own.
    """

    def __init__(self, saver: BatchSaver) -> None:
        """Set up, for a run that begins.

        Args:
            saver: What writes.
        """
        self._saver = saver
        self._saves: list[_Save] = []
        self._taken: list[_Save] = []
        self._checkpoints = 0
        self._writing = threading.Lock()
        self._job: _Job | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._left = False
        _backlogs.add(self)
        saver.backlogs.add(self)

    def leave(self, *, wait: bool) -> None:
        """The run ends; the thread does what is left, and ends.

        Args:
            wait: Whether to return no sooner than that; never to be asked for in a finalizer.
        """
        self._left = True
        self.hurry()
        pool, self._pool = self._pool, None
        if pool is not None and wait:
            pool.shutdown()
        if not (self._saves or self._taken):
            self._saver.backlogs.discard(self)
        if wait and not self._saver.backlogs:
            self._saver.settled()

    def add(self, request: Request, *, is_checkpoint: bool, now: bool = False) -> Future[None]:
        """Have something written.

        Args:
            request: What to write; encoded already, for what a state holds may change while this waits.
            is_checkpoint: Whether it is one of the checkpoints that may be too many.
            now: Whether the caller will wait for it.

        Returns:
            What ends when it is written.
        """
        future: Future[None] = Future()
        self._saves.append((request, future))
        self._checkpoints += is_checkpoint
        too_many = self._checkpoints >= LONGEST
        self._schedule()
        if now or too_many:
            self.hurry()
        if too_many:
            self._wait([future])
        return future

    def hurry(self) -> None:
        """Have what waits written at once."""
        if self._saves:
            self._schedule()
            if self._job is not None:
                self._job.bell.put(None)

    def settle(self) -> None:
        """Return when all that was added before is written."""
        # First those that wait, then those that are being written: a writer moves them the other way round.
        if unwritten := [future for _, future in (*self._saves, *self._taken)]:
            self.hurry()
            self._wait(unwritten)

    def _wait(self, futures: Sequence[Future[None]]) -> None:
        """Wait, unless this thread is in the midst of writing: it would wait for itself.

        Who begins to wait holds the futures' locks for a moment, in which the collector may close this run.
        """
        if not is_busy():
            with busy:
                wait(futures)

    def forget(self) -> None:
        """Leave to the process that this one was forked from what that one will write."""
        forsaken = [*self._saves, *self._taken]
        self._writing = threading.Lock()
        self._saves, self._taken, self._checkpoints, self._job, self._pool = [], [], 0, None, None
        for _, future in forsaken:
            # Its lock may have been held by a thread that is not here.
            Future.__init__(future)
            future.cancel()

    def _schedule(self) -> None:
        """Make sure that a job will write what is there."""
        job = self._job
        if job is not None and not job.taking:
            return
        job = _Job()
        nested = is_busy()
        with busy:
            while True:
                pool = self._pool
                if pool is None:
                    pool = self._pool = ThreadPoolExecutor(1, "checkpoints")
                try:
                    pool.submit(self._work, job)
                    break
                except RuntimeError:
                    if self._pool is pool:
                        # The interpreter exits, or there can be no thread.
                        self._pool = None
                        job.taking = True
                        if not nested:
                            self._write()
                        break
        # Not sooner: where a signal breaks this off, the next one schedules another.
        self._job = job

    def _work(self, job: _Job) -> None:
        """Write what waits, once it has had company for a while."""
        if self._saves:
            with suppress(Empty):
                job.bell.get(timeout=getswitchinterval())
        job.taking = True
        with busy:
            self._write()

    def _write(self) -> None:
        with self._writing:
            while saves := self._saves[:]:
                self._taken = saves
                del self._saves[: len(saves)]
                self._checkpoints = 0
                outcomes = _written(self._saver.write_all, [request for request, _ in saves])
                for (request, future), outcome in zip(saves, outcomes, strict=True):
                    if request.ended(outcome) is None:
                        future.set_result(None)
                    else:
                        future.set_exception(outcome)
                self._taken = []
        if self._left:
            self._saver.backlogs.discard(self)


def _written(write: Callable[[Sequence[Request]], Sequence[Outcome]], requests: Sequence[Request]) -> Sequence[Outcome]:
    """How requests ended; what is no mere `Exception` is not shared, but left to the one that meets it alone."""
    try:
        return write(requests)
    except Exception as error:  # noqa: BLE001 - handed to all that wait
        return [error] * len(requests)
    except BaseException as error:  # noqa: BLE001 - handed to the one that waits
        if len(requests) == 1:
            return [error]
        return [outcome for request in requests for outcome in _written(write, [request])]


_backlogs: WeakSet[Backlog] = WeakSet()


def _forget_all() -> None:
    for backlog in list(_backlogs):
        backlog.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
