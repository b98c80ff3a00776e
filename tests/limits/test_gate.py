"""The gate that all requests to one model of one account pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from optiflow.limits.answers import Refusal
from optiflow.limits.gate import FIRST_BACKOFF_S, HEARTBEAT_S, LONGEST_BACKOFF_S, MOST_REFUSALS, STREAM_PATIENCE_S
from optiflow.limits.hedging import LOOK_AGAIN_S

MakeEntrance = Callable[..., Any]

ANSWER = httpx.Response(200, json={"usage": {"total_tokens": 50}})
REFUSED = httpx.Response(429, json={})
SOON = Refusal(None, lasting=False)


def test_first_come_first_served(entrance: MakeEntrance) -> None:
    """Only the first in the queue gets a place, and the next is woken."""
    at = entrance(initial_concurrency=2, max_concurrency=2)
    first, second, third, fourth = (at.waiting() for _ in range(4))
    assert at.gate.admit(second) == 10 * HEARTBEAT_S
    assert at.gate.admit(first) is None
    assert second.bell.rings == 1
    assert at.gate.admit(second) is None
    assert at.gate.admit(third) == HEARTBEAT_S
    at.gate.leave(first)
    assert at.gate.admit(third) is None
    assert not at.gate.idle
    for ticket in (second, third, fourth, fourth):
        at.gate.leave(ticket)
    assert at.gate.idle


def test_who_gives_up_waiting_holds_nobody(entrance: MakeEntrance) -> None:
    """A cancelled request leaves the queue from anywhere in it."""
    at = entrance(initial_concurrency=1, max_concurrency=1)
    sent = at.sent()
    first, second, third = (at.waiting() for _ in range(3))
    at.gate.leave(second)
    at.gate.leave(first)
    at.gate.leave(sent)
    assert third.bell.rings > 0
    assert at.gate.admit(third) is None


def test_who_can_never_be_woken_is_passed_over(entrance: MakeEntrance) -> None:
    """An event loop that was closed with a request waiting."""
    at = entrance(initial_concurrency=1, max_concurrency=1)
    sent = at.sent()
    gone, there = at.waiting(alive=False), at.waiting()
    at.gate.leave(sent)
    assert at.gate.admit(there) is None
    at.gate.leave(gone)
    at.gate.leave(there)
    assert at.gate.idle


def test_leaving_never_waits_for_the_lock(entrance: MakeEntrance) -> None:
    """A garbage collection may end a request within the gate's own work; whoever holds the lock does the rest."""
    at = entrance(initial_concurrency=1, max_concurrency=1)
    sent, waiting, other = at.sent(), at.waiting(), at.waiting()
    ring = waiting.bell.ring

    def collect() -> bool:
        waiting.bell.ring = ring
        at.gate.leave(sent)
        assert not at.gate._lock.acquire(blocking=False)
        return bool(ring())

    waiting.bell.ring = collect
    at.gate.leave(other)
    assert at.gate.admit(waiting) is None


def test_a_refused_request_goes_first(entrance: MakeEntrance) -> None:
    """It is in the queue again before those that wait, and gets the next place."""
    at = entrance(initial_concurrency=3)
    sent = [at.sent() for _ in range(3)]
    waiting = at.waiting()
    assert at.gate.refused(sent[2], SOON, REFUSED)
    assert at.gate.admit(waiting) is not None
    assert at.gate.admit(sent[2]) > 0
    at.gate.answered(sent[0], ANSWER, read=True)
    at.gate.leave(sent[0])
    assert at.gate.admit(sent[2]) is None
    assert at.tally.statistics()["refused"] == 1


def test_the_end_of_another_is_waited_for_not_the_clock(entrance: MakeEntrance) -> None:
    """With others in flight what the provider asks for is the latest moment, not the earliest."""
    at = entrance(initial_concurrency=3)
    first, second, third = (at.sent() for _ in range(3))
    assert at.gate.refused(third, Refusal(30.0, lasting=False), REFUSED)
    assert at.gate.admit(third) == HEARTBEAT_S
    at.gate.leave(first)
    assert at.gate.admit(third) is None
    at.gate.leave(second)


def test_alone_one_waits_as_long_as_asked(entrance: MakeEntrance) -> None:
    """Nothing of ours can end and make room."""
    at = entrance()
    sent = at.sent()
    assert at.gate.refused(sent, Refusal(0.7, lasting=False), REFUSED)
    assert at.gate.admit(sent) == pytest.approx(0.7)
    at.clock.now += 0.7
    assert at.gate.admit(sent) is None


def test_a_refusal_that_says_nothing_left(entrance: MakeEntrance) -> None:
    """What the provider counts by the minute needs its time, whatever of ours ends."""
    at = entrance(initial_concurrency=3)
    first, second = at.sent(), at.sent()
    quota = {f"x-ratelimit-{name}-requests": value for name, value in (("limit", "60"), ("remaining", "0"))}
    told = httpx.Response(429, headers={**quota, "x-ratelimit-reset-requests": "60s"}, json={})
    assert at.gate.refused(second, Refusal(0.8, lasting=False), told)
    at.gate.leave(first)
    assert at.gate.admit(second) == pytest.approx(1.0)
    at.clock.now += 1.0
    assert at.gate.admit(second) is None


def test_what_was_taken_before_is_refused_again(entrance: MakeEntrance) -> None:
    """Twice in a row, with others in flight: then the clock is waited for."""
    at = entrance(initial_concurrency=8)
    *others, sent = [at.sent() for _ in range(8)]
    assert at.gate.refused(sent, Refusal(0.6, lasting=False), REFUSED)
    for _ in range(2):
        at.gate.leave(others.pop())
        assert at.gate.admit(sent) is None
        assert at.gate.refused(sent, Refusal(0.6, lasting=False), REFUSED)
    for each in others:
        at.gate.leave(each)
    assert at.gate.admit(sent) == pytest.approx(0.6)


def test_backing_off_doubles_and_starts_anew(entrance: MakeEntrance) -> None:
    """Where the provider does not say how long; an answer ends it."""
    at = entrance(max_wait_s=10_000)

    def backoff_s(sent: Any) -> float:
        assert at.gate.refused(sent, SOON, REFUSED)
        began = at.clock.now
        while (delay := at.gate.admit(sent)) is not None:
            at.clock.now += max(delay, 1e-6)
        return float(at.clock.now - began)

    sent = at.sent()
    for nth in range(8):
        whole = min(FIRST_BACKOFF_S * 2**nth, LONGEST_BACKOFF_S)
        assert whole / 2 <= backoff_s(sent) <= whole + 1e-4
    at.gate.answered(sent, ANSWER, read=True)
    at.gate.leave(sent)
    assert backoff_s(at.sent()) <= FIRST_BACKOFF_S + 1e-4


def test_a_provider_that_refuses_for_ever(entrance: MakeEntrance) -> None:
    """After the longest wait everybody is told, at once and by the provider, until it takes something again."""
    at = entrance(max_wait_s=5)
    sent = at.sent()
    waiting = [at.waiting() for _ in range(20)]
    began = at.clock.now
    while at.gate.refused(sent, Refusal(1.0, lasting=False), REFUSED):
        while (delay := at.gate.admit(sent)) is not None:
            at.clock.now += max(delay, 1e-6)
    assert at.clock.now - began <= 5
    at.clock.now = began + 5
    for each in waiting:
        assert at.gate.admit(each) is None
    for each in waiting[1:]:
        assert not at.gate.refused(each, Refusal(1.0, lasting=False), REFUSED)
    at.gate.answered(waiting[0], ANSWER, read=True)
    at.gate.leave(waiting[0])
    at.clock.now += 1
    taken = at.sent()
    assert at.gate.refused(taken, Refusal(1.0, lasting=False), REFUSED)


@pytest.mark.parametrize("options", [{"requests_per_minute": 60}, {"max_concurrency": 1}])
def test_what_was_configured_holds_even_then(entrance: MakeEntrance, options: dict[str, int]) -> None:
    """A provider that refuses everything is not asked more often than allowed, nor by more at once."""
    at = entrance(max_wait_s=5, **options)
    sent = at.sent()
    first, second = at.waiting(), at.waiting()
    assert at.gate.refused(sent, SOON, REFUSED)
    at.gate.leave(sent)
    at.clock.now += 5
    assert at.gate.admit(first) is None
    assert at.gate.admit(second) == HEARTBEAT_S


def test_what_was_long_ago_is_forgotten(entrance: MakeEntrance) -> None:
    """A provider that refused everything when it was last asked gets its whole time again."""
    at = entrance(max_wait_s=5)
    sent = at.sent()
    assert at.gate.refused(sent, SOON, REFUSED)
    at.gate.leave(sent)
    at.clock.now += 5.1
    assert at.gate.refused(at.sent(), SOON, REFUSED)


def test_what_takes_long_is_not_refused(entrance: MakeEntrance) -> None:
    """While an answer is under way nobody is told that the provider refuses everything."""
    at = entrance(initial_concurrency=2, max_wait_s=5)
    slow, refused = at.sent(), at.sent()
    assert at.gate.refused(refused, SOON, REFUSED)
    at.clock.now += 100
    waiting = at.waiting(hedge=True)
    assert at.gate.admit(waiting) is not None
    at.gate.leave(slow)
    assert at.gate.admit(waiting) is None


def test_a_request_that_is_refused_for_itself(entrance: MakeEntrance) -> None:
    """Others are taken all the while: it is not tried for ever."""
    at = entrance(initial_concurrency=2)
    other, sent = at.sent(), at.sent()
    for _ in range(MOST_REFUSALS - 1):
        assert at.gate.refused(sent, Refusal(0.1, lasting=False), REFUSED)
        at.gate.answered(other, ANSWER, read=True)
        at.gate.leave(other)
        at.clock.now += 0.2
        assert at.gate.admit(sent) is None
        other = at.ticket()
    assert not at.gate.refused(sent, Refusal(0.1, lasting=False), REFUSED)


@pytest.mark.parametrize("refusal", [Refusal(None, lasting=True), Refusal(61.0, lasting=False)])
def test_what_no_waiting_helps_is_told_at_once(entrance: MakeEntrance, refusal: Refusal) -> None:
    """No credit, or a wait longer than configured."""
    at = entrance()
    assert not at.gate.refused(at.sent(), refusal, REFUSED)
    assert at.gate.idle


def test_nested_streams_do_not_wait_for_each_other(entrance: MakeEntrance) -> None:
    """Who reads an answer may ask in between: where only such answers are in flight, patience is short."""
    at = entrance(initial_concurrency=1, max_concurrency=1)
    stream = at.sent()
    waiting = at.waiting()
    at.clock.now += STREAM_PATIENCE_S
    assert at.gate.admit(waiting) == HEARTBEAT_S
    stream.held = True
    assert at.gate.admit(waiting) is None


def test_pacing(entrance: MakeEntrance) -> None:
    """As many a minute as configured, corrected by what answers say that they used."""
    at = entrance(requests_per_minute=60, tokens_per_minute=6000)
    sent = at.sent(tokens=400)
    waiting = at.waiting(tokens=100)
    at.clock.now += 1.0
    assert at.gate.admit(waiting) == HEARTBEAT_S
    at.gate.answered(sent, ANSWER, read=True)
    assert at.gate.admit(waiting) is None
    assert at.tally.statistics()["waited_s"] == pytest.approx(1.0)


def test_hedges_are_for_slow_requests_that_can_be_repeated(entrance: MakeEntrance) -> None:
    """Once enough calls are known, within the budget; what was not sent can be taken back."""
    at = entrance(hedge=True, hedge_budget=0.1, initial_concurrency=1, max_concurrency=1)
    for nth in range(25):
        sent = at.sent()
        assert at.gate.hedge_in_s(sent) == pytest.approx(LOOK_AGAIN_S if nth < 20 else 2.0)
        at.clock.now += 2.0
        at.gate.answered(sent, ANSWER, read=True)
        at.gate.leave(sent)
    sent = at.sent()
    assert at.gate.may_hedge(sent.request)
    assert not at.gate.may_hedge(at.ticket(repeatable=False).request)
    assert not entrance().gate.may_hedge(sent.request)
    at.clock.now += 2.0
    assert [at.gate.hedge_in_s(sent) for _ in range(3)] == [0.0, 0.0, LOOK_AGAIN_S]
    hedge = at.waiting(hedge=True)
    assert at.gate.withdraw(hedge)
    assert hedge.withdrawn
    assert hedge.bell.rings == 1
    assert at.gate.admit(hedge) == 0.0
    assert at.gate.hedge_in_s(sent) == 0.0
    at.gate.leave(sent)
    assert not at.gate.withdraw(at.sent(hedge=True))


def test_a_refused_hedge_is_not_sent_again(entrance: MakeEntrance) -> None:
    """The gate learns from it all the same."""
    at = entrance(initial_concurrency=2)
    at.sent()
    assert not at.gate.refused(at.sent(hedge=True), SOON, REFUSED)
    assert at.gate.admit(at.waiting()) is not None


def test_many_threads(entrance: MakeEntrance) -> None:
    """Whatever threads do at once, never more are in flight than allowed, and everybody gets through."""
    at = entrance(initial_concurrency=3, max_concurrency=3)
    lock, running, most, done = threading.Lock(), 0, 0, 0

    def pass_through() -> None:
        nonlocal running, most, done
        for _ in range(50):
            ticket = at.ticket()
            at.gate.enter(ticket)
            while at.gate.admit(ticket) is not None:
                pass
            with lock:
                running += 1
                most = max(most, running)
            with lock:
                running -= 1
                done += 1
            at.gate.leave(ticket)

    threads = [threading.Thread(target=pass_through) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most <= 3, done, at.gate.idle) == (True, 300, True)
