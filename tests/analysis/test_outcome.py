"""A judged run with its baseline."""

from __future__ import annotations

from collections.abc import Callable

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import judge
from optiflow.config.criteria import CriteriaConfig
from optiflow.record.schema import RunRecord


def test_an_outcome_shows_both_sides(finished_record: Callable[..., RunRecord]) -> None:
    """The run's figures hold the comparisons, the baseline's are its own."""
    run, baseline = finished_record(runtime_s=5), finished_record(runtime_s=10)
    outcome = Outcome(run, baseline, judge(run, baseline, CriteriaConfig()))
    assert not outcome.is_baseline
    assert outcome.figures["speedup"] == 2.0
    assert outcome.baseline_figures["runtime_s"] == 10
    assert "speedup" not in outcome.baseline_figures


def test_a_baseline_is_its_own(finished_record: Callable[..., RunRecord]) -> None:
    """Without toggles both sides are one record."""
    run = finished_record()
    assert Outcome(run, run, judge(run, None, CriteriaConfig())).is_baseline
