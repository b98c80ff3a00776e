"""Work in progress is done once, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from optiflow.caching import flights as module
from optiflow.caching.flights import Flight, Flights


def test_threads_wait_for_the_first() -> None:
    """They get its outcome; afterwards the next begins anew."""
    flights = Flights()
    flight, leads = flights.join("k", sync=True)
    assert leads
    with ThreadPoolExecutor(4) as pool:
        others = [flights.join("k", sync=True) for _ in range(4)]
        waiting = [pool.submit(other.wait) for other, _ in others]
        assert not any(leads for _, leads in others)
        with flights.leading("k", flight):
            flight.land(b"outcome")
        assert [each.result() for each in waiting] == [b"outcome"] * 4
    assert flights.join("k", sync=True)[1]
    assert flights.join("other", sync=True)[1]


def test_the_next_takes_over_when_the_first_fails() -> None:
    """Whatever ends it."""
    flights = Flights()
    flight, _ = flights.join("k", sync=True)
    waiting, _ = flights.join("k", sync=True)
    with pytest.raises(KeyboardInterrupt), flights.leading("k", flight):
        raise KeyboardInterrupt
    assert waiting.wait() == "failed"
    assert flights.join("k", sync=True)[1]


def test_an_outcome_that_cannot_be_handed_on_sends_everybody_off() -> None:
    """Each does the work itself, all at once."""
    flights = Flights()
    flight, _ = flights.join("k", sync=True)
    with flights.leading("k", flight):
        flight.land(None)
    assert flight.wait() == "alone"


def test_who_is_at_work_never_waits() -> None:
    """Neither for itself nor for anybody else, so that waiting can't go in a circle."""
    flights = Flights()
    flight, _ = flights.join("k", sync=True)
    flights.join("busy", sync=True)
    with flights.leading("k", flight):
        for key in ("k", "busy"):
            inner, leads = flights.join(key, sync=True)
            assert leads
            with flights.leading(key, inner):
                inner.land(b"inner")
        assert not flights_free(flights, "k")
        flight.land(b"outer")
    assert flights_free(flights, "k")


def flights_free(flights: Flights, key: str) -> bool:
    """Whether somebody in another context would begin the work."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(flights.join(key, sync=True)[1]))
    thread.start()
    thread.join()
    return found[0]


async def test_tasks_wait_without_blocking_and_may_be_cancelled() -> None:
    """Cancelling one that waits disturbs nobody; cancelling the first lets the next take over."""
    flights = Flights()
    flight, _ = flights.join("k", sync=False)
    one, other = (asyncio.create_task(flights.join("k", sync=False)[0].arrival()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    with flights.leading("k", flight):
        flight.land(b"outcome")
    assert await other == b"outcome"

    started = asyncio.Event()

    async def lead() -> None:
        flight, _ = flights.join("c", sync=False)
        with flights.leading("c", flight):
            started.set()
            await asyncio.Event().wait()

    leader = asyncio.create_task(lead())
    await started.wait()
    waiting = asyncio.create_task(flights.join("c", sync=False)[0].arrival())
    await asyncio.sleep(0)
    leader.cancel()
    assert await waiting == "failed"


def test_loops_and_threads_may_be_mixed() -> None:
    """A task waits for a thread, and for a task of another loop; a closed loop is no hindrance."""
    flights = Flights()
    flight, _ = flights.join("k", sync=True)
    others = [flights.join("k", sync=False)[0] for _ in range(4)]

    async def wait(other: Flight) -> object:
        return await other.arrival()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(others.pop()), 0.01)

    asyncio.run(give_up())
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(asyncio.run, wait(other)) for other in others]
        with flights.leading("k", flight):
            flight.land(b"outcome")
        assert [each.result() for each in waiting] == [b"outcome"] * 3


def test_a_thread_waits_for_a_task_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold the very thread that the task needs."""
    flights = Flights()
    flight, _ = flights.join("k", sync=False)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
    assert flight.wait() == "alone"
    with flights.leading("k", flight):
        flight.land(b"outcome")
    assert flight.wait() == b"outcome"


async def test_a_loop_is_never_blocked() -> None:
    """A synchronous run within a coroutine works for itself."""
    assert Flights().join("k", sync=True)[0].wait() == "alone"
