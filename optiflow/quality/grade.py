"""Grades, from A+ to F, and the thresholds by which scores earn them.

Both scales were written down before anything was measured with them.

*Facts* (`FACT_THRESHOLDS`): the score is the share of facts that are right minus the share that are wrong, for a
wrong fact does more harm than a missing one. The steps are those of the common plus/minus scale of schools (93 an A,
90 an A-, and so on in threes and fours), with A+ from 98: of twelve packages with six facts each, one missing fact is
allowed and a lost package is not.

*Reference* (`REFERENCE_THRESHOLDS`): the score is the ROUGE-1 F-measure with stemming. Two people who summarise the
same texts don't agree word for word: on Multi-News, summaries of several news reports, the model of its authors reaches
0.43 (Fabbri et al., 2019). So A begins there, A+ a little above, and F ends at 0.20, in even steps. Mind what was found
afterwards: English texts of one kind on different matters, equally long, score 0.17 to 0.35 against each other. C and
below therefore say little more than that the language is the same. A length far from the reference's costs much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from optiflow.errors import ConfigurationError

__all__ = ["FACT_THRESHOLDS", "GRADES", "REFERENCE_THRESHOLDS", "Grade", "grade_of", "grade_position"]

Grade = Literal["A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "D-", "F"]
"""A grade."""

GRADES: tuple[Grade, ...] = get_args(Grade)
"""Every grade, the best first."""

FACT_THRESHOLDS: Mapping[Grade, float] = {
    "A+": 0.98,
    "A": 0.93,
    "A-": 0.90,
    "B+": 0.87,
    "B": 0.83,
    "B-": 0.80,
    "C+": 0.77,
    "C": 0.73,
    "C-": 0.70,
    "D+": 0.67,
    "D": 0.63,
    "D-": 0.60,
}
"""The lowest score of each grade, for scores of facts; below all of them is F."""

REFERENCE_THRESHOLDS: Mapping[Grade, float] = {
    "A+": 0.45,
    "A": 0.43,
    "A-": 0.41,
    "B+": 0.38,
    "B": 0.36,
    "B-": 0.34,
    "C+": 0.31,
    "C": 0.29,
    "C-": 0.27,
    "D+": 0.24,
    "D": 0.22,
    "D-": 0.20,
}
"""The lowest score of each grade, for scores against a reference; below all of them is F."""


def grade_of(score: float, thresholds: Mapping[Grade, float]) -> Grade:
    """The best grade whose threshold a score reaches."""
    return next((grade for grade in GRADES if score >= thresholds.get(grade, float("inf"))), "F")


def grade_position(grade: str) -> int:
    """The place of a grade among `GRADES`: 0 for A+, one more for each step below.

    Raises:
        ConfigurationError: There is no such grade.
    """
    for position, known in enumerate(GRADES):
        if known == grade:
            return position
    raise ConfigurationError(f"no grade {grade!r}; known: {', '.join(GRADES)}")
