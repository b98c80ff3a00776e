"""Work in progress by key: whoever wants the same waits for it instead of doing it again.

Safe for threads and event loops, in any mixture. Nobody who is at work waits for others, so waiting can't go in a
circle. A synchronous run may occupy a thread that asynchronous work needs, so it waits for that only for a while.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTimeError
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Literal, TypeVar

__all__ = ["Flight", "Flights", "arrival"]

T = TypeVar("T")

_at_work: ContextVar[bool] = ContextVar("optiflow_at_work", default=False)

_PATIENCE_S = 10.0
"""How long a synchronous run waits for asynchronous work, s."""


class Flight:
    """One piece of work in progress.

    ``await`` or `wait` for it gives its outcome as bytes; ``"alone"``: whoever wants it has to work itself;
    ``"failed"``: it ended without an outcome, and the next may take over.
    """

    def __init__(self, *, sync: bool) -> None:
        self._sync = sync
        self._outcome: Future[bytes | Literal["alone", "failed"]] = Future()

    def land(self, outcome: bytes | None) -> None:
        """The work is done; None: its outcome can't be handed to others."""
        self._outcome.set_result("alone" if outcome is None else outcome)

    def end(self) -> None:
        """The work has ended, one way or the other."""
        if not self._outcome.done():
            self._outcome.set_result("failed")

    def wait(self) -> bytes | Literal["alone", "failed"]:
        """Wait in a thread; one that runs an event loop must not, for the work may need that loop."""
        if asyncio._get_running_loop() is not None:
            return "alone"
        try:
            return self._outcome.result(None if self._sync else _PATIENCE_S)
        except OutOfTimeError:
            return "alone"

    async def arrival(self) -> bytes | Literal["alone", "failed"]:
        """Wait on an event loop; being cancelled disturbs nobody else."""
        return await arrival(self._outcome)


async def arrival(outcome: Future[T]) -> T:
    """Wait on an event loop for what any thread may give; being cancelled disturbs nobody else."""
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()

    def wake(_: object) -> None:
        # The loop may be closed by now; then nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(landed.set)

    outcome.add_done_callback(wake)
    await landed.wait()
    return outcome.result()


class Flights:
    """The work in progress of one cache."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def join(self, key: str, *, sync: bool) -> tuple[Flight, bool]:
        """The work on something, and whether the caller is the one to do it: in a `leading` block, right away.

        Args:
            key: What is wanted.
            sync: Whether the caller works in a thread, without an event loop.
        """
        if _at_work.get():
            return Flight(sync=sync), True
        with self._lock:
            found = self._flights.get(key)
            if found is not None:
                return found, False
            flight = self._flights[key] = Flight(sync=sync)
            return flight, True

    @contextmanager
    def leading(self, key: str, flight: Flight) -> Iterator[None]:
        """Work on something for everybody who comes meanwhile; land the flight with the outcome."""
        token = _at_work.set(True)
        try:
            yield
        finally:
            _at_work.reset(token)
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.end()
