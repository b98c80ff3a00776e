"""Plans and jobs: claimed once, done once, found again, on SQLite and PostgreSQL."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from optiflow.errors import ConfigurationError, StoreError
from optiflow.experiment import store as store_module
from optiflow.experiment.plan import ExperimentPlan
from optiflow.experiment.store import ExperimentStore
from optiflow.record.schema import RunRecord, new_record_id
from optiflow.record.store import RecordStore

_JOBS = sa.table("optiflow_jobs", sa.column("id"), sa.column("owner"), sa.column("seen_at"), sa.column("state"))


def _run(experiments: ExperimentStore, job: str, record: RunRecord, **options: Any) -> bool:
    with experiments.claimed(job, **options) as claimed:
        if claimed is not None:
            claimed.save(record)
        return claimed is not None


def test_a_plan_is_found_by_its_name_and_by_its_id(experiments: ExperimentStore, make_plan: Any) -> None:
    """The whole plan comes back."""
    plan = experiments.add(make_plan())
    assert experiments.get("trial") == experiments.get("eeee") == plan
    assert experiments.newest() == [plan]
    assert experiments.count(plan.experiment_id) == {"planned": 6}


def test_an_unknown_experiment(experiments: ExperimentStore, make_plan: Any) -> None:
    """One line that names the nearest; with no store yet as well."""
    with pytest.raises(ConfigurationError, match="'trail': not found; there is none yet"):
        experiments.get("trail")
    experiments.add(make_plan())
    with pytest.raises(ConfigurationError, match="'trail': not found; did you mean 'trial'"):
        experiments.get("trail")


def test_more_blocks_are_added_and_never_taken_away(experiments: ExperimentStore, make_plan: Any) -> None:
    """What is planned stays planned."""
    experiments.add(make_plan(blocks=2))
    assert experiments.add(make_plan(blocks=4)).blocks == 4
    assert experiments.count("e" * 32) == {"planned": 12}
    assert experiments.add(make_plan(blocks=1)).blocks == 4


def test_a_job_is_done_with_its_record(
    experiments: ExperimentStore, make_plan: Any, finished_record: Callable[..., RunRecord]
) -> None:
    """Both at once; it is never run again, nor is its record replaced."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0]
    record = finished_record(sweep_id=plan.experiment_id, block=0, position=0)
    assert _run(experiments, job.job_id, record)
    assert experiments.statuses(plan.experiment_id)[job.job_id].record_id == record.record_id
    assert experiments.runs(plan) == [record]
    assert not _run(experiments, job.job_id, record)
    assert experiments.pending(plan) == [other.job_id for other in plan.jobs[1:]]


def test_a_failed_job_is_run_again_only_on_demand(
    experiments: ExperimentStore, make_plan: Any, finished_record: Callable[..., RunRecord]
) -> None:
    """Its first record stays beside the second."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    failed = finished_record(sweep_id=plan.experiment_id, status="failed")
    assert _run(experiments, job, failed)
    assert job not in experiments.pending(plan)
    assert job in experiments.pending(plan, retry_failed=True)
    assert not _run(experiments, job, failed)
    again = finished_record(sweep_id=plan.experiment_id)
    assert _run(experiments, job, again, retry_failed=True)
    assert experiments.runs(plan) == [again]
    assert experiments.records.get(failed.record_id).status == "failed"


def test_a_job_that_is_held_is_left_alone(experiments: ExperimentStore, make_plan: Any) -> None:
    """By a process that is alive, as this one."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    with experiments.claimed(job) as first, experiments.claimed(job) as second:
        assert first is not None
        assert second is None
    assert experiments.count(plan.experiment_id) == {"planned": 6}


def test_an_interrupted_run_leaves_its_job_to_be_done(
    experiments: ExperimentStore, make_plan: Any, finished_record: Callable[..., RunRecord]
) -> None:
    """Its record says interrupted; the job is planned as before."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    record = finished_record(sweep_id=plan.experiment_id, status="interrupted")
    assert _run(experiments, job, record)
    status = experiments.statuses(plan.experiment_id)[job]
    assert (status.state, status.attempts, status.record_id) == ("planned", 1, None)
    assert experiments.records.get(record.record_id).status == "interrupted"


@pytest.mark.parametrize(
    ("owner", "silent_s", "taken"),
    [
        (f"{store_module.platform.node()}/999999999/1.0/x", 0, True),
        (f"{store_module.platform.node()}/{os.getpid()}/1.0/x", 0, True),
        ("elsewhere/1/1.0/x", 5, False),
        ("elsewhere/1/1.0/x", 31, True),
    ],
    ids=["no such process", "another process of its number", "elsewhere, heard of", "elsewhere, silent"],
)
def test_a_dead_worker_s_job_is_taken_over(
    experiments: ExperimentStore, make_plan: Any, owner: str, silent_s: int, taken: bool
) -> None:
    """Here its process is gone, or another has its number; elsewhere it has been silent for too long."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    seen_at = (datetime.now(UTC) - timedelta(seconds=silent_s)).isoformat()
    held = sa.update(_JOBS).where(_JOBS.c.id == job).values(owner=owner, seen_at=seen_at, state="claimed")
    experiments.database.execute(held)
    with experiments.claimed(job) as claimed:
        assert (claimed is not None) == taken


def test_who_lost_its_job_keeps_no_record(
    experiments: ExperimentStore, make_plan: Any, finished_record: Callable[..., RunRecord]
) -> None:
    """A worker that was silent for too long finds its place taken."""
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    with experiments.claimed(job) as claimed:
        assert claimed is not None
        experiments.database.execute(sa.update(_JOBS).where(_JOBS.c.id == job).values(owner="somebody/1/1.0/else"))
        record = finished_record()
        with pytest.raises(StoreError, match="taken over by another worker"):
            claimed.save(record)
    assert experiments.records.newest() == []


def test_a_worker_says_that_it_is_alive(
    experiments: ExperimentStore, make_plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again while it holds a job."""
    monkeypatch.setattr(store_module, "_BEAT_S", 0.01)
    plan = experiments.add(make_plan())
    job = plan.jobs[0].job_id
    query = sa.select(_JOBS.c.seen_at).where(_JOBS.c.id == job)
    with experiments.claimed(job):
        first = experiments.database.rows(query)[0].seen_at
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        while experiments.database.rows(query)[0].seen_at == first:
            assert datetime.now(UTC) < deadline


def _claim_all(url: str, jobs: list[str], begin: Any, won: Any) -> None:
    """One worker: takes whatever it can get, and says what."""
    with closing(RecordStore(url)) as records:
        experiments = ExperimentStore(records)
        begin.wait()
        for job in jobs:
            with experiments.claimed(job) as claimed:
                if claimed is not None:
                    won.put(job)
                    experiments.database.execute(sa.update(_JOBS).where(_JOBS.c.id == job).values(state="done"))


def test_many_workers_share_the_jobs(experiments: ExperimentStore, make_plan: Any, store_url: str) -> None:
    """Each job is got by exactly one of four processes."""
    plan: ExperimentPlan = experiments.add(make_plan(blocks=8))
    jobs = [job.job_id for job in plan.jobs]
    context = multiprocessing.get_context("spawn")
    begin, won = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_claim_all, args=(store_url, jobs, begin, won)) for _ in range(4)]
    for worker in workers:
        worker.start()
    got = [won.get(timeout=60) for _ in jobs]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert Counter(got) == Counter(jobs)


def test_a_server_that_hangs_up_is_asked_again(
    postgres_url: str, make_plan: Any, finished_record: Callable[..., RunRecord]
) -> None:
    """Every connection is cut between two jobs, and one in the middle of a transaction."""
    with closing(RecordStore(postgres_url)) as records:
        experiments = ExperimentStore(records)
        plan = experiments.add(make_plan())
        cut: list[int] = []

        def work(connection: sa.Connection) -> int:
            count: int = connection.scalar(sa.select(sa.func.count()).select_from(_JOBS)) or 0
            if not cut:
                cut.append(count)
                with psycopg.connect(postgres_url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            return connection.scalar(sa.select(sa.func.count()).select_from(_JOBS)) or 0

        assert records.database.transact(work) == 6
        assert _run(experiments, plan.jobs[0].job_id, finished_record(record_id=new_record_id()))


def test_a_damaged_plan(experiments: ExperimentStore, make_plan: Any) -> None:
    """One line, not a traceback of pydantic's."""
    experiments.add(make_plan())
    table = sa.table("optiflow_experiments", sa.column("plan"))
    experiments.database.execute(sa.update(table).values(plan='{"name": 1}'))
    with pytest.raises(StoreError, match="a plan that can't be read"):
        experiments.get("trial")
