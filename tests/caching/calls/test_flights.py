"""Requests under way."""

from __future__ import annotations

import asyncio

from optiflow.caching.calls.flights import Flights, alone, go_alone, is_alone
from optiflow.caching.calls.parts import Part


def test_thread_does_not_follow_a_loop() -> None:
    """A coroutine follows a thread and its own loop; a thread, and another loop, follow neither a loop."""
    flights = Flights()
    here, there = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        coroutine, leads = flights.join("key", here)
        assert leads
        assert flights.join("key", here) == (coroutine, False)
        thread, leads = flights.join("key", None)
        assert leads
        assert flights.join("key", None) == (thread, False)
        assert flights.join("key", there) == (thread, False)
        assert (coroutine.followers, thread.followers) == (1, 2)
        flights.leave("key", None)
        assert flights.join("key", there)[1]
    finally:
        here.close()
        there.close()


def test_answer_for_a_loop_that_has_ended() -> None:
    """Nobody waits there any more, and nobody else is bothered."""
    flight, _ = Flights().join("key", None)

    async def leave_early() -> None:
        task = asyncio.create_task(flight.arrival())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave_early())
    flight.land(Part(None))
    assert flight.wait() == Part(None)


async def test_answer_for_who_comes_late() -> None:
    """Who has joined before the landing but waits after it gets the answer too."""
    flight, _ = Flights().join("key", None)
    flight.land(None)
    assert await flight.arrival() is None


def test_alone() -> None:
    """Within the block, or for good in a context."""
    with alone():
        assert is_alone()
        with alone():
            assert is_alone()
        assert is_alone()
    assert not is_alone()

    async def main() -> bool:
        go_alone()
        return is_alone()

    assert asyncio.run(main())
    assert not is_alone()
