"""Memory over many runs in one process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable

import psutil

from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.record.store import RecordStore
from optiflow.run import Job, execute, prepare

__all__ = ["check", "resident_mb_over_runs"]

_RUNS = 60
_WARM_UP = 20
_LIMIT_MB = 5.0
_CACHE_LIMIT_MB = 16.0


def check(context: Context) -> Iterable[Line]:
    """Many runs one after another: what grows, what the cache adds, what is collected."""
    resident, jobs = resident_mb_over_runs(context, _RUNS)
    growth = resident[-1] - resident[_WARM_UP - 1]
    shown = f"{growth:+.1f} MB from run {_WARM_UP} to run {_RUNS}, {resident[-1]:.0f} MB at the end"
    yield Line("Memory usage stable", growth < _LIMIT_MB, shown)
    outcome = context.outcome
    increase = float(outcome.figures["memory_increase_mb"]) if not outcome.is_baseline else 0.0
    yield Line(
        "No significant increase from caching",
        increase < _CACHE_LIMIT_MB,
        f"peak {increase:+.1f} MB over the baseline's",
    )
    gc.collect()
    alive = sum(job() is not None for job in jobs)
    yield Line("Garbage collection working", alive == 0, f"{alive} of {len(jobs)} finished runs still in memory")


def resident_mb_over_runs(context: Context, runs: int) -> tuple[list[float], list[weakref.ref[Job]]]:
    """Resident memory in MB (10^6 bytes) after each of many runs, and weak references to them."""
    process = psutil.Process()
    resident: list[float] = []
    jobs: list[weakref.ref[Job]] = []
    store = RecordStore(context.settings.store_url)
    try:
        for _ in range(runs):
            job = prepare(context.config, disabled=context.settings.disable)
            execute(job, store)
            jobs.append(weakref.ref(job))
            del job
            gc.collect()
            resident.append(process.memory_info().rss / 1e6)
    finally:
        store.close()
    return resident, jobs
