"""The way of one request through its gate, the same for threads and for event loops.

`deliver` says step by step what to do, and is told what came of it; `deliver_sync` and `deliver_async` do it.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from optiflow.limits.answers import may_refuse, read_refusal
from optiflow.limits.bells import LoopBell, ThreadBell
from optiflow.limits.gate import Gate
from optiflow.limits.model_request import ModelRequest
from optiflow.limits.race import Hedge, race_async, race_sync
from optiflow.limits.tally import Tally
from optiflow.limits.ticket import Ticket
from optiflow.steps import Steps, walk, walk_async

__all__ = ["deliver_async", "deliver_sync"]


@dataclass(frozen=True, slots=True)
class _Wait:
    """Wait for the bell."""

    at_most_s: float


@dataclass(frozen=True, slots=True)
class _Send:
    """Send the request."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Read the body of a response."""

    response: Any


_Step = _Wait | _Send | _Read
_Steps = Steps[_Step, Any]


def deliver(gate: Gate, ticket: Ticket, *, stream: bool) -> _Steps:
    """Wait for a place, send, and do so again for as long as the provider refuses and the gate sees a point in it.

    Args:
        gate: The gate.
        ticket: The request's ticket; it is gone at the end, unless its answer is still to be read.
        stream: Whether responses come without their bodies.

    Yields:
        What to do next: wait, send (and tell the response), read a response.

    Returns:
        The response, which may be a refusal; None for a ticket that was withdrawn.
    """
    gate.enter(ticket)
    try:
        while True:
            while not ticket.withdrawn and (delay_s := gate.admit(ticket)) is not None:
                yield _Wait(delay_s)
            if ticket.withdrawn:
                return None
            response = yield _Send()
            if stream and may_refuse(response):
                yield _Read(response)
            refusal = read_refusal(response) if may_refuse(response) else None
            if refusal is None:
                gate.answered(ticket, response, read=not stream)
                if stream and not response.is_closed:
                    _hold_until_closed(gate, ticket, response)
                return response
            if not gate.refused(ticket, refusal, response):
                if not ticket.hedge:
                    ticket.tally.count("given_up")
                return response
            ticket.tally.count("resent")
    finally:
        if not ticket.held:
            gate.leave(ticket)


def deliver_sync(gate: Gate, request: ModelRequest, tally: Tally, send: Callable[[], Any], *, stream: bool) -> Any:
    """Send a request through a gate, from a thread.

    Args:
        gate: The gate.
        request: What it is.
        tally: Where it counts.
        send: Sends it; called once for each attempt.
        stream: Whether responses come without their bodies.

    Returns:
        The response.

    Raises:
        Exception: Whatever ``send`` raises.
    """
    bell = ThreadBell()
    ticket = Ticket(request, bell, tally)

    def send_once_or_twice() -> Any:
        if stream or not gate.may_hedge(request):
            return send()
        second_bell = ThreadBell()
        hedge = Hedge(gate, ticket, Ticket(request, second_bell, tally, hedge=True))
        again = deliver(gate, hedge.second, stream=False)
        return race_sync(hedge, send, lambda: _walk(again, second_bell, send))

    return _walk(deliver(gate, ticket, stream=stream), bell, send_once_or_twice)


async def deliver_async(
    gate: Gate, request: ModelRequest, tally: Tally, send: Callable[[], Awaitable[Any]], *, stream: bool
) -> Any:
    """As `deliver_sync`, from an event loop, which goes on meanwhile."""
    bell = LoopBell()
    ticket = Ticket(request, bell, tally)

    async def send_once_or_twice() -> Any:
        if stream or not gate.may_hedge(request):
            return await send()
        second_bell = LoopBell()
        hedge = Hedge(gate, ticket, Ticket(request, second_bell, tally, hedge=True))
        again = deliver(gate, hedge.second, stream=False)
        return await race_async(hedge, send, lambda: _walk_async(again, second_bell, send))

    return await _walk_async(deliver(gate, ticket, stream=stream), bell, send_once_or_twice)


def _walk(steps: _Steps, bell: ThreadBell, send: Callable[[], Any]) -> Any:
    def do(step: _Step) -> Any:
        if isinstance(step, _Send):
            return send()
        return step.response.read() if isinstance(step, _Read) else bell.wait(step.at_most_s)

    return walk(steps, do)


async def _walk_async(steps: _Steps, bell: LoopBell, send: Callable[[], Awaitable[Any]]) -> Any:
    async def do(step: _Step) -> Any:
        if isinstance(step, _Send):
            return await send()
        return await (step.response.aread() if isinstance(step, _Read) else bell.wait(step.at_most_s))

    return await walk_async(steps, do)


def _hold_until_closed(gate: Gate, ticket: Ticket, response: Any) -> None:
    """Keep a ticket in flight until its answer has been read, closed or forgotten."""
    ticket.held = True
    over = weakref.finalize(response, gate.leave, ticket)
    over.atexit = False
    # Bound methods of the response, kept in itself, would keep a forgotten one from being collected at once.
    itself = weakref.ref(response)

    def plain() -> Any:
        response = itself()
        for name in ("close", "aclose"):
            vars(response).pop(name, None)
        return response

    def close() -> None:
        try:
            plain().close()
        finally:
            over()

    async def aclose() -> None:
        try:
            await plain().aclose()
        finally:
            over()

    response.close, response.aclose = close, aclose
