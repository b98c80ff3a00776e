"""Real time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from optiflow.clock import RealClock, VirtualClock, current_clock, use_clock


def test_tells_monotonic_time():
    """The real clock's time is the machine's monotonic time."""
    before = time.monotonic()
    told = RealClock().time()
    assert before <= told <= time.monotonic()
    assert RealClock().kind == "real"


def test_sleeps_really():
    """Both kinds of sleep spend at least as much real time as asked."""
    clock = RealClock()
    start = time.monotonic()
    clock.sleep(0.01)
    clock.run(clock.sleep_async(0.01))
    assert time.monotonic() - start >= 0.02


def test_run_returns_and_closes_the_loop():
    """A coroutine's value comes back and its loop is closed, as with asyncio.run."""

    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert RealClock().run(main()).is_closed()


def test_negative_sleep_is_refused():
    """A negative duration raises, as time.sleep does."""
    with pytest.raises(ValueError, match="non-negative"):
        RealClock().sleep(-1)


def test_the_current_clock_is_the_innermost():
    """use_clock sets the current clock for its block and context; outside it is a real one."""
    virtual = VirtualClock()
    assert current_clock().kind == "real"
    seen: list[object] = []
    with use_clock(virtual) as used:
        assert used is virtual
        assert current_clock() is virtual
        thread = threading.Thread(target=lambda: seen.append(current_clock().kind))
        thread.start()
        thread.join()
    assert seen == ["real"]
    assert current_clock().kind == "real"
