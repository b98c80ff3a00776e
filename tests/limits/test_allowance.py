"""When one more request may be sent."""

from __future__ import annotations

import pytest

from optiflow.limits.allowance import Allowance
from optiflow.limits.answers import Quota


def test_everything_goes_without_limits() -> None:
    """Nothing configured and nothing told."""
    allowance = Allowance(None, None, 60, 0.0)
    for _ in range(1000):
        assert allowance.own_wait_s(1000, 0.0) == allowance.left_wait_s(1000, 0.0) == 0
        allowance.take(1000, 0.0)
    assert not allowance.counts_tokens
    allowance.used(1000, 1, 0.0)
    assert allowance.own_wait_s(1000, 0.0) == 0


def test_own_limits() -> None:
    """Requests and tokens are paced, whichever is slower; what an answer used less comes back."""
    allowance = Allowance(60, 6000, 60, 0.0)
    assert allowance.counts_tokens
    allowance.take(400, 0.0)
    assert allowance.own_wait_s(1, 0.0) == pytest.approx(3.0, abs=0.1)
    allowance.used(100, 400, 0.0)
    assert allowance.own_wait_s(1, 0.0) == pytest.approx(1.0, abs=0.1)


def test_what_the_provider_has_left() -> None:
    """It counts what was sent since the provider looked, and what comes back."""
    allowance = Allowance(None, None, 60, 0.0)
    first = allowance.take(10, 0.0)
    for _ in range(3):
        allowance.take(10, 0.0)
    assert not allowance.told({"requests": Quota(10, 4, 6)}, first, 0.0, 0.0)
    allowance.take(10, 0.0)
    assert allowance.left_wait_s(10, 0.0) == pytest.approx(1.0)
    assert allowance.left_wait_s(10, 2.0) == 0


def test_tokens_left() -> None:
    """As for requests."""
    allowance = Allowance(None, None, 60, 0.0)
    sent = allowance.take(10, 0.0)
    assert not allowance.told({"tokens": Quota(1000, 100, 9)}, sent, 0.0, 0.0)
    assert allowance.left_wait_s(100, 0.0) == 0
    assert allowance.left_wait_s(200, 0.0) == pytest.approx(1.0)


def test_the_newest_word_counts() -> None:
    """An answer that comes late says nothing new."""
    allowance = Allowance(None, None, 60, 0.0)
    first, second = allowance.take(1, 0.0), allowance.take(1, 0.0)
    assert allowance.told({"requests": Quota(10, 0, 10)}, second, 0.0, 0.0)
    allowance.told({"requests": Quota(10, 9, 1)}, first, 0.0, 0.0)
    assert allowance.left_wait_s(1, 0.0) == pytest.approx(1.0)


def test_a_full_quota_holds_nobody() -> None:
    """Nothing is missing: nothing is known of how fast it comes back."""
    allowance = Allowance(None, None, 60, 0.0)
    allowance.told({"requests": Quota(1, 1, 0)}, allowance.take(1, 0.0), 0.0, 0.0)
    allowance.take(1, 0.0)
    assert allowance.left_wait_s(1, 0.0) == 0


def test_patience_with_what_is_left() -> None:
    """A quota that comes back in hours holds nobody: the provider may say so itself."""
    allowance = Allowance(None, None, 60, 0.0)
    allowance.told({"requests": Quota(100, 0, 86400)}, allowance.take(1, 0.0), 0.0, 0.0)
    assert allowance.left_wait_s(1, 0.0) == 0
