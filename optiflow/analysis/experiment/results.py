"""The values that the analysis of an experiment hands on to a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ArmResult",
    "Call",
    "Effect",
    "ExperimentAnalysis",
    "Interval",
    "MetricAnalysis",
    "Sample",
    "ShapleyShare",
]

Call = Literal["faster", "slower", "same", "inconclusive"]
"""``faster`` and ``slower`` also stand for cheaper and dearer. ``same``: the whole interval lies within the smallest
effect that matters."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one figure."""

    arm: str
    block: int
    position: int
    value: float


@dataclass(frozen=True, slots=True)
class ArmResult:
    """An arm against the baseline in one figure."""

    arm: str
    ratio: float
    """Median over blocks of arm / baseline; below 1: less time, fewer tokens, less money."""
    interval: Interval
    """Of the ratio, by bootstrap over blocks."""
    call: Call
    p_value: float | None
    """Adjusted after Holm over the arms; None where there are too few blocks for any."""
    blocks: int
    """Blocks in which both ran."""
    blocks_needed: int | None
    """About how many more blocks would decide; None where it is decided or can't be told."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What switching a factor on, or several together beyond each alone, does on the whole design."""

    factors: tuple[str, ...]
    """One: a main effect. Two or more: an interaction."""
    ratio: float
    """Multiplies the figure; 0.5 halves it."""
    interval: Interval
    share_of_variation: float
    """0 to 1, of the total sum of squares of the logarithms (Jain 1991, chapter 17)."""
    aliased_with: tuple[tuple[str, ...], ...] = ()
    """Effects that this design can't tell from it."""


@dataclass(frozen=True, slots=True)
class ShapleyShare:
    """A factor's part of the whole gain."""

    factor: str
    log_ratio: float
    """The parts of all factors add up to the logarithm of all / none."""
    share: float
    """Of that logarithm; nan where none and all can't be told apart."""
    exact: bool
    """Whether all coalitions were measured; else a model of main effects and pairs fills the gaps."""


@dataclass(frozen=True, slots=True)
class MetricAnalysis:
    """One figure over the whole experiment."""

    figure: str
    """Its name in `optiflow.analysis.figures`, such as ``runtime_s``, ``tokens``, ``cost_usd``, ``peak_rss_mb``."""
    arms: tuple[ArmResult, ...]
    effects: tuple[Effect, ...]
    """Main effects, then interactions of pairs; empty where the design can't give them."""
    shapley: tuple[ShapleyShare, ...]
    warnings: tuple[str, ...]
    """Outliers, drift, too few blocks, noise."""


@dataclass(frozen=True, slots=True)
class ExperimentAnalysis:
    """Everything that the runs of an experiment tell."""

    experiment_id: str
    name: str
    metrics: tuple[MetricAnalysis, ...]
    """The first is the one that decides, ``runtime_s`` unless said otherwise."""
    verdicts: Mapping[str, str]
    """Arm name -> PASS, REGRESSED or INCONCLUSIVE. Equivalence and criteria come before speed."""
    reasons: Mapping[str, str]
    """Arm name -> the first reason for a verdict that is not PASS."""
    complete: bool
    """Whether every planned job has a record of a run that ended."""
    missing: int
    """Planned jobs without one."""
    failed: Mapping[str, int]
    """Arm name -> runs that failed."""
    rollbacks: tuple[ArmResult, ...] = ()
    """Of a rollback design: each rollback against what it rolls back, in the deciding figure; the dearest first."""
