"""One line of the checklist with the figure behind it, and how alternatives are timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Line", "Paired", "paired", "reduction_line"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a phase's check."""

    text: str
    """What the checklist asks for."""
    passed: bool
    measured: str
    """The figure that decided it, in words."""

    def __str__(self) -> str:
        return f"{'✅' if self.passed else '❌'} {self.text}  ({self.measured})"


@dataclass(frozen=True, slots=True)
class Paired:
    """Seconds of the same work with and without a toggle, one pair a repetition."""

    without: Sequence[float]
    with_toggle: Sequence[float]

    @property
    def reductions(self) -> list[float]:
        """Share of the time saved, pair by pair."""
        return [1 - b / a for a, b in zip(self.without, self.with_toggle, strict=True)]

    @property
    def reduction(self) -> float:
        """Median share of the time saved."""
        return statistics.median(self.reductions)


def paired(
    without: Callable[[], object],
    with_toggle: Callable[[], object],
    repetitions: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> Paired:
    """Time two ways of doing the same work in turn, after one round that is not counted.

    The order alternates from pair to pair, so that a drift of the machine's speed favours neither.

    Args:
        without: The work as it is without the toggle.
        with_toggle: The same work with it.
        repetitions: Counted pairs.
        clock: What tells the time, in seconds.
    """

    def seconds(work: Callable[[], object]) -> float:
        start = clock()
        work()
        return clock() - start

    pairs = []
    for index in range(repetitions + 1):
        if index % 2:
            second = seconds(with_toggle)
            first = seconds(without)
        else:
            first = seconds(without)
            second = seconds(with_toggle)
        pairs.append((first, second))
    counted = pairs[1:]
    return Paired([a for a, _ in counted], [b for _, b in counted])


def reduction_line(text: str, measured: Paired, at_least: float) -> Line:
    """A line that passes where the median reduction is larger than ``at_least``."""
    reductions = measured.reductions
    shown = (
        f"{measured.reduction:.0%} less, {min(reductions):.0%} to {max(reductions):.0%} in {len(reductions)} pairs: "
        f"{_duration(statistics.median(measured.without))} → {_duration(statistics.median(measured.with_toggle))}"
    )
    return Line(text, measured.reduction > at_least, shown)


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.2f} µs"
