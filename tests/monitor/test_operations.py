"""Tests of collecting durations."""

from __future__ import annotations

import random
import statistics
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.monitor.operations import PerformanceMonitor

durations = st.lists(st.floats(min_value=0, max_value=1e3), min_size=2, max_size=60)


@given(durations)
def test_figures_are_those_of_the_durations(values: list[float]) -> None:
    """Count, total, extremes and percentiles are exact while all samples are held."""
    monitor = PerformanceMonitor()
    for value in values:
        monitor.record("op", value)
    (row,) = monitor.report()
    assert (row.count, row.min_s, row.max_s) == (len(values), min(values), max(values))
    assert row.total_s == pytest.approx(sum(values))
    assert row.mean_s == pytest.approx(statistics.fmean(values))
    assert row.p50_s == pytest.approx(statistics.median(values))
    assert row.p95_s == pytest.approx(statistics.quantiles(values, n=20, method="inclusive")[18])


def test_memory_is_bounded_and_the_sample_fair() -> None:
    """Of many calls a bounded, uniform sample is held; counts and totals stay exact."""
    monitor = PerformanceMonitor(samples=100)
    for number in range(10_000):
        monitor.record("op", float(number))
    (row,) = monitor.report()
    assert (row.count, row.max_s, row.total_s) == (10_000, 9999, sum(range(10_000)))
    assert 3000 < row.p50_s < 7000
    assert len(monitor._series["op"].samples) == 100


def test_the_applications_random_numbers_are_left_alone() -> None:
    """Watching does not draw from the generator that the application uses."""
    monitor = PerformanceMonitor(samples=1)
    random.seed(1)
    before = random.getstate()
    for _ in range(10):
        monitor.record("op", 1.0)
    assert random.getstate() == before


def test_rows_come_by_name_and_threads_lose_nothing() -> None:
    """Concurrent records all count."""
    monitor = PerformanceMonitor()

    def record(name: str) -> None:
        for _ in range(1000):
            monitor.record(name, 1.0, failed=True)

    threads = [threading.Thread(target=record, args=(name,)) for name in ("b", "a") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(row.operation, row.count, row.failures) for row in monitor.report()] == [
        ("a", 3000, 3000),
        ("b", 3000, 3000),
    ]


def test_without_calls_there_are_no_rows() -> None:
    """An idle monitor reports nothing."""
    assert PerformanceMonitor().report() == ()
