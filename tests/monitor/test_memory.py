"""Peak memory of a block."""

from __future__ import annotations

import threading
import tracemalloc
from types import SimpleNamespace

import psutil
import pytest

from optiflow.monitor.memory import MemoryProbe


def test_sees_a_peak_at_the_end():
    """What is allocated when the block ends is in the peak."""
    before = psutil.Process().memory_info().rss / 1e6
    with MemoryProbe(interval_s=60) as probe:
        block = bytearray(30_000_000)
        block[::4096] = b"x" * len(block[::4096])
    assert probe.peak_rss_mb >= before + 25
    assert probe.peak_rss_mb - probe.start_rss_mb >= 25
    assert probe.peak_traced_mb is None


def test_samples_in_between(monkeypatch):
    """A peak that is over before the block ends is seen by the sampling thread."""
    peak = threading.Event()
    readings = []

    class Process:
        def memory_info(self):
            readings.append(threading.current_thread().name)
            if threading.current_thread().name == "optiflow-memory":
                peak.set()
                return SimpleNamespace(rss=900_000_000)
            return SimpleNamespace(rss=1_000_000)

    monkeypatch.setattr(psutil, "Process", Process)
    with MemoryProbe(interval_s=0.001) as probe:
        assert peak.wait(10)
    assert probe.peak_rss_mb == 900
    assert readings[0] == readings[-1] == "MainThread"


def test_leaves_no_thread():
    """The sampling thread ends with the block, also when the block raises."""
    threads = threading.active_count()
    with pytest.raises(KeyError), MemoryProbe():
        raise KeyError
    assert threading.active_count() == threads


def test_traces():
    """With traced, Python's own allocations are measured exactly and tracing ends with the block."""
    with MemoryProbe(traced=True) as probe:
        size = len(bytearray(20_000_000))
        assert tracemalloc.is_tracing()
    assert not tracemalloc.is_tracing()
    assert probe.peak_traced_mb == pytest.approx(size / 1e6, rel=0.05)


def test_goes_on_tracing_where_it_was_on():
    """Tracing that someone else started stays on, and only the block's own peak counts from its reset."""
    tracemalloc.start()
    try:
        with MemoryProbe(traced=True) as probe:
            pass
        assert tracemalloc.is_tracing()
        assert probe.peak_traced_mb is not None
    finally:
        tracemalloc.stop()
