"""How the gain of all factors together is shared out among them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from optiflow.analysis.experiment.effects import Levels
from optiflow.analysis.experiment.paired import Logs, by_block, interval_of_median, paired_logs
from optiflow.analysis.experiment.results import Sample, ShapleyShare

__all__ = ["MOST_FACTORS", "shapley_shares"]

MOST_FACTORS = 16
"""With more factors there are too many coalitions to add up."""

_Value = Callable[[frozenset[str]], float]


def shapley_shares(
    samples: Sequence[Sample], levels: Levels, factors: Sequence[str], baseline: str
) -> tuple[ShapleyShare, ...]:
    """Each factor's part of ln(all / none): its average contribution over all orders of switching factors on.

    Shapley (1953), "A Value for n-Person Games". The value of a coalition is the median over blocks of
    ln(arm / baseline). Where not every coalition was measured, a model of main effects, and of pairs as far as the
    arms determine them, is fitted to those that were.

    Args:
        samples: The measurements.
        levels: For each arm whether each factor is on.
        factors: In order.
        baseline: The arm with none on.

    Returns:
        A share for each factor; nothing where the arms with none and with all were not both measured, or there are
        more than `MOST_FACTORS`.
    """
    values = by_block(samples)
    before = values.get(baseline, {})
    measured: dict[frozenset[str], float] = {frozenset(): 0.0}
    everything, whole_logs = frozenset(factors), np.array([])
    for arm, on in levels.items():
        logs = paired_logs(values.get(arm, {}), before)
        if arm != baseline and len(logs):
            coalition = frozenset(name for name in factors if on[name])
            measured[coalition] = float(np.median(logs))
            whole_logs = logs if coalition == everything else whole_logs
    if not factors or len(factors) > MOST_FACTORS or not before or everything not in measured:
        return ()
    exact = len(measured) == 2 ** len(factors)
    value = measured.__getitem__ if exact else _modelled(measured, factors)
    parts = {name: _contribution(name, factors, value) for name in factors}
    if not exact:
        # The model may miss the measured total; what is left over is shared evenly.
        rest = (measured[everything] - sum(parts.values())) / len(factors)
        parts = {name: part + rest for name, part in parts.items()}
    whole = measured[everything]
    if not _is_gain(whole_logs):
        # Shares of what may be nothing at all would be any number.
        return tuple(ShapleyShare(name, part, math.nan, exact) for name, part in parts.items())
    return tuple(ShapleyShare(name, part, part / whole, exact) for name, part in parts.items())


def _is_gain(logs: Logs) -> bool:
    """Whether none and all differ beyond doubt; one block tells nothing."""
    if len(logs) < 2:
        return False
    interval = interval_of_median(logs)
    return interval.low > 0 or interval.high < 0


def _contribution(name: str, factors: Sequence[str], value: _Value) -> float:
    others = [other for other in factors if other != name]
    total = 0.0
    for size in range(len(others) + 1):
        weight = 1 / (len(factors) * math.comb(len(others), size))
        for chosen in itertools.combinations(others, size):
            coalition = frozenset(chosen)
            total += weight * (value(coalition | {name}) - value(coalition))
    return total


def _modelled(measured: dict[frozenset[str], float], factors: Sequence[str]) -> _Value:
    """The smallest coefficients of factors and pairs that fit the measured coalitions best."""
    terms = [frozenset(term) for size in (1, 2) for term in itertools.combinations(factors, size)]
    # A pair counts half as much: where the arms leave it open, the factors themselves explain what there is.
    scale = np.array([1.0 / len(term) for term in terms])
    rows = np.array([[float(term <= coalition) for term in terms] for coalition in measured]) * scale
    found = np.linalg.lstsq(rows, np.array(list(measured.values())), rcond=None)[0] * scale

    def value(coalition: frozenset[str]) -> float:
        return float(sum(part for term, part in zip(terms, found, strict=True) if term <= coalition))

    return value
