"""Runs held against their baseline and their criteria."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.analysis.verdict import CriterionResult, judge
from optiflow.config.criteria import CriteriaConfig, Criterion, Reference
from optiflow.record.schema import Output, RunRecord, Tokens

Make = Callable[..., RunRecord]


def _criteria(*criteria: dict[str, Any], reference: Reference | None = None) -> CriteriaConfig:
    return CriteriaConfig(reference=reference, criteria=tuple(Criterion(name="c", **each) for each in criteria))


def _one(
    record: RunRecord, baseline: RunRecord | None, reference: Reference | None = None, **bound: Any
) -> CriterionResult:
    (result,) = judge(record, baseline, _criteria(bound, reference=reference)).criteria
    return result


def test_a_run_that_meets_everything_passes(finished_record: Make) -> None:
    """Equal answers and criteria that hold: PASS, 0."""
    verdict = judge(finished_record(), finished_record(), _criteria({"figure": "runtime_s", "at_most": 10}))
    assert (verdict.outcome, verdict.exit_code) == ("PASS", 0)
    assert verdict.outputs_equal is True
    assert verdict.difference is None
    assert verdict.figures["speedup"] == 1.0


def test_a_different_answer_is_a_regression_whatever_the_criteria(finished_record: Make) -> None:
    """Equality is the first gate, and the first difference is named."""
    changed = finished_record(output=Output(state={"brief": "other"}, sha256="0" * 64, text="other"))
    verdict = judge(changed, finished_record(), CriteriaConfig())
    assert (verdict.outcome, verdict.exit_code) == ("REGRESSED", 3)
    assert verdict.outputs_equal is False
    assert verdict.difference is not None
    assert verdict.difference.startswith("$.brief: ")


def _answered(make: Make, **state: Any) -> RunRecord:
    return make(output=Output(state=state, sha256="0" * 64))


def test_what_the_baseline_does_not_have_with_itself_is_told_first(finished_record: Make) -> None:
    """A time stamp differs between any two runs; beside it the answer is wrong. The order of keys says nothing."""
    first, second = (_answered(finished_record, at=number, brief="right", list=["a", number]) for number in (1, 2))
    wrong = _answered(finished_record, list=["b", 3], brief="wrong", at=3)
    verdict = judge(wrong, first, CriteriaConfig(), again=[second])
    assert verdict.differences == ("$.brief: 'right' != 'wrong'", "$.list[0]: 'a' != 'b'")
    assert verdict.difference == verdict.differences[0]
    assert verdict.varying == ("$.at", "$.list[1]")
    alone = judge(wrong, first, CriteriaConfig())
    assert (alone.difference, len(alone.differences), alone.varying) == ("$.at: 1 != 3", 4, ())


def test_where_only_the_baseline_s_own_places_differ_the_exit_code_stays(finished_record: Make) -> None:
    """Nothing is proved either way: it is a difference, which is said to be the baseline's own."""
    first, second, third = (_answered(finished_record, at=number) for number in (1, 2, 3))
    verdict = judge(third, first, CriteriaConfig(), again=[second])
    assert (verdict.exit_code, verdict.outputs_equal, verdict.differences) == (3, False, ())
    assert (verdict.difference, verdict.varying) == ("$.at: 1 != 3", ("$.at",))
    missing = judge(_answered(finished_record), first, CriteriaConfig(), again=[second])
    assert missing.differences == ("$.at: 1 != (nothing)",)


def test_an_answer_that_is_not_there_differs(finished_record: Make) -> None:
    """A run without an output is not equal to one with."""
    assert judge(finished_record(output=None), finished_record(), CriteriaConfig()).outputs_equal is False


def test_a_failed_criterion_is_a_regression(finished_record: Make) -> None:
    """One bound that does not hold is enough."""
    verdict = judge(finished_record(), finished_record(), _criteria({"figure": "runtime_s", "at_most": 9}))
    assert (verdict.outcome, verdict.exit_code) == ("REGRESSED", 3)


def test_tokens_over_baseline_are_judged_at_their_price(finished_record: Make) -> None:
    """As many as before, but read from the provider's cache no more: it fails, and says what was judged."""
    bound: dict[str, Any] = {"figure": "tokens_ratio", "at_most": 1.0}
    cached = finished_record(tokens=Tokens(prompt=80, completion=20, total=100, cache_read=80, priced=28.0))
    fresh = finished_record(tokens=Tokens(prompt=80, completion=20, total=100, priced=100.0))
    older = finished_record(tokens=Tokens(prompt=80, completion=20, total=100))
    result = _one(fresh, cached, **bound)
    assert (result.passed, result.note) == (False, "cached tokens at their price")
    assert _one(cached, fresh, **bound).passed is True
    result = _one(cached, older, **bound)
    assert (result.value, result.passed, result.note) == (1.0, True, "cached tokens in full")
    assert _one(fresh, fresh, **bound).note == ""


def test_a_run_that_did_not_finish_is_inconclusive(finished_record: Make) -> None:
    """Neither pass nor regression can be said of it."""
    verdict = judge(finished_record(status="interrupted"), finished_record(), CriteriaConfig())
    assert (verdict.outcome, verdict.exit_code) == ("INCONCLUSIVE", 125)


def test_a_baseline_alone_is_compared_with_nothing(finished_record: Make) -> None:
    """Its criteria are judged, its answer is not."""
    verdict = judge(finished_record(), None, _criteria({"figure": "tokens", "equals": 100}))
    assert verdict.outputs_equal is None
    assert verdict.outcome == "PASS"
    assert "speedup" not in verdict.figures


@pytest.mark.parametrize(
    ("bound", "passed"),
    [
        ({"figure": "runtime_s", "at_most": 10}, True),
        ({"figure": "runtime_s", "at_most": 9.99}, False),
        ({"figure": "success_rate", "at_least": 1.0}, True),
        ({"figure": "score", "at_least": 0.995}, False),
        ({"figure": "tokens", "equals": 100}, True),
        ({"figure": "tokens", "equals": 99}, False),
        ({"figure": "grade", "at_least": "A+"}, True),
        ({"figure": "grade", "at_least": "B"}, True),
    ],
)
def test_bounds_include_their_ends(finished_record: Make, bound: dict[str, Any], passed: bool) -> None:
    """At most, at least and equal, for figures and grades."""
    assert _one(finished_record(), None, **bound).passed is passed


def test_a_grade_below_the_bound_fails(finished_record: Make) -> None:
    """Grades are ordered from A+ down, not by the alphabet."""
    assert _one(finished_record(grade="A"), None, figure="grade", at_least="A+").passed is False


def test_what_needs_a_toggle_is_not_judged_without_it(finished_record: Make) -> None:
    """The missing toggles are named; with them it is judged."""
    bound: dict[str, Any] = {"figure": "runtime_s", "at_most": 1, "needs": ("cache", "parallel")}
    without = _one(finished_record(toggles={"cache": True}), None, **bound)
    assert without.passed is None
    assert without.note == "needs parallel"
    assert _one(finished_record(toggles={"cache": True, "parallel": True}), None, **bound).passed is False


@pytest.mark.parametrize(
    ("reference", "passed", "note"),
    [
        (Reference(runtime_s=10, tokens=100, tolerance=0.05), False, ""),
        (Reference(runtime_s=20, tokens=100, tolerance=0.05), None, "not the reference baseline"),
        (Reference(runtime_s=10, tokens=200, tolerance=0.05), None, "not the reference baseline"),
        (None, None, "not the reference baseline"),
    ],
)
def test_absolute_limits_speak_of_the_reference_only(
    finished_record: Make, reference: Reference | None, passed: bool | None, note: str
) -> None:
    """It is the baseline that has to be near the reference, not the run."""
    result = _one(
        finished_record(runtime_s=7), finished_record(), reference, figure="runtime_s", at_most=5, absolute=True
    )
    assert (result.passed, result.note) == (passed, note)


def test_a_figure_that_the_run_has_not_is_not_judged(finished_record: Make) -> None:
    """It is said rather than passed or failed, and fails no run."""
    verdict = judge(finished_record(grade=None), None, _criteria({"figure": "grade", "at_least": "A+"}))
    assert verdict.criteria == (CriterionResult("c", "grade", ">= A+", None, None, "no such figure in this run"),)
    assert verdict.outcome == "PASS"
