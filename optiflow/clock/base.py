"""The interface of a clock, and which clock is current."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Literal, Protocol, TypeVar

__all__ = ["Clock", "current_clock", "now", "use_clock"]

T = TypeVar("T")


class Clock(Protocol):
    """Tells and spends time, in seconds."""

    @property
    def kind(self) -> Literal["real", "virtual"]:
        """Which time this is; every figure taken from a virtual clock is labelled so."""
        ...

    def time(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Spend time on the calling thread, whichever that is."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Spend time without blocking the event loop."""
        ...

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on an event loop of this clock, as ``asyncio.run`` does."""
        ...


_current: ContextVar[Clock | None] = ContextVar("optiflow_clock", default=None)


def current_clock() -> Clock:
    """The clock of the running context; a real one outside of any run."""
    clock = _current.get()
    if clock is None:
        from optiflow.clock.real import RealClock

        return RealClock()
    return clock


def now() -> float:
    """Seconds on the current clock since an arbitrary moment; costs next to nothing outside of a run of OptiFlow's."""
    clock = _current.get()
    return perf_counter() if clock is None else clock.time()


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Make ``clock`` the current one for the block."""
    token = _current.set(clock)
    try:
        yield clock
    finally:
        _current.reset(token)
