"""The store of records at its limits; ``python benchmarks/store.py [--json FILE] [--writers N] [--records N] [...]``.

Many processes write at once, then a large store is asked what its users ask most. PostgreSQL is measured as well where
``OPTIFLOW_BENCHMARK_POSTGRES_URL`` names a server: a database of its own is made there, and dropped.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import sqlalchemy as sa
from measure import median_interval
from results import Figure, options_parser, publish

from optiflow.experiment.analysis import analyse
from optiflow.experiment.plan import Arm, ExperimentPlan
from optiflow.experiment.schedule import schedule
from optiflow.experiment.store import ExperimentStore
from optiflow.record.environment import capture
from optiflow.record.schema import Memory, Output, RunRecord, Timings, Tokens, new_record_id
from optiflow.record.store import RecordStore, write_record
from optiflow.report.experiment_terminal import experiment_view, experiments_view
from optiflow.report.terminal import console

__all__ = ["scratch_postgres", "scratch_sqlite"]

_BATCH = 2000
_ARMS, _BLOCKS = 32, 10
_PATIENCE_S = 120.0
_PLANNED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=5)
    parser.add_argument("--writers", type=int, default=16, help="processes that write at once (default: %(default)s)")
    parser.add_argument("--records", type=int, default=10_000, help="records that they write (default: %(default)s)")
    parser.add_argument("--size", type=int, default=100_000, help="records of the large store (default: %(default)s)")
    options = parser.parse_args(argv)
    figures: list[Figure] = []
    for kind, place in (("SQLite", scratch_sqlite), ("PostgreSQL", scratch_postgres)):
        with place() as url:
            if url is not None:
                figures += written(kind, url, options.writers, options.records)
        with place() as url:
            if url is not None:
                figures += asked(kind, url, options.size, options.repetitions)
    publish(figures, options, writers=options.writers, records=options.records, size=options.size)


def written(kind: str, url: str, writers: int, records: int) -> Iterator[Figure]:
    """All writers at once, into a store that is not there yet."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(writers + 1)
    shares = [records // writers + (place < records % writers) for place in range(writers)]
    processes = [spawn.Process(target=_write, args=(url, share, barrier)) for share in shares]
    for process in processes:
        process.start()
    barrier.wait()
    started = perf_counter()
    for process in processes:
        process.join()
    elapsed = perf_counter() - started
    failed = sum(process.exitcode != 0 for process in processes)
    with closing(RecordStore(url)) as store:
        kept = sum(1 for _ in store.all())
    yield Figure(f"{kind}: records of {writers} writers lost, of {records:,}", "", float(records - kept), "<= 0")
    yield Figure(f"{kind}: writers that failed", "", float(failed), "<= 0")
    yield Figure(f"{kind}: records written a second", "", records / elapsed)


def asked(kind: str, url: str, size: int, repetitions: int) -> Iterator[Figure]:
    """What a store of this size answers, each time by a process's first question."""
    plan = _plan()
    _fill(url, plan, size)
    questions: dict[str, Callable[[ExperimentStore], object]] = {
        "status of its experiments": lambda store: experiments_view(
            [(each, store.count(each.experiment_id)) for each in store.newest()]
        ),
        "its newest 50 records": lambda store: store.records.newest(50),
        "the baseline of a workload": lambda store: store.records.baseline_for("key"),
        "a record by the beginning of its id": lambda store: store.records.get("first"),
        f"the report of {_ARMS} arms × {_BLOCKS} blocks": lambda store: _report(store, plan),
    }
    for name, question in questions.items():
        seconds = [_timed(url, question) for _ in range(repetitions)]
        yield Figure(f"{kind}, {size:,} records: {name}", "s", median_interval(seconds), "< 3")


def _write(url: str, count: int, barrier: Any) -> None:
    record = _record()
    with closing(RecordStore(url, patience_s=_PATIENCE_S)) as store:
        barrier.wait()
        for _ in range(count):
            store.save(record.evolve(record_id=new_record_id()))


def _timed(url: str, question: Callable[[ExperimentStore], object]) -> float:
    started = perf_counter()
    with closing(RecordStore(url)) as records:
        question(ExperimentStore(records))
    return perf_counter() - started


def _report(store: ExperimentStore, plan: ExperimentPlan) -> None:
    kept = store.get(plan.name)
    shown = console()
    with shown.capture():
        shown.print(experiment_view(kept, analyse(kept, store.runs(kept))))


def _fill(url: str, plan: ExperimentPlan, size: int) -> None:
    """An experiment in the midst of records that are none of its own."""
    record = _record()
    jobs = sa.table("optiflow_jobs", *map(sa.column, ("id", "state", "record_id")))
    with closing(RecordStore(url)) as records:
        ExperimentStore(records).add(plan)
        arms = {arm.name: place for place, arm in enumerate(plan.arms)}

        def experiment(connection: sa.Connection) -> None:
            for number, job in enumerate(plan.jobs):
                run = _started(record, number, sweep_id=plan.experiment_id, block=job.block, position=job.position)
                run = run.evolve(timings=_timings(10.0 - arms[job.arm] / 8 + job.block / 50))
                write_record(connection, run)
                ended = sa.update(jobs).where(jobs.c.id == job.job_id)
                connection.execute(ended.values(state="done", record_id=run.record_id))

        records.database.transact(experiment)
        records.save(_started(record, 0).evolve(record_id="first"))
        for start in range(len(plan.jobs) + 1, size, _BATCH):
            numbers = range(start, min(start + _BATCH, size))
            records.save_all([_started(record, number, sweep_id=f"s{number // 100}") for number in numbers])


def _started(record: RunRecord, number: int, **fields: Any) -> RunRecord:
    moment = _PLANNED_AT + timedelta(seconds=number)
    return record.evolve(record_id=new_record_id(), started_at=moment, **fields)


def _plan() -> ExperimentPlan:
    factors = tuple("abcde")
    arms = tuple(
        Arm(
            name=f"arm {place:05b}" if place else "none",
            overrides=(),
            levels={name: bool(place >> bit & 1) for bit, name in enumerate(factors)},
            config_sha256=f"{place:064}",
        )
        for place in range(_ARMS)
    )
    return ExperimentPlan(
        experiment_id="e" * 32,
        name="large",
        design="full",
        factors=factors,
        baseline="none",
        arms=arms,
        blocks=_BLOCKS,
        seed=0,
        jobs=schedule("e" * 32, arms, _BLOCKS, 0),
        workload_key="w",
        figures=("runtime_s", "tokens", "cpu_s", "peak_rss_mb"),
    )


def _timings(runtime_s: float) -> Timings:
    return Timings.of(runtime_s=runtime_s, provider_s=runtime_s / 2, provider_total_s=runtime_s / 2, cpu_s=0.5)


def _record() -> RunRecord:
    """A small record with every figure that an experiment looks at."""
    return RunRecord(
        record_id=new_record_id(),
        status="ok",
        workflow="small",
        config={"criteria": {"criteria": []}},
        config_sha256="0" * 64,
        environment=capture(),
        clock="virtual",
        started_at=datetime.now(UTC),
        code_sha256="1" * 64,
        input_sha256="2" * 64,
        comparison_key="key",
        timings=_timings(10.0),
        tokens=Tokens(prompt=80, completion=20, total=100),
        memory=Memory(peak_rss_mb=100.0),
        output=Output(state={"answer": "text"}, sha256="3" * 64, text="text"),
    )


@contextmanager
def scratch_sqlite() -> Iterator[str]:
    """A file of its own."""
    with TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'records.sqlite'}"


@contextmanager
def scratch_postgres() -> Iterator[str | None]:
    """A database of its own on the server that the environment names; None without one."""
    server = os.environ.get("OPTIFLOW_BENCHMARK_POSTGRES_URL")
    if server is None:
        yield None
        return
    import psycopg
    from psycopg import sql

    name = f"optiflow_benchmark_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
