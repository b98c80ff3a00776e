"""Two requests of which the first answer counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from optiflow.limits.answers import used_tokens
from optiflow.limits.gate import Gate
from optiflow.limits.ticket import Ticket

__all__ = ["Hedge", "race_async", "race_sync"]


@dataclass(frozen=True, slots=True)
class Hedge:
    """A request that is slow and its double."""

    gate: Gate
    """The gate that both pass."""

    first: Ticket
    """The request, in flight."""

    second: Ticket
    """Its double, which has not entered yet."""

    def count(self, answer: Any, *, won: bool) -> None:
        """Take back the double if it was not sent yet, or count it and the tokens of the answer that was lost.

        Args:
            answer: The answer that counts; None if there is none.
            won: Whether it is the double's.
        """
        if self.gate.withdraw(self.second):
            return
        tally = self.second.tally
        tally.count("hedges_sent")
        if won:
            tally.count("hedges_won")
        if answer is not None:
            tally.wasted(used_tokens(answer))


async def race_async(hedge: Hedge, send: Callable[[], Awaitable[Any]], send_again: Callable[[], Awaitable[Any]]) -> Any:
    """Send a request, and once more if it is slow; the one that is not needed is cancelled.

    Args:
        hedge: What is sent twice, and when.
        send: Sends the request.
        send_again: Sends its double through the gate; returns None if that was withdrawn.

    Returns:
        The first response that is a success; without one, what ``send`` returned.

    Raises:
        Exception: Whatever ``send`` raised, if the double did not succeed.
    """
    first = asyncio.ensure_future(send())
    racing = {first}
    try:
        if not await _is_slow_async(hedge, first):
            return await first
        second = asyncio.ensure_future(send_again())
        racing.add(second)
        winner, pending = None, {*racing}
        try:
            while pending and winner is None:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                winner = next((each for each in (first, second) if each in done and _succeeded(each)), None)
        finally:
            hedge.count(None if winner is None else winner.result(), won=winner is second)
        return await (winner or first)
    finally:
        for each in racing:
            each.cancel()
        await asyncio.gather(*racing, return_exceptions=True)


def race_sync(hedge: Hedge, send: Callable[[], Any], send_again: Callable[[], Any]) -> Any:
    """As `race_async`, in threads, which can't be cancelled: the one that is not needed ends by itself."""
    first = _started(send)
    if not _is_slow(hedge, first):
        return first.result()
    second = _started(send_again)
    winner, pending = None, {first, second}
    while pending and winner is None:
        done, pending = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
        winner = next((each for each in (first, second) if each in done and _succeeded(each)), None)
    hedge.count(None if winner is None else winner.result(), won=winner is second)
    if winner is second:
        # The provider is still at work for it.
        hedge.first.held = True
        first.add_done_callback(lambda _: hedge.gate.leave(hedge.first))
    return (winner or first).result()


def _is_slow(hedge: Hedge, first: futures.Future[Any]) -> bool:
    """Wait until the request is answered, or slow."""
    while not first.done():
        due_s = hedge.gate.hedge_in_s(hedge.first)
        if due_s == 0:
            return True
        futures.wait([first], due_s)
    return False


async def _is_slow_async(hedge: Hedge, first: asyncio.Future[Any]) -> bool:
    """As `_is_slow`; a loop that is behind may have the answer lying there, so it gets the time that it is late."""
    loop = asyncio.get_running_loop()
    while not first.done():
        due_s = hedge.gate.hedge_in_s(hedge.first)
        if due_s == 0:
            return True
        due = loop.time() + due_s
        await asyncio.wait({first}, timeout=due_s)
        if not first.done():
            await asyncio.wait({first}, timeout=loop.time() - due)
    return False


def _succeeded(attempt: asyncio.Future[Any] | futures.Future[Any]) -> bool:
    if attempt.cancelled() or attempt.exception() is not None:
        return False
    response = attempt.result()
    return response is not None and bool(response.is_success)


def _started(work: Callable[[], Any]) -> futures.Future[Any]:
    """Do something in a thread that nobody waits for when the program ends."""
    future: futures.Future[Any] = futures.Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001  the future carries it to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name="optiflow-hedge", daemon=True).start()
    return future
