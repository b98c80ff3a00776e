"""Arms against the baseline, block by block, on the logarithms of their ratios."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from optiflow.analysis.experiment.power import more_blocks
from optiflow.analysis.experiment.results import ArmResult, Call, Interval, Sample

__all__ = ["Logs", "by_block", "compare_arms", "holm", "interval_of_median", "paired_logs"]

Logs = NDArray[np.float64]
"""Natural logarithms of ratios, one a block."""

_RESAMPLES = 4999
_ROUNDING = 1e-12
_FEWEST_TO_RESAMPLE = 6
"""With fewer values even the range of all of them covers the median less often than 95 times in 100."""


def by_block(samples: Sequence[Sample]) -> Mapping[str, Mapping[int, float]]:
    """The value of each arm in each block."""
    values: dict[str, dict[int, float]] = {}
    for sample in samples:
        values.setdefault(sample.arm, {})[sample.block] = sample.value
    return values


def paired_logs(arm: Mapping[int, float], baseline: Mapping[int, float]) -> Logs:
    """ln(arm / baseline) of each block in which both were measured and are above zero, in the order of blocks."""
    shared = sorted(block for block in arm.keys() & baseline.keys() if arm[block] > 0 and baseline[block] > 0)
    return np.log([arm[block] / baseline[block] for block in shared])


def interval_of_median(logs: Logs, *, level: float = 0.95, seed: int = 0) -> Interval:
    """A bootstrap interval of the median of at least two values.

    The percentile interval of `scipy.stats.bootstrap`, at a level that is widened for small samples as in Hesterberg
    (2015), "What Teachers Should Know About the Bootstrap", section 3.2: the plain one is too narrow by about
    sqrt((n - 1) / n) and by normal instead of Student quantiles. Fewer than six values, which no resampling can
    stretch, get Student's interval of the mean.

    Args:
        logs: The values.
        level: Of confidence.
        seed: Of the resampling.
    """
    count = len(logs)
    if not _scatters(logs):
        return Interval(float(logs[0]), float(logs[0]), level)
    tail = stats.t.ppf((1 - level) / 2, count - 1)
    if count < _FEWEST_TO_RESAMPLE:
        half = -tail * stats.sem(logs)
        centre = float(np.mean(logs))
        return Interval(centre - float(half), centre + float(half), level)
    widened = 1 - 2 * stats.norm.cdf(np.sqrt(count / (count - 1)) * tail)
    found = stats.bootstrap(
        (logs,),
        np.median,
        n_resamples=_RESAMPLES,
        confidence_level=float(widened),
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(found.low), float(found.high), level)


def compare_arms(
    samples: Sequence[Sample], baseline: str, *, min_effect: float, seed: int = 0
) -> tuple[ArmResult, ...]:
    """Every arm against the baseline in one figure of which less is better.

    Args:
        samples: The measurements of all arms.
        baseline: Name of the arm that the others are compared with.
        min_effect: The smallest change that matters, as a share.
        seed: Of the resampling.

    Returns:
        A result for each arm that was measured together with the baseline, in the order in which the arms first
        occur; a single block gives a ratio and decides nothing.
    """
    values = by_block(samples)
    before = values.get(baseline, {})
    logs = {arm: paired_logs(measured, before) for arm, measured in values.items() if arm != baseline}
    logs = {arm: of_arm for arm, of_arm in logs.items() if len(of_arm)}
    tested = {arm: of_arm for arm, of_arm in logs.items() if len(of_arm) > 1}
    adjusted = dict(zip(tested, holm([_p_value(of_arm) for of_arm in tested.values()]), strict=True))
    corrected = 1 - 0.05 / max(1, len(tested))
    return tuple(_result(arm, of_arm, adjusted.get(arm), min_effect, corrected, seed) for arm, of_arm in logs.items())


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that the chance of any false finding stays below the level (Holm 1979), in their order."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors))
    adjusted = np.empty(len(p_values))
    adjusted[order] = stepped
    return [float(value) for value in adjusted]


def _scatters(logs: Logs) -> bool:
    """Whether values differ by more than the rounding of their quotients."""
    return bool(np.ptp(logs) > _ROUNDING)


def _p_value(logs: Logs) -> float:
    """Of no change, by Student's test on the logarithms; values that do not scatter leave no doubt."""
    if not _scatters(logs):
        return 1.0 if abs(logs[0]) < _ROUNDING else 0.0
    return float(stats.ttest_1samp(logs, 0.0).pvalue)


def _result(arm: str, logs: Logs, p_value: float | None, min_effect: float, corrected: float, seed: int) -> ArmResult:
    if p_value is None:
        return ArmResult(arm, float(np.exp(logs[0])), Interval(0.0, math.inf), "inconclusive", None, 1, None)
    interval = interval_of_median(logs, seed=seed)
    call = _call(float(np.median(logs)), interval, p_value, min_effect)
    return ArmResult(
        arm=arm,
        ratio=float(np.exp(np.median(logs))),
        interval=Interval(float(np.exp(interval.low)), float(np.exp(interval.high)), interval.level),
        call=call,
        p_value=p_value,
        blocks=len(logs),
        blocks_needed=more_blocks(logs, min_effect, level=corrected) if call == "inconclusive" else None,
    )


def _call(median: float, interval: Interval, p_value: float, min_effect: float) -> Call:
    """Something is faster or slower if the interval excludes none, the test agrees, and the change matters."""
    matters = float(np.log1p(min_effect))
    if -matters <= interval.low and interval.high <= matters:
        return "same"
    if p_value < 1 - interval.level and abs(median) > matters:
        if interval.high < 0:
            return "faster"
        if interval.low > 0:
            return "slower"
    return "inconclusive"
