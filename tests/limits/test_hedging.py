"""When a call is slow enough to be asked a second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optiflow.limits.hedging import FEWEST, REMEMBERED, Hedging


@given(st.lists(st.floats(0.001, 100), min_size=FEWEST, max_size=2 * REMEMBERED), st.floats(0.001, 0.5))
def test_the_budget_says_what_is_slow(latencies: list[float], budget: float) -> None:
    """No larger share of the calls remembered is slower than the delay."""
    hedging = Hedging(budget)
    for latency in latencies:
        hedging.answered(latency)
    delay = hedging.delay_s()
    recent = latencies[-REMEMBERED:]
    assert delay in recent
    assert sum(latency > delay for latency in recent) <= budget * len(recent) + 1e-9


def test_what_was_long_ago_is_forgotten() -> None:
    """Calls that were slow before the last few hundred say nothing of now."""
    hedging = Hedging(0.02)
    for nth in range(2 * REMEMBERED):
        hedging.answered(9.0 if nth < REMEMBERED else 1.0)
    assert hedging.delay_s() == 1.0


def test_too_little_is_known() -> None:
    """A few calls say nothing."""
    hedging = Hedging(0.02)
    for _ in range(FEWEST - 1):
        hedging.answered(1.0)
    assert hedging.delay_s() is None
    hedging.answered(1.0)
    assert hedging.delay_s() == 1.0


@given(st.lists(st.booleans(), max_size=300), st.floats(0.01, 0.5))
def test_the_budget_is_kept(slow: list[bool], budget: float) -> None:
    """However many calls are slow, no larger share is hedged; what was not sent comes back."""
    hedging, sent = Hedging(budget), 0
    for calls, each in enumerate(slow, 1):
        hedging.answered(1.0)
        if each and hedging.reserve():
            hedging.refund()
            assert hedging.reserve()
            sent += 1
        assert sent <= budget * calls
