"""Tests of ``@performance_monitor``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from optiflow.clock.base import use_clock
from optiflow.monitor import OperationReport, PerformanceMonitor, collect, performance_monitor


def only(monitor: PerformanceMonitor) -> OperationReport:
    """The report of the one operation there is."""
    (row,) = monitor.report()
    return row


class StepClock:
    """A clock that moves when told."""

    kind = "virtual"

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        """Seconds so far."""
        return self.now


@pytest.fixture
def clock() -> Iterator[StepClock]:
    """The run's clock, under the test's control."""
    clock = StepClock()
    with use_clock(clock):  # type: ignore[arg-type]
        yield clock


def test_functions_keep_their_kind_name_and_signature() -> None:
    """Decorated functions look like the plain ones to whoever inspects them."""

    @performance_monitor("op")
    def plain(a: int, *, b: str = "x") -> str:
        """Say something."""
        return b * a

    @performance_monitor("op")
    async def coroutine() -> None: ...

    @performance_monitor("op")
    def generator() -> Iterator[int]:
        yield 1

    @performance_monitor("op")
    async def async_generator() -> AsyncIterator[int]:
        yield 1

    assert (plain.__name__, plain.__doc__) == ("plain", "Say something.")
    assert str(inspect.signature(plain)) == "(a: 'int', *, b: 'str' = 'x') -> 'str'"
    assert not inspect.iscoroutinefunction(plain)
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)


async def test_inactive_functions_of_every_kind_just_work() -> None:
    """Without a monitor nothing is kept and values pass."""

    @performance_monitor("op")
    def plain() -> int:
        return 1

    @performance_monitor("op")
    async def coroutine() -> int:
        return 2

    @performance_monitor("op")
    def generator() -> Generator[int, None, str]:
        yield 3
        return "end"

    @performance_monitor("op")
    async def async_generator() -> AsyncIterator[int]:
        yield 4

    def consume() -> Generator[int, None, str]:
        return (yield from generator())

    assert plain() == 1
    assert await coroutine() == 2
    consumer = consume()
    assert next(consumer) == 3
    with pytest.raises(StopIteration, match="end"):
        next(consumer)
    assert [item async for item in async_generator()] == [4]


def test_methods_report_calls_and_failures(clock: StepClock) -> None:
    """A method's calls are counted; one that raises is a failure and still raises."""

    class Worker:
        @performance_monitor("work", clock="run")
        def work(self, seconds: float) -> float:
            clock.now += seconds
            if seconds > 2:
                raise ValueError("too long")
            return seconds

    with collect() as monitor:
        assert Worker().work(1) == 1
        assert Worker().work(2) == 2
        with pytest.raises(ValueError, match="too long"):
            Worker().work(3)
    row = only(monitor)
    assert (row.operation, row.count, row.failures) == ("work", 3, 1)
    assert (row.total_s, row.mean_s, row.min_s, row.max_s, row.p50_s) == (6, 2, 1, 3, 2)
    assert row.p95_s == pytest.approx(2.9)
    assert row.success_rate == pytest.approx(2 / 3)


async def test_coroutines_count_what_they_await(clock: StepClock) -> None:
    """A coroutine's time is from its call to its end; cancelling it is no failure."""

    @performance_monitor("node", clock="run")
    async def node(seconds: float) -> str:
        await asyncio.sleep(0)
        clock.now += seconds
        return "done"

    @performance_monitor("stuck")
    async def stuck() -> None:
        await asyncio.Event().wait()

    @performance_monitor("broken")
    async def broken() -> None:
        raise ValueError("no")

    with collect() as monitor:
        assert await node(1.5) == "done"
        task = asyncio.create_task(stuck())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ValueError, match="no"):
            await broken()
    rows = {row.operation: row for row in monitor.report()}
    assert rows["node"].total_s == 1.5
    assert (rows["stuck"].count, rows["stuck"].failures) == (1, 0)
    assert (rows["broken"].count, rows["broken"].failures) == (1, 1)


def test_generators_count_the_time_inside(clock: StepClock) -> None:
    """The time that a consumer holds a generator is not the generator's."""

    @performance_monitor("items", clock="run")
    def items() -> Generator[int, str, str]:
        clock.now += 1
        got = yield 1
        clock.now += 1
        try:
            yield len(got)
        except KeyError:
            clock.now += 1
            yield 3
        return "end"

    with collect() as monitor:
        generator = items()
        assert next(generator) == 1
        clock.now += 100
        assert generator.send("four") == 4
        clock.now += 100
        assert generator.throw(KeyError("thrown in")) == 3
        with pytest.raises(StopIteration, match="end"):
            next(generator)
    row = only(monitor)
    assert (row.count, row.failures, row.total_s) == (1, 0, 3)


def test_generators_close_and_fail_as_plain_ones() -> None:
    """Closing runs the generator's own clean-up and is no failure; an exception within is one."""
    cleaned = []

    @performance_monitor("op")
    def items() -> Iterator[int]:
        try:
            yield 1
            raise ValueError("within")
        finally:
            cleaned.append(True)

    with collect() as monitor:
        first = items()
        assert next(first) == 1
        first.close()
        with pytest.raises(ValueError, match="within"):
            list(items())
        items()  # never started: there is nothing to report
    row = only(monitor)
    assert (row.count, row.failures, cleaned) == (2, 1, [True, True])


async def test_async_generators_count_the_time_inside(clock: StepClock) -> None:
    """What is sent, thrown and closed reaches an asynchronous generator."""
    cleaned = []

    @performance_monitor("items", clock="run")
    async def items() -> AsyncGenerator[int, str]:
        try:
            clock.now += 1
            got = yield 1
            await asyncio.sleep(0)
            clock.now += 1
            try:
                yield len(got)
            except KeyError:
                yield 3
        finally:
            cleaned.append(True)

    with collect() as monitor:
        generator: Any = items()
        assert await anext(generator) == 1
        clock.now += 100
        assert await generator.asend("four") == 4
        clock.now += 100
        assert await generator.athrow(KeyError("thrown in")) == 3
        with pytest.raises(StopAsyncIteration):
            await anext(generator)
        closed: Any = items()
        await anext(closed)
        await closed.aclose()
    row = only(monitor)
    assert (row.count, row.failures, row.total_s, cleaned) == (2, 0, 3, [True, True])


async def test_async_generators_fail_as_plain_ones() -> None:
    """An exception within passes through and is counted; so is one thrown in and not caught."""

    @performance_monitor("op")
    async def items() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("within")

    with collect() as monitor:
        with pytest.raises(ValueError, match="within"):
            [item async for item in items()]
        generator: Any = items()
        await anext(generator)
        with pytest.raises(KeyError):
            await generator.athrow(KeyError("thrown in"))
    row = only(monitor)
    assert (row.count, row.failures) == (2, 2)


def test_own_time_is_real() -> None:
    """By default real time is measured, so it is never nothing."""

    @performance_monitor("op")
    def work() -> int:
        return sum(range(1000))

    with collect() as monitor:
        work()
    assert only(monitor).total_s > 0


def test_collecting_nests_and_ends() -> None:
    """The innermost monitor collects; after its block the outer one does, and then nobody."""

    @performance_monitor("op")
    def work() -> None: ...

    mine = PerformanceMonitor()
    with collect(mine):
        work()
        with collect() as inner:
            work()
        work()
    work()
    assert (only(mine).count, only(inner).count) == (2, 1)
