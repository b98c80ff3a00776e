"""The latency law."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.config.model import LatencyConfig
from optiflow.models.latency import CallLatency, call_latency

PLAIN = LatencyConfig(time_to_first_token_s=0.5, prefill_tokens_per_s=1000, decode_tokens_per_s=50)


def test_the_law_without_jitter_is_its_formula() -> None:
    """Time to first token, plus prompt over prefill, plus completion over decode."""
    latency = call_latency(PLAIN, "any", 2000, 100)
    assert latency.first_token_s == pytest.approx(0.5 + 2.0)
    assert latency.per_token_s == pytest.approx(0.02)
    assert latency.total_s == pytest.approx(0.5 + 2.0 + 2.0)


def test_no_law_is_no_time() -> None:
    """A model without a law answers at once."""
    assert call_latency(None, "any", 2000, 100) == CallLatency(0.0, 0.0, 0.0)


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**5), st.floats(0, 0.99), st.integers())
def test_a_latency_is_positive_and_the_same_each_time(
    prompt: str, read: int, written: int, jitter: float, seed: int
) -> None:
    """Whatever the jitter, a call takes some time, and as long when it is asked again."""
    law = PLAIN.model_copy(update={"jitter": jitter, "seed": seed})
    latency = call_latency(law, prompt, read, written)
    assert latency.total_s >= latency.first_token_s > 0
    assert latency == call_latency(law, prompt, read, written)


def test_jitter_keeps_the_mean_and_has_the_spread_asked_for() -> None:
    """Over many prompts the factor has mean 1 and the relative sigma of the configuration."""
    law = PLAIN.model_copy(update={"jitter": 0.1})
    factors = [call_latency(law, f"prompt {n}", 500, 0).total_s for n in range(4000)]
    assert statistics.mean(factors) == pytest.approx(1.0, abs=0.01)
    assert statistics.stdev(factors) == pytest.approx(0.1, abs=0.01)


def test_another_seed_draws_another_jitter() -> None:
    """Seeds give independent repetitions."""
    one, other = (PLAIN.model_copy(update={"jitter": 0.1, "seed": seed}) for seed in (1, 2))
    assert call_latency(one, "prompt", 1, 1) != call_latency(other, "prompt", 1, 1)
