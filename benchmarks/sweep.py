"""A whole factorial, and sweeps that are killed; ``python benchmarks/sweep.py [--json FILE] [--kills N] [...]``.

The factorial runs as a user would start it, two processes on the virtual clock. CPU time of all its processes is
measured beside the wall time: on a machine that does other things as well, it is what tells how long two idle
processors would take. Sweeps are killed with SIGKILL at random moments, and resumed until they are done; on PostgreSQL
as well where ``OPTIFLOW_BENCHMARK_POSTGRES_URL`` names a server.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from results import Figure, options_parser, publish
from store import scratch_postgres, scratch_sqlite

from optiflow.experiment.store import ExperimentStore
from optiflow.record.store import RecordStore

TOGGLES = "log_level,monitor,cache,async,parallel"
"""The checklist's."""

_WORKERS = 2
_PARALLEL = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={_WORKERS}")
_KILLED = ("workflow.input.packages=[idna]", "criteria=none", "+experiment=ablate", "experiment.toggles=[cache,async]")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=1)
    parser.add_argument("--blocks", type=int, default=10, help="of the factorial (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=50, help="random moments of SIGKILL (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of those moments (default: %(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="of the factorial")
    options = parser.parse_args(argv)
    figures: list[Figure] = []
    if options.blocks:
        with TemporaryDirectory() as home:
            figures += factorial(options.blocks, options.overrides, Path(home))
    for kind, place in (("SQLite", scratch_sqlite), ("PostgreSQL", scratch_postgres)):
        with TemporaryDirectory() as home, place() as url:
            if url is not None and options.kills:
                figures += killed(kind, url, options.kills, options.seed, Path(home))
    publish(figures, options, blocks=options.blocks, kills=options.kills, seed=options.seed, toggles=TOGGLES)


def factorial(blocks: int, overrides: Sequence[str], home: Path) -> Iterator[Figure]:
    """2^5 arms, from command to report."""
    experiment = ("+experiment=full", f"experiment.blocks={blocks}", f"experiment.toggles=[{TOGGLES}]")
    command = _command(*experiment, *_PARALLEL, *overrides)
    used = _cpu_of_children()
    started = perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"OPTIFLOW_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    elapsed, used = perf_counter() - started, _cpu_of_children() - used
    # 3: an arm missed a criterion, which is a result like any other.
    if done.returncode not in {0, 3}:
        raise SystemExit(f"the sweep ended with {done.returncode}: {done.stderr[-2000:]}")
    with closing(RecordStore(f"sqlite:///{home / 'records.sqlite'}")) as records:
        store = ExperimentStore(records)
        runs = store.runs(store.get("full"))
    provider = sum(run.timings.runtime_s for run in runs if run.timings is not None)
    yield Figure(f"2^5 × {blocks}: jobs that ended", "", float(len(runs)), f">= {32 * blocks}")
    yield Figure(f"2^5 × {blocks}: seconds of the virtual clock in all runs", "s", provider)
    yield Figure(f"2^5 × {blocks}: from command to report", "s", elapsed, "< 90" if blocks == 10 else "")
    yield Figure(f"2^5 × {blocks}: CPU time of all processes / {_WORKERS} processors", "s", used / _WORKERS)
    yield Figure(f"2^5 × {blocks}: CPU time a run", "s", used / len(runs))


def killed(kind: str, url: str, kills: int, seed: int, home: Path) -> Iterator[Figure]:
    """One experiment after another, each killed until a moment comes too late; only what still ran counts."""
    draw = random.Random(seed)
    whole = _until_its_end(url, home, "measured")
    number = wrong = jobs = hit = 0
    while hit < kills:
        name = f"killed-{number}"
        number += 1
        while hit < kills and _killed_after(draw.uniform(0, whole), url, home, name):
            hit += 1
        _until_its_end(url, home, name)
        with closing(RecordStore(url)) as records:
            store = ExperimentStore(records)
            plan = store.get(name)
            ended = Counter(
                (run.block, run.position) for run in records.of_sweep(plan.experiment_id) if run.status == "ok"
            )
            jobs += len(plan.jobs)
            wrong += sum(ended[job.block, job.position] != 1 for job in plan.jobs)
            wrong += len(plan.jobs) != store.count(plan.experiment_id).get("done")
    yield Figure(f"{kind}: SIGKILL at random moments while it ran", "", float(hit), f">= {kills}")
    yield Figure(f"{kind}: jobs of the killed sweeps", "", float(jobs))
    yield Figure(f"{kind}: jobs not run exactly once after {kills} kills", "", float(wrong), "<= 0")


def _until_its_end(url: str, home: Path, name: str) -> float:
    started = perf_counter()
    done = subprocess.run(_killable(name), env=_environment(url, home), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the sweep ended with {done.returncode}: {done.stderr[-2000:]}")
    return perf_counter() - started


def _killed_after(seconds: float, url: str, home: Path, name: str) -> bool:
    """Whether it still ran when it was killed."""
    with subprocess.Popen(
        _killable(name), env=_environment(url, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def _killable(name: str) -> list[str]:
    return _command(*_KILLED, "experiment.blocks=3", f"experiment.name={name}")


def _environment(url: str, home: Path) -> dict[str, str]:
    return os.environ | {"OPTIFLOW_HOME": str(home), "OPTIFLOW_STORE": url}


def _command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "optiflow", "-m", *overrides]


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
