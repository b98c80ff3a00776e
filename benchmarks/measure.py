"""Timing arms against each other: interleaved, paired, with intervals."""

from __future__ import annotations

import math
import platform
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from optiflow.record.environment import capture, code_digest

__all__ = ["Interval", "interleave", "machine", "median_interval", "ratio_interval"]

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its 95 % bootstrap interval (percentile method; Efron and Tibshirani, 1993, ch. 13)."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.4g} [{self.low:.4g}, {self.high:.4g}]"


def interleave(arms: Mapping[str, Callable[[], None]], repetitions: int) -> dict[str, list[float]]:
    """Run every arm once per repetition, in snake order after an unmeasured round: drift hits all alike.

    Args:
        arms: What to time, by name.
        repetitions: Rounds; the n-th sample of each arm belongs to the same round.

    Returns:
        Seconds of each call, by arm.
    """
    samples: dict[str, list[float]] = {name: [] for name in arms}
    for arm in arms.values():
        arm()
    order = list(arms)
    for _ in range(repetitions):
        for name in order:
            started = perf_counter()
            arms[name]()
            samples[name].append(perf_counter() - started)
        order.reverse()
    return samples


def median_interval(samples: Sequence[float], seed: int = 0) -> Interval:
    """The median of ``samples`` and its interval."""
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(samples, k=len(samples))) for _ in range(RESAMPLES))
    return Interval(statistics.median(samples), medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)])


def ratio_interval(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Interval:
    """How many times ``a`` is ``b``: the median of the ratios of each round, with its interval."""
    logs = median_interval([math.log(x / y) for x, y in zip(a, b, strict=True)], seed)
    return Interval(math.exp(logs.median), math.exp(logs.low), math.exp(logs.high))


def machine() -> dict[str, object]:
    """What the figures were measured on, and with; nothing that names the machine."""
    seen = capture(Path(__file__).parent)
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": seen.python,
        "system": f"{platform.system()} {kernel} {platform.machine()}",
        "processor": seen.cpu,
        "cpus": seen.cpu_count,
        "load_1min": None if seen.load is None else round(seen.load[0], 2),
        "packages": seen.packages,
        "git_commit": seen.git_commit,
        "git_dirty": seen.git_dirty,
        "code_sha256": code_digest(),
    }
