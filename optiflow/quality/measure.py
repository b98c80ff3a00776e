"""The quality of a workflow's text: by the truth where it is known, else by a reference where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from optiflow.quality.facts import Fact, check_facts
from optiflow.quality.grade import FACT_THRESHOLDS, REFERENCE_THRESHOLDS, Grade, grade_of
from optiflow.quality.reference import rouge
from optiflow.workflow.truth import PackageTruth

__all__ = ["Quality", "measure", "measure_by_reference", "measure_by_truth"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a text is."""

    kind: Literal["truth", "reference"]
    """What it was held against."""

    score: float
    """From 0 to 1; `optiflow.quality.grade` says what it is made of."""

    grade: Grade
    """The grade that the score earns."""

    right: int | None = None
    """Facts stated truly; None against a reference."""

    missing: int | None = None
    """Facts not stated; None against a reference."""

    wrong: int | None = None
    """Facts stated falsely; None against a reference."""

    rouge: Mapping[str, float] = field(default_factory=dict)
    """F-measures against the reference, by name."""

    faults: tuple[Fact, ...] = ()
    """The facts that are not right."""


def measure(text: str, *, truth: Mapping[str, PackageTruth] | None, reference: str | None) -> Quality | None:
    """Judge a text by whatever there is to hold it against; None where there is nothing.

    Raises:
        ConfigurationError: A reference is given and the extra ``quality`` is not installed.
    """
    if truth is not None:
        return measure_by_truth(text, truth)
    return None if reference is None else measure_by_reference(text, reference)


def measure_by_truth(text: str, truth: Mapping[str, PackageTruth]) -> Quality:
    """Judge a brief on packages by what is true of them.

    Args:
        text: The brief, in Markdown.
        truth: The facts, by normalized name; not empty.
    """
    facts = check_facts(text, truth)
    outcomes = [fact.outcome for fact in facts]
    right, missing, wrong = (outcomes.count(outcome) for outcome in ("right", "missing", "wrong"))
    score = max(0.0, (right - wrong) / len(facts))
    faults = tuple(fact for fact in facts if fact.outcome != "right")
    return Quality("truth", score, grade_of(score, FACT_THRESHOLDS), right, missing, wrong, faults=faults)


def measure_by_reference(text: str, reference: str) -> Quality:
    """Judge a text by somebody else's on the same matter.

    Raises:
        ConfigurationError: The extra ``quality`` is not installed.
    """
    scores = rouge(text, reference)
    return Quality("reference", scores["rouge1"], grade_of(scores["rouge1"], REFERENCE_THRESHOLDS), rouge=scores)
