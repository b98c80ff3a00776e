"""Time spent at the provider."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.monitor.observation import ModelCall, provider_seconds, provider_total_seconds


def call(started_s: float, ended_s: float) -> ModelCall:
    """A call of which only the interval matters."""
    return ModelCall("node", "node", "model", "0" * 64, started_s, ended_s)


intervals = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12)


def test_no_call_takes_no_time():
    """Without calls both figures are zero."""
    assert provider_seconds([]) == 0
    assert provider_total_seconds([]) == 0


def test_overlap_counts_once():
    """Overlapping, enclosed and separate calls: the union, and the sum."""
    calls = [call(5, 6), call(0, 2), call(1, 3), call(1, 1.5)]
    assert provider_seconds(calls) == 4
    assert provider_total_seconds(calls) == 5.5


@given(intervals)
def test_the_union_is_the_number_of_seconds_covered(spans):
    """For whole seconds the union is the count of seconds in which at least one call was in flight."""
    calls = [call(start, start + length) for start, length in spans]
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert provider_seconds(calls) == pytest.approx(len(covered))
    assert provider_seconds(calls) <= provider_total_seconds(calls)
