"""When a call is slow enough to be asked a second time."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from optiflow.limits.hedging import FEWEST, LOOK_AGAIN_S, REMEMBERED, Hedging


def after(latencies: Iterable[float], budget: float) -> Hedging:
    """What is known after so many answers."""
    hedging = Hedging(budget)
    for latency in latencies:
        hedging.answered(latency)
    return hedging


@given(st.lists(st.floats(0.001, 100), min_size=FEWEST, max_size=2 * REMEMBERED), st.floats(0.001, 0.5))
def test_the_budget_says_what_is_slow(latencies: list[float], budget: float) -> None:
    """No larger share of the calls remembered takes longer than is waited."""
    slow_s = after(latencies, budget).due_in_s(0.0)
    recent = latencies[-REMEMBERED:]
    assert slow_s in recent
    assert sum(latency > slow_s for latency in recent) <= budget * len(recent) + 1e-9


def test_what_was_long_ago_is_forgotten() -> None:
    """Calls that were slow before the last few hundred say nothing of now."""
    assert after([9.0] * REMEMBERED + [1.0] * REMEMBERED, 0.02).due_in_s(0.0) == 1.0


def test_too_little_is_known_at_first() -> None:
    """A few calls say nothing; a call that began before may turn out to be slow all the same."""
    hedging = after([1.0] * (FEWEST - 1), 0.1)
    assert hedging.due_in_s(0.0) == hedging.due_in_s(99.0) == LOOK_AGAIN_S
    hedging.answered(1.0)
    assert hedging.due_in_s(0.25) == 0.75
    assert hedging.due_in_s(99.0) == 0.0


def test_a_budget_that_is_spent_grows_again() -> None:
    """A call that is slow is asked for until then."""
    hedging = after([1.0] * FEWEST, 0.05)
    assert [hedging.due_in_s(2.0) for _ in range(3)] == [0.0, LOOK_AGAIN_S, LOOK_AGAIN_S]
    for _ in range(FEWEST):
        hedging.answered(1.0)
    assert hedging.due_in_s(3.0) == 0.0


@given(st.lists(st.booleans(), max_size=300), st.floats(0.01, 0.5))
def test_the_budget_is_kept(slow: list[bool], budget: float) -> None:
    """However many calls are slow, no larger share is hedged; what was not sent comes back."""
    hedging, sent = Hedging(budget), 0
    for calls, each in enumerate(slow, 1):
        hedging.answered(1.0)
        if each and hedging.due_in_s(9.0) == 0:
            hedging.refund()
            assert hedging.due_in_s(9.0) == 0
            sent += 1
        assert sent <= budget * calls
