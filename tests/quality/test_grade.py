"""Grades."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.errors import ConfigurationError
from optiflow.quality.grade import FACT_THRESHOLDS, GRADES, REFERENCE_THRESHOLDS, grade_of, grade_position


@pytest.mark.parametrize("thresholds", [FACT_THRESHOLDS, REFERENCE_THRESHOLDS])
def test_thresholds_fall_from_grade_to_grade(thresholds: dict[str, float]) -> None:
    """Every grade but the last has one, and each is lower than the one before."""
    assert tuple(thresholds) == GRADES[:-1]
    assert all(better > worse for better, worse in pairwise(thresholds.values()))


@pytest.mark.parametrize(
    ("score", "grade"), [(1.0, "A+"), (0.98, "A+"), (0.9799, "A"), (0.9, "A-"), (0.6, "D-"), (0.5999, "F"), (0.0, "F")]
)
def test_a_score_earns_the_grade_whose_threshold_it_reaches(score: float, grade: str) -> None:
    """The threshold itself is enough."""
    assert grade_of(score, FACT_THRESHOLDS) == grade


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_better_score_never_earns_a_worse_grade(one: float, other: float) -> None:
    """Grades follow scores."""
    low, high = sorted((one, other))
    assert grade_position(grade_of(high, FACT_THRESHOLDS)) <= grade_position(grade_of(low, FACT_THRESHOLDS))


def test_positions_count_the_steps_below_the_best() -> None:
    """So that two grades can be compared by number."""
    assert [grade_position(grade) for grade in GRADES] == list(range(13))
    with pytest.raises(ConfigurationError, match=r"no grade 'E'; known: A\+, A, "):
        grade_position("E")
