"""What is wrong with the conditions of a measurement: outliers, drift, noise, too few blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from optiflow.analysis.experiment.paired import by_block, paired_logs
from optiflow.analysis.experiment.results import Sample

__all__ = ["ENOUGH_BLOCKS", "warnings_of"]

ENOUGH_BLOCKS = 9
"""With fewer repetitions results are called unreliable."""

_OUTLIER_SCORE = 3.5
_NOISY = 0.1
_SLOW_START = 1.5
_SURE = 0.01


def warnings_of(
    samples: Sequence[Sample], baseline: str, order: Mapping[tuple[str, int], int], min_effect: float
) -> tuple[str, ...]:
    """One line for each thing that should make a reader careful.

    Args:
        samples: The measurements of one figure.
        baseline: The arm that the others are compared with.
        order: The place of each arm and block in the order of execution.
        min_effect: The smallest change that matters, as a share.
    """
    values = by_block(samples)
    blocks = max((len(measured) for measured in values.values()), default=0)
    found = []
    if blocks < ENOUGH_BLOCKS:
        few = "1 block" if blocks == 1 else f"{blocks} blocks"
        found.append(f"unreliable: {few}; below {ENOUGH_BLOCKS} an interval says little")
    found += _outliers(values)
    found += _noise(values, baseline)
    found += _slow_start(samples, order)
    found += _drift(samples, values, order, min_effect)
    return tuple(found)


def _outliers(values: Mapping[str, Mapping[int, float]]) -> list[str]:
    """By the modified z-score of Iglewicz and Hoaglin (1993)."""
    found = []
    for arm, measured in values.items():
        if len(measured) < 5:
            continue
        logs = np.log(np.maximum(list(measured.values()), np.finfo(float).tiny))
        spread = stats.median_abs_deviation(logs, scale="normal")
        if spread == 0:
            continue
        far = np.abs(logs - np.median(logs)) / spread > _OUTLIER_SCORE
        blocks = [str(block) for block, out in zip(measured, far, strict=True) if out]
        if blocks:
            found.append(f"outlier: {arm} in block {', '.join(blocks)}; kept, the median does not heed it")
    return found


def _noise(values: Mapping[str, Mapping[int, float]], baseline: str) -> list[str]:
    spreads = {
        arm: float(np.std(logs, ddof=1))
        for arm, measured in values.items()
        if arm != baseline and len(logs := paired_logs(measured, values.get(baseline, {}))) > 1
    }
    noisy = {arm: spread for arm, spread in spreads.items() if spread >= _NOISY}
    if not noisy:
        return []
    worst = max(noisy, key=noisy.__getitem__)
    return [
        f"noisy: {len(noisy)} of {len(spreads)} arms scatter by 10 % or more over blocks, "
        f"{worst} most ({noisy[worst]:.0%})"
    ]


def _slow_start(samples: Sequence[Sample], order: Mapping[tuple[str, int], int]) -> list[str]:
    """Whether the very first run cost far more than the same arm did later: what it loaded, the others found there."""
    placed = [sample for sample in samples if sample.value > 0 and (sample.arm, sample.block) in order]
    first = min(placed, key=lambda sample: order[sample.arm, sample.block], default=None)
    if first is None:
        return []
    later = [sample.value for sample in placed if sample.arm == first.arm and sample.block != first.block]
    times = first.value / float(np.median(later)) if later else 1.0
    if times < _SLOW_START:
        return []
    return [
        f"slow start: the first run of all ({first.arm}) took {times:.1f} times what the same arm took later; "
        "its process loaded what the others found loaded"
    ]


def _drift(
    samples: Sequence[Sample],
    values: Mapping[str, Mapping[int, float]],
    order: Mapping[tuple[str, int], int],
    min_effect: float,
) -> list[str]:
    """A trend over the whole experiment, once each arm's own level is taken out."""
    usable = [sample for sample in samples if sample.value > 0 and (sample.arm, sample.block) in order]
    if len({sample.block for sample in usable}) < 3:
        return []
    middle = {
        arm: float(np.median(np.log([value for value in measured.values() if value > 0] or [1.0])))
        for arm, measured in values.items()
    }
    places = np.array([order[sample.arm, sample.block] for sample in usable], dtype=float)
    rest = np.array([np.log(sample.value) - middle[sample.arm] for sample in usable])
    if np.ptp(rest) == 0:
        return []
    trend = stats.theilslopes(rest, places)
    change = float(np.expm1(trend.slope * np.ptp(places)))
    if stats.kendalltau(places, rest).pvalue < _SURE and abs(change) > min_effect:
        return [f"drift: {change:+.1%} from the first run to the last; blocks in snake order keep most of it out"]
    return []
