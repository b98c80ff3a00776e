"""How much memory a block of code needed at its peak."""

from __future__ import annotations

import threading
import tracemalloc
from types import TracebackType

import psutil

__all__ = ["MemoryProbe"]

_MB = 1e6


class MemoryProbe:
    """Context manager, for one use, that takes the peak of the process's resident memory during the block.

    Resident memory is read at the start, every ``interval_s`` by a thread of its own, and at the end, so a
    peak shorter than the interval may be missed. One reading costs some 10 µs. The traced peak misses nothing
    that Python allocates, but tracing slows the block down.

    Args:
        traced: Whether to take the peak of memory that Python allocated, too.
        interval_s: Real seconds between readings.
    """

    def __init__(self, *, traced: bool = False, interval_s: float = 0.02) -> None:
        self._traced = traced
        self._interval_s = interval_s
        self._process = psutil.Process()
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._watch, name="optiflow-memory", daemon=True)
        self._stops_tracing = False
        self._start_rss = self._peak_rss = 0
        self._peak_traced: int | None = None

    @property
    def start_rss_mb(self) -> float:
        """Resident memory of the process as the block began, in MB of 10^6 bytes."""
        return self._start_rss / _MB

    @property
    def peak_rss_mb(self) -> float:
        """Peak resident memory of the process so far, in MB of 10^6 bytes."""
        return self._peak_rss / _MB

    @property
    def peak_traced_mb(self) -> float | None:
        """Peak of what Python had allocated during the block, MB; None if not traced or not over."""
        return None if self._peak_traced is None else self._peak_traced / _MB

    def __enter__(self) -> MemoryProbe:
        if self._traced:
            self._stops_tracing = not tracemalloc.is_tracing()
            if self._stops_tracing:
                tracemalloc.start()
            tracemalloc.reset_peak()
        self._sample()
        self._start_rss = self._peak_rss
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._sampler.join()
        self._sample()
        if self._traced:
            self._peak_traced = tracemalloc.get_traced_memory()[1]
            if self._stops_tracing:
                tracemalloc.stop()

    def _watch(self) -> None:
        while not self._done.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        self._peak_rss = max(self._peak_rss, self._process.memory_info().rss)
