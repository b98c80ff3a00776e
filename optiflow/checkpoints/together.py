"""Requests that arrive while others are being written are written together, in one transaction.

A request that its caller waits for is written at once if nothing is under way; others may be given time. Each caller
is told when its own request is committed, or why it failed, just as if it had been written alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from typing import Generic, TypeVar

from optiflow.checkpoints.busy import busy

__all__ = ["AsyncTogether", "Outcome", "Together"]

R = TypeVar("R")

Outcome = BaseException | None
"""How a request ended: None where it is committed."""


class _Waiting(Generic[R]):
    """A request of a thread."""

    __slots__ = ("done", "failure", "request")

    def __init__(self, request: R) -> None:
        self.request = request
        self.done = False
        self.failure: Outcome = None


class Together(Generic[R]):
    """For threads: whoever holds the lock writes for all that wait."""

    def __init__(self, write: Callable[[Sequence[R]], Sequence[Outcome]], lock: AbstractContextManager[object]) -> None:
        """Set up.

        Args:
            write: Writes requests in their order and tells of each how it ended.
            lock: Held while writing.
        """
        self._write = write
        self._lock = lock
        self._waiting: list[_Waiting[R]] = []

    def submit(self, request: R) -> None:
        """Return when the request is committed.

        Raises:
            Exception: What writing it raised.
        """
        (failure,) = self.submit_all([request])
        if failure is not None:
            raise failure

    def submit_all(self, requests: Sequence[R]) -> list[Outcome]:
        """Return how each request ended, when all have.

        What breaks this off, such as Ctrl-C, is raised here and nowhere else: those that wait write for themselves.
        """
        own = [_Waiting(request) for request in requests]
        with busy:
            try:
                self._waiting += own
                with self._lock:
                    if not all(each.done for each in own):
                        self._write_group()
            except BaseException:
                for each in own:
                    with suppress(ValueError):  # it is not there any more
                        self._waiting.remove(each)
                raise
        return [each.failure for each in own]

    def _write_group(self) -> None:
        """Write what waits; whatever is not written then goes on waiting."""
        group = self._waiting[:]
        left = [each for each in group if not each.done]
        try:
            outcomes = self._write([each.request for each in left])
        except Exception as error:  # noqa: BLE001 - handed to all that wait
            outcomes = [error] * len(left)
        for each, outcome in zip(left, outcomes, strict=True):
            # In this order: who is told that it is done looks for the failure.
            each.failure, each.done = outcome, True
        del self._waiting[: len(group)]


class AsyncTogether(Generic[R]):
    """For tasks of an event loop."""

    def __init__(
        self, write: Callable[[Sequence[R]], Awaitable[Sequence[Outcome]]], lock: AbstractAsyncContextManager[object]
    ) -> None:
        """Set up.

        Args:
            write: Writes requests in their order and tells of each how it ended.
            lock: Held while writing.
        """
        self._write = write
        self._lock = lock
        self._waiting: list[tuple[R, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._delay = 0.0
        self._hurry = False

    async def submit(self, request: R) -> None:
        """Return when the request is committed.

        Raises:
            Exception: What writing it raised.
        """
        future = self.enqueue(request, 0)
        if future is not None:
            await future
            return
        async with self._lock:
            (outcome,) = await self._write([request])
        if outcome is not None:
            raise outcome

    def enqueue(self, request: R, delay: float) -> asyncio.Future[None] | None:
        """Have a request written, with those that come meanwhile.

        Args:
            request: What to write.
            delay: Seconds after which writing it begins at the latest.

        Returns:
            What ends when the request is committed; None while another event loop is writing.
        """
        loop = asyncio.get_running_loop()
        if (self._task or self._timer) and self._loop is not loop:
            if self._loop is None or not self._loop.is_closed():
                return None
            # Whoever waited there waits no longer.
            self._task = self._timer = None
            self._waiting.clear()
        self._loop = loop
        future = loop.create_future()
        self._waiting.append((request, future))
        if delay:
            self._delay = delay
        else:
            self.flush()
        if delay and self._task is None and self._timer is None:
            self._start_timer()
        return future

    def flush(self) -> None:
        """Delay no longer; to be called in the event loop of those that wait."""
        if self._loop is not asyncio.get_running_loop():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hurry = bool(self._waiting)
        if self._task is None and self._hurry:
            # A task of its own: a caller that is cancelled must not take the others with it.
            self._task = asyncio.get_running_loop().create_task(self._drain())
            self._task.add_done_callback(self._give_up)

    async def settle(self) -> None:
        """Return when what waits is written; what is being written then holds the lock."""
        if self._waiting and self._loop is asyncio.get_running_loop():
            self.flush()
            await asyncio.wait([future for _, future in self._waiting])

    def _give_up(self, task: asyncio.Task[None]) -> None:
        # A task that is cancelled before its first step runs nothing, not even its ``finally``.
        if self._task is task:
            self._task = None
            if self._waiting:
                self._start_timer()

    async def _drain(self) -> None:
        group: list[tuple[R, asyncio.Future[None]]] = []
        try:
            async with self._lock:
                while self._hurry:
                    self._hurry = False
                    group, self._waiting = self._waiting, []
                    outcomes = await self._write([request for request, _ in group])
                    for (_, future), outcome in zip(group, outcomes, strict=True):
                        _resolve(future, outcome)
        except Exception as error:  # noqa: BLE001 - handed to all that wait
            for _, future in (*group, *self._waiting):
                _resolve(future, error)
            self._waiting.clear()
            self._hurry = False
        finally:
            # What broke this off, such as Ctrl-C, is nobody's failure who waits: they are written by the next.
            self._task = None
            self._waiting = [*(each for each in group if not each[1].done()), *self._waiting]
            if self._waiting:
                self._start_timer()

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._delay, self.flush)


def _resolve(future: asyncio.Future[None], outcome: Outcome) -> None:
    if future.done():
        return
    if outcome is None:
        future.set_result(None)
    else:
        future.set_exception(outcome)
