"""``@performance_monitor``: how long an operation takes, for functions of every kind.

Nothing is measured until a `PerformanceMonitor` is active (`collect`); until then a decorated function
costs a call and the look-up of a context variable more than the plain one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, cast

from optiflow.monitor.operations import PerformanceMonitor

__all__ = ["TimeSource", "collect", "performance_monitor"]

P = ParamSpec("P")
R = TypeVar("R")

TimeSource = Literal["own", "run"]
"""Own: real time, for work of one's own. Run: the time of the run's clock, for what includes the
provider."""

_active: ContextVar[PerformanceMonitor | None] = ContextVar("optiflow_performance_monitor", default=None)


@contextmanager
def collect(monitor: PerformanceMonitor | None = None) -> Iterator[PerformanceMonitor]:
    """Make decorated functions report to ``monitor``, or to a new one, within the block."""
    monitor = monitor or PerformanceMonitor()
    token = _active.set(monitor)
    try:
        yield monitor
    finally:
        _active.reset(token)


def performance_monitor(operation: str, *, clock: TimeSource = "own") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Report each call of a function to the active `PerformanceMonitor`.

    The decorated function stays of its kind: plain, coroutine, generator or asynchronous generator. Of
    generators the time inside them counts, not the time that their consumer holds them. Exceptions pass
    through.

    Args:
        operation: Name to report under; several functions may share one.
        clock: Which time to measure. Mind that ``"own"`` time of a coroutine includes what it awaits: put a
            decorated function around the work on each side of a call of the provider to leave it out.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        wrap: Any
        if inspect.isasyncgenfunction(function):
            wrap = _async_generator
        elif inspect.isgeneratorfunction(function):
            wrap = _generator
        elif inspect.iscoroutinefunction(function):
            wrap = _coroutine
        else:
            wrap = _plain
        return cast(Callable[P, R], functools.wraps(function)(wrap(function, operation, clock == "run")))

    return decorate


def _run_time() -> Callable[[], float]:
    from optiflow.clock.base import current_clock

    return current_clock().time


def _plain(function: Callable[P, R], operation: str, run: bool) -> Callable[P, R]:
    def monitored(*args: P.args, **kwargs: P.kwargs) -> R:
        monitor = _active.get()
        if monitor is None:
            return function(*args, **kwargs)
        now = _run_time() if run else perf_counter
        started = now()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            monitor.record(operation, now() - started, failed=isinstance(error, Exception))
            raise
        monitor.record(operation, now() - started)
        return result

    return monitored


def _coroutine(
    function: Callable[P, Coroutine[Any, Any, R]], operation: str, run: bool
) -> Callable[P, Coroutine[Any, Any, R]]:
    async def monitored(*args: P.args, **kwargs: P.kwargs) -> R:
        monitor = _active.get()
        if monitor is None:
            return await function(*args, **kwargs)
        now = _run_time() if run else perf_counter
        started = now()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            monitor.record(operation, now() - started, failed=isinstance(error, Exception))
            raise
        monitor.record(operation, now() - started)
        return result

    return monitored


class _TimedGenerator(Generator[Any, Any, Any]):
    """Adds up the time spent inside of another generator; ``yield from`` hands it everything (PEP 380)."""

    def __init__(self, inner: Generator[Any, Any, Any], now: Callable[[], float]) -> None:
        self._inner = inner
        self._now = now
        self.spent_s = 0.0

    def send(self, value: Any, /) -> Any:
        started = self._now()
        try:
            return self._inner.send(value)
        finally:
            self.spent_s += self._now() - started

    def throw(self, kind: Any, value: BaseException | object = None, traceback: TracebackType | None = None, /) -> Any:
        started = self._now()
        try:
            # ``yield from`` may still use the form with three arguments, which Python deprecates.
            return self._inner.throw(value if isinstance(value, BaseException) else kind)
        finally:
            self.spent_s += self._now() - started

    def close(self) -> Any:
        started = self._now()
        try:
            return self._inner.close()
        finally:
            self.spent_s += self._now() - started


def _generator(
    function: Callable[P, Generator[Any, Any, Any]], operation: str, run: bool
) -> Callable[P, Generator[Any, Any, Any]]:
    def monitored(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
        monitor = _active.get()
        if monitor is None:
            return (yield from function(*args, **kwargs))
        timed = _TimedGenerator(function(*args, **kwargs), _run_time() if run else perf_counter)
        failed = False
        try:
            return (yield from timed)
        except Exception:
            failed = True
            raise
        finally:
            monitor.record(operation, timed.spent_s, failed=failed)

    return monitored


def _async_generator(
    function: Callable[P, AsyncGenerator[Any, Any]], operation: str, run: bool
) -> Callable[P, AsyncGenerator[Any, Any]]:
    # Asynchronous generators have no ``yield from``: what the consumer sends or throws is handed on by
    # hand.
    async def monitored(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        monitor = _active.get()
        now = _run_time() if run else perf_counter
        inner = function(*args, **kwargs)
        resume: Callable[[Any], Coroutine[Any, Any, Any]] = inner.asend
        value: Any = None
        spent_s = 0.0
        failed = False
        try:
            while True:
                started = now()
                try:
                    item = await resume(value)
                except StopAsyncIteration:
                    return
                finally:
                    spent_s += now() - started
                try:
                    value = yield item
                    resume = inner.asend
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001  handed on to the generator within
                    resume, value = inner.athrow, error
        except Exception:
            failed = True
            raise
        finally:
            if monitor is not None:
                monitor.record(operation, spent_s, failed=failed)

    return monitored
