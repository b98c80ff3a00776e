"""Requests that arrive while others are being written are written together, in one transaction.

Nobody waits for company: a request that finds nothing under way is written at once. Each caller is told when its
own request is committed, or why it failed, just as if it had been written alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Generic, TypeVar

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
        own = _Waiting(request)
        self._waiting.append(own)
        with self._lock:
            if not own.done:
                group = self._waiting[:]
                del self._waiting[: len(group)]
                try:
                    outcomes = self._write([each.request for each in group])
                except BaseException as error:  # noqa: BLE001 - handed to all that wait
                    outcomes = [error] * len(group)
                for each, outcome in zip(group, outcomes, strict=True):
                    each.done, each.failure = True, outcome
        if own.failure is not None:
            raise own.failure


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

    async def submit(self, request: R) -> None:
        """Return when the request is committed.

        Raises:
            Exception: What writing it raised.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if self._task is not None and self._task.get_loop() is not loop:
            async with self._lock:
                (outcome,) = await self._write([request])
            if outcome is not None:
                raise outcome
            return
        self._waiting.append((request, future))
        if self._task is None:
            # A task of its own: a caller that is cancelled must not take the others with it.
            self._task = loop.create_task(self._drain())
        await future

    async def _drain(self) -> None:
        group: list[tuple[R, asyncio.Future[None]]] = []
        try:
            async with self._lock:
                while self._waiting:
                    group, self._waiting = self._waiting, []
                    outcomes = await self._write([request for request, _ in group])
                    for (_, future), outcome in zip(group, outcomes, strict=True):
                        _resolve(future, outcome)
        except Exception as error:  # noqa: BLE001 - handed to all that wait
            for _, future in (*group, *self._waiting):
                _resolve(future, error)
            self._waiting.clear()
        finally:
            self._task = None
            for _, future in (*group, *self._waiting):
                future.cancel()
            self._waiting.clear()


def _resolve(future: asyncio.Future[None], outcome: Outcome) -> None:
    if future.done():
        return
    if outcome is None:
        future.set_result(None)
    else:
        future.set_exception(outcome)
