"""A token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.limits.bucket import Bucket


@given(
    number=st.integers(1, 2000),
    gaps=st.lists(st.floats(0, 40), min_size=1, max_size=400),
)
def test_never_more_within_any_minute(number: int, gaps: list[float]) -> None:
    """Whenever requests come, no minute that begins anywhere sees more than allowed."""
    bucket = Bucket.per_minute(number, 0.0)
    now, sent = 0.0, []
    for gap in gaps:
        now += gap
        now += bucket.wait_s(1, now)
        bucket.take(1, now)
        sent.append(now)
    for first, moment in enumerate(sent):
        within = sum(moment <= each < moment + 60 - 1e-6 for each in sent[first:])
        assert within <= number


def test_as_many_as_allowed() -> None:
    """Who always wants more gets the whole allowance."""
    bucket, now, sent = Bucket.per_minute(600, 0.0), 0.0, 0
    while now < 60:
        now += bucket.wait_s(1, now)
        bucket.take(1, now)
        sent += 1
    assert sent == pytest.approx(600, abs=2)


def test_debt_and_returns() -> None:
    """What is larger than the bucket leaves a debt, which what comes back reduces; more than full it never is."""
    bucket = Bucket(2.0, 10.0, 0.0)
    assert bucket.wait_s(30, 0.0) == 0
    bucket.take(30, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(10.5)
    bucket.take(-15, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(3)
    bucket.take(-999, 0.0)
    bucket.take(10, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(0.5)
