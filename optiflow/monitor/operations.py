"""What the durations of operations are collected in, and how they are summed up."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

__all__ = ["OperationReport", "PerformanceMonitor"]

DEFAULT_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class OperationReport:
    """The durations of one operation; all times in seconds."""

    operation: str
    """The name given to `performance_monitor`."""

    count: int
    """Finished calls, failed ones included."""

    failures: int
    """Calls that ended in an exception; cancelled calls are not failures."""

    total_s: float
    """Sum over all calls."""

    mean_s: float
    """Total over count."""

    min_s: float
    """The shortest call."""

    max_s: float
    """The longest call."""

    p50_s: float
    """Median of the samples held."""

    p95_s: float
    """95th percentile of the samples held."""

    @property
    def success_rate(self) -> float:
        """Share of the calls that did not fail."""
        return 1.0 - self.failures / self.count


class _Series:
    """The durations of one operation, in bounded memory."""

    __slots__ = ("count", "failures", "longest", "samples", "shortest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.failures = 0
        self.total = 0.0
        self.shortest = float("inf")
        self.longest = 0.0
        self.samples: list[float] = []


class PerformanceMonitor:
    """Collects the durations of operations, from any thread.

    Percentiles are taken from a uniform sample of bounded size (Vitter's reservoir, algorithm R), so they
    are exact while an operation has no more calls than that.

    Args:
        samples: Durations held per operation.
    """

    def __init__(self, samples: int = DEFAULT_SAMPLES) -> None:
        self._samples = samples
        self._series: dict[str, _Series] = {}
        self._lock = threading.Lock()
        # A generator of its own: the application's random numbers must not depend on whether it is watched.
        self._random = random.Random(0).random

    def record(self, operation: str, duration_s: float, *, failed: bool = False) -> None:
        """Add one call of ``operation``."""
        with self._lock:
            series = self._series.get(operation)
            if series is None:
                series = self._series[operation] = _Series()
            series.count += 1
            series.failures += failed
            series.total += duration_s
            if duration_s < series.shortest:
                series.shortest = duration_s
            if duration_s > series.longest:
                series.longest = duration_s
            if series.count <= self._samples:
                series.samples.append(duration_s)
            else:
                place = int(self._random() * series.count)
                if place < self._samples:
                    series.samples[place] = duration_s

    def report(self) -> tuple[OperationReport, ...]:
        """One row per operation so far, by name."""
        with self._lock:
            return tuple(_row(name, series) for name, series in sorted(self._series.items()))


def _row(operation: str, series: _Series) -> OperationReport:
    ordered = sorted(series.samples)
    return OperationReport(
        operation=operation,
        count=series.count,
        failures=series.failures,
        total_s=series.total,
        mean_s=series.total / series.count,
        min_s=series.shortest,
        max_s=series.longest,
        p50_s=_percentile(ordered, 0.50),
        p95_s=_percentile(ordered, 0.95),
    )


def _percentile(ordered: list[float], share: float) -> float:
    """Linear interpolation between the nearest ranks (type 7 of Hyndman and Fan, 1996)."""
    rank = share * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])
