"""Requests under way that are answered at once, by key: whoever wants the same waits for the answer.

Who waits never keeps the one who asks from asking. A thread waits only for a request that another thread makes itself:
one that an event loop makes may need a thread of the very pool that the waiting one occupies, be it only to look up an
address. A coroutine waits without occupying anything, for requests of threads and of its own loop. And whatever asks a
model meanwhile, to answer a request of others, does so alone (`alone`), so that nobody waits for himself.
"""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar

from optiflow.caching.calls.parts import Part
from optiflow.caching.flights import arrival

__all__ = ["Flight", "Flights", "alone", "go_alone", "is_alone"]

_alone: ContextVar[bool] = ContextVar("optiflow_asks_alone", default=False)


def is_alone() -> bool:
    """Whether the current context answers a request of others."""
    return _alone.get()


def go_alone() -> None:
    """Wait for nobody else's request from now on, in this context."""
    _alone.set(True)


@contextmanager
def alone() -> Iterator[None]:
    """Work for others in this block, waiting for nobody else's request."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


class Flight:
    """One request under way."""

    def __init__(self) -> None:
        self.followers = 0
        """How many have come to wait for it."""
        self._answer: Future[Part | None] = Future()

    def land(self, answer: Part | None) -> None:
        """Give the followers the answer; None: there is none that they could have."""
        self._answer.set_result(answer)

    def wait(self) -> Part | None:
        """The answer, waited for on a thread."""
        return self._answer.result()

    async def arrival(self) -> Part | None:
        """The answer, waited for on an event loop; being cancelled disturbs nobody else."""
        return await arrival(self._answer)


class Flights:
    """The requests under way of one run."""

    def __init__(self) -> None:
        self._flights: dict[tuple[str, AbstractEventLoop | None], Flight] = {}
        self._lock = threading.Lock()

    def join(self, key: str, loop: AbstractEventLoop | None) -> tuple[Flight, bool]:
        """The request that the caller may wait for, or a new one, which he has to `leave`.

        Args:
            key: What is asked.
            loop: The caller's event loop; None: he is a thread.

        Returns:
            The request, and whether it is the caller who has to make it.
        """
        with self._lock:
            for place in ((key, loop), (key, None)):
                if place in self._flights:
                    flight = self._flights[place]
                    flight.followers += 1
                    return flight, False
            flight = self._flights[key, loop] = Flight()
            return flight, True

    def leave(self, key: str, loop: AbstractEventLoop | None) -> None:
        """Whoever asks the same from now on asks anew."""
        with self._lock:
            del self._flights[key, loop]
