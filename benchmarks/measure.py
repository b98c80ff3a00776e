"""Timing arms against each other: interleaved, paired, with intervals."""

from __future__ import annotations

import math
import os
import platform
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

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


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
