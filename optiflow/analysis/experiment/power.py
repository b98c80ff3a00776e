"""How many blocks an answer takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["MOST_BLOCKS", "Outlook", "blocks_to_detect", "more_blocks", "outlook", "power"]

MOST_BLOCKS = 100_000
"""Beyond this many blocks a question counts as one that blocks can't decide."""

ASSUMED_SPREADS = (0.01, 0.05)
"""Of a quiet and of a busy machine, where no earlier runs tell."""

_FEWEST_RUNS = 4


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many blocks find a change, if ratios scatter so much."""

    change: float
    """As a share, such as 0.05 for 5 %."""
    spread: float
    """Standard deviation of ln(arm / baseline) over blocks."""
    runs: int
    """Earlier runs that the spread was measured on; 0: it is assumed."""
    blocks: int | None
    """None where more than `MOST_BLOCKS` would be needed."""


def power(blocks: int, effect: float, spread: float, *, level: float = 0.95) -> float:
    """The chance that an effect is found.

    Student's paired test on logarithms: the square of its statistic has, under the effect, a noncentral F distribution
    with 1 and n - 1 degrees of freedom (Cohen 1988, chapter 8).

    Args:
        blocks: Pairs that are measured, two or more.
        effect: The true ln(arm / baseline).
        spread: Standard deviation of ln(arm / baseline) over blocks.
        level: Of confidence.
    """
    if spread == 0:
        return float(effect != 0)
    freedom = blocks - 1
    critical = stats.f.ppf(level, 1, freedom)
    return float(stats.ncf.sf(critical, 1, freedom, blocks * (effect / spread) ** 2))


def blocks_to_detect(change: float, spread: float, *, wanted: float = 0.8, level: float = 0.95) -> int | None:
    """The fewest blocks that find a change with some certainty.

    Args:
        change: As a share, such as 0.05 for 5 %.
        spread: Standard deviation of ln(arm / baseline) over blocks.
        wanted: The chance of finding it.
        level: Of confidence.

    Returns:
        None where more than `MOST_BLOCKS` would be needed.
    """
    effect = float(np.log1p(change))
    low, high = 1, 2
    while power(high, effect, spread, level=level) < wanted:
        low, high = high, high * 2
        if high > MOST_BLOCKS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, effect, spread, level=level) >= wanted else (middle, high)
    return high


def outlook(change: float, earlier: Sequence[float], *, arms: int = 1) -> tuple[Outlook, ...]:
    """How many blocks find a change, before anything has run.

    Two runs that follow each other are as a pair in a block: the spread is the root of their mean square successive
    difference (von Neumann et al. 1941, "The Mean Square Successive Difference"), which a slow drift does not widen.

    Args:
        change: As a share, such as 0.05 for 5 %.
        earlier: The figure in earlier runs of the same configuration, in the order in which they ran.
        arms: How many are compared with the baseline: the smallest p-value has to bear Holm's correction for all.

    Returns:
        One for the measured spread, or one for each assumed one where there are too few earlier runs.
    """
    measured = np.array([value for value in earlier if value > 0])
    level = 1 - 0.05 / arms
    if len(measured) < _FEWEST_RUNS:
        return tuple(
            Outlook(change, spread, 0, blocks_to_detect(change, spread, level=level)) for spread in ASSUMED_SPREADS
        )
    spread = float(np.sqrt(np.mean(np.diff(np.log(measured)) ** 2)))
    return (Outlook(change, spread, len(measured), blocks_to_detect(change, spread, level=level)),)


def more_blocks(logs: NDArray[np.float64], min_effect: float, *, level: float = 0.95) -> int | None:
    """About how many blocks more would decide, if what was seen so far is the truth.

    A change that matters is decided once the interval excludes none; a smaller one once the whole interval lies
    within the smallest change that matters.

    Args:
        logs: ln(arm / baseline) of the blocks so far.
        min_effect: The smallest change that matters, as a share.
        level: Of confidence that a change which matters has to reach, Holm's correction counted in.

    Returns:
        None where more than `MOST_BLOCKS` would be needed.
    """
    spread = float(np.std(logs, ddof=1))
    matters, seen = float(np.log1p(min_effect)), abs(float(np.median(logs)))
    margin = seen if seen > matters else matters - seen
    if margin <= 0:
        return None
    # That a change does not matter is told by its interval alone, which nothing corrects.
    needed = blocks_to_detect(float(np.expm1(margin)), spread, level=level if seen > matters else 0.95)
    # What is undecided takes one block at least, however the estimate came out.
    return None if needed is None else max(1, needed - len(logs))
