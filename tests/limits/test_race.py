"""Slow requests that are sent a second time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest

from optiflow.limits.gate import Gate
from optiflow.limits.governor import Gates, govern
from optiflow.limits.settings import LimitSettings

Provider = Callable[..., tuple[Any, str]]
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def gates(settings: Callable[..., LimitSettings], monkeypatch: pytest.MonkeyPatch) -> Gates:
    """Gates under which every call is slow after 30 ms, and may be hedged."""
    monkeypatch.setattr(Gate, "hedge_in_s", lambda self, ticket: max(0.0, ticket.sent_at + 0.03 - self._now()))
    return Gates(settings(hedge=True))


async def post(url: str, gates: Gates, **body: Any) -> tuple[Any, dict[str, Any]]:
    """Ask from a loop; the response or the error, and the statistics."""
    async with httpx2.AsyncClient() as client:
        with govern(gates) as tally:
            (response,) = await asyncio.gather(client.post(url, json=BODY | body), return_exceptions=True)
    return response, dict(tally.statistics())


def post_sync(url: str, gates: Gates, **body: Any) -> tuple[Any, dict[str, Any]]:
    """Ask from a thread; the response or the error, and the statistics."""
    response: Any
    with httpx.Client() as client, govern(gates) as tally:
        try:
            response = client.post(url, json=BODY | body)
        except httpx.TransportError as error:
            response = error
        seen = dict(tally.statistics())
    return response, seen


def ended() -> None:
    """Wait for the threads of requests that nobody needs."""
    for thread in threading.enumerate():
        if thread.name == "optiflow-hedge":
            thread.join(30)


async def asked(how: str, url: str, gates: Gates, **body: Any) -> tuple[Any, dict[str, Any]]:
    """Ask from a loop or from a thread."""
    if how == "loop":
        return await post(url, gates, **body)
    return await asyncio.to_thread(post_sync, url, gates, **body)


both = pytest.mark.parametrize("how", ["loop", "thread"])


@both
async def test_the_double_answers(model_provider: Provider, gates: Gates, how: str) -> None:
    """The first request stalls: the answer is the second's, and the first holds a place until it has ended."""
    server, url = model_provider(faults=("stall",))
    response, seen = await asked(how, url, gates)
    assert response.status_code == 200
    assert (seen["requests"], seen["hedges_sent"], seen["hedges_won"], seen["hedge_tokens_wasted"]) == (2, 1, 1, 110)
    assert server.seen.requests == 2
    (gate,) = gates._gates.values()
    assert gate.idle is (how == "loop")
    server.end_stalls()
    ended()
    assert gate.idle


@both
async def test_the_first_answers(model_provider: Provider, gates: Gates, how: str) -> None:
    """The double was sent in vain, and that is counted."""
    _, url = model_provider(faults=("", "stall"), mean_s=0.2)
    response, seen = await asked(how, url, gates)
    assert response.status_code == 200
    assert (seen["hedges_sent"], seen["hedges_won"], seen["hedge_tokens_wasted"]) == (1, 0, 110)


@both
async def test_quick_answers_are_not_hedged(
    model_provider: Provider, gates: Gates, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what can't be repeated."""
    monkeypatch.setattr(Gate, "hedge_in_s", lambda self, ticket: 30.0)
    server, url = model_provider(mean_s=0.001)
    for more in ({}, {"stream": True}):
        response, seen = await asked(how, url, gates, **more)
        assert response.status_code == 200
        assert seen["hedges_sent"] == 0
    assert server.seen.requests == 2


@both
async def test_without_a_place_there_is_no_double(
    model_provider: Provider, settings: Callable[..., LimitSettings], gates: Gates, how: str
) -> None:
    """It waits before all others, and is taken back when it is needed no more."""
    server, url = model_provider(mean_s=0.1)
    response, seen = await asked(how, url, Gates(settings(hedge=True, max_concurrency=1)))
    ended()
    assert response.status_code == 200
    assert (seen["hedges_sent"], server.seen.requests) == (0, 1)


@both
async def test_a_spent_budget(
    model_provider: Provider, gates: Gates, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow request is waited for."""
    monkeypatch.setattr(Gate, "hedge_in_s", lambda self, ticket: 0.01)
    server, url = model_provider(mean_s=0.1)
    response, seen = await asked(how, url, gates)
    assert (response.status_code, seen["hedges_sent"], server.seen.requests) == (200, 0, 1)


@both
async def test_what_is_slow_may_be_known_later(
    model_provider: Provider, gates: Gates, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request is looked at as long as it is in flight."""
    looks = iter([0.01, 0.02, 0.0])
    monkeypatch.setattr(Gate, "hedge_in_s", lambda self, ticket: next(looks))
    server, url = model_provider(faults=("stall",))
    response, seen = await asked(how, url, gates)
    assert (response.status_code, seen["hedges_won"], server.seen.requests) == (200, 1, 2)
    server.end_stalls()
    ended()


async def test_a_loop_that_is_behind_is_no_slow_provider(model_provider: Provider, gates: Gates) -> None:
    """The answer came while something kept the loop from looking."""
    server, url = model_provider(mean_s=0.02)
    asking = asyncio.ensure_future(post(url, gates))
    while not server.seen.requests:
        await asyncio.sleep(0)
    while not server.seen.answered:
        # Nobody else gets a turn.
        time.sleep(0.05)
    response, seen = await asking
    assert (response.status_code, seen["hedges_sent"]) == (200, 0)


@both
@pytest.mark.parametrize("fault", ["error", "reset", "refuse"])
async def test_a_double_that_fails(model_provider: Provider, gates: Gates, how: str, fault: str) -> None:
    """The first is waited for; nobody hears of the double."""
    server, url = model_provider(faults=("", fault), mean_s=0.15)
    response, seen = await asked(how, url, gates)
    assert (response.status_code, seen["hedges_sent"], seen["hedges_won"], seen["given_up"]) == (200, 1, 0, 0)
    assert server.seen.requests == 2


@both
async def test_both_fail(model_provider: Provider, gates: Gates, how: str) -> None:
    """The application gets the first's error."""
    server, url = model_provider(faults=("stall", "error"))
    asking = asyncio.ensure_future(asked(how, url, gates))
    while server.seen.requests < 2:
        await asyncio.sleep(0.001)
    server.end_stalls()
    response, seen = await asking
    assert isinstance(response, (httpx.TransportError, httpx2.TransportError))
    assert (seen["hedges_sent"], seen["hedges_won"], seen["hedge_tokens_wasted"]) == (1, 0, 0)


async def test_who_is_cancelled_cancels_both(model_provider: Provider, gates: Gates) -> None:
    """Both connections are closed, both places free."""
    server, url = model_provider(faults=("stall", "stall"))
    asking = asyncio.ensure_future(post(url, gates))
    while server.seen.requests < 2:
        await asyncio.sleep(0.001)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (gate,) = gates._gates.values()
    assert gate.idle
    while server.seen.cancelled < 2:
        await asyncio.sleep(0.001)
