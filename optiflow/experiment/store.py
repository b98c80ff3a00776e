"""Plans of experiments and the state of their jobs, beside the records and in the same transactions.

A job is claimed before it runs, and done in the same transaction that saves its record: whatever is killed at any
moment, each job ends up with exactly one record of a run that ended.
"""

from __future__ import annotations

import os
import platform
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psutil
import sqlalchemy as sa
from pydantic import ValidationError

from optiflow.errors import ConfigurationError, StoreError, nearest_name
from optiflow.experiment.plan import ExperimentPlan, JobState
from optiflow.log import get_logger
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore, write_record

__all__ = ["ClaimedJob", "ExperimentStore", "JobStatus"]

_log = get_logger(__name__)

_EXPERIMENTS = sa.table("optiflow_experiments", *map(sa.column, ("id", "name", "planned_at", "plan")))

_JOBS = sa.table(
    "optiflow_jobs",
    *map(sa.column, ("id", "experiment_id", "state", "owner", "seen_at", "attempts", "record_id")),
)

_BEAT_S = 5.0
"""How often a worker says that it still runs a job, s."""

_LEASE_S = 30.0
"""After how long without a word a worker of another machine counts as dead, s."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job has come."""

    job_id: str
    state: JobState
    attempts: int
    """Times that a worker began it."""
    record_id: str | None
    """Of the run that ended."""


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this process runs; takes the records of `optiflow.run.execute`."""

    store: ExperimentStore
    job_id: str
    owner: str

    def save(self, record: RunRecord) -> None:
        """Keep a record of the job's run; one of a run that ended ends the job with it.

        Raises:
            StoreError: The store can't be written, or another worker has taken the job over.
        """
        # An interrupted run leaves its record, and its job to be done again.
        state: dict[str, JobState] = {"ok": "done", "failed": "failed"}

        def save(connection: sa.Connection) -> None:
            if record.status in state:
                # The owner stays: a transaction that is done again, its first answer being lost, finds itself.
                mine = (_JOBS.c.id == self.job_id) & (_JOBS.c.owner == self.owner)
                ended = sa.update(_JOBS).where(mine).values(state=state[record.status], record_id=record.record_id)
                if connection.execute(ended).rowcount == 0:
                    raise StoreError(f"job {self.job_id[:12]} was taken over by another worker; its run is dropped")
            write_record(connection, record)

        self.store.database.transact(save)


class ExperimentStore:
    """Plans and jobs in a store of records.

    Args:
        records: The store; whoever made it closes it.
    """

    def __init__(self, records: RecordStore) -> None:
        self.records = records
        self.database = records.database

    def add(self, plan: ExperimentPlan) -> ExperimentPlan:
        """Keep a plan and its jobs, or give the experiment the jobs that it does not have yet.

        Returns:
            The plan as it is kept: never with fewer jobs than before.

        Raises:
            StoreError: The store can't be written.
        """

        def add(connection: sa.Connection) -> ExperimentPlan:
            kept = connection.scalar(sa.select(_EXPERIMENTS.c.plan).where(_EXPERIMENTS.c.id == plan.experiment_id))
            known: set[str] = set()
            if kept is None:
                row = {"id": plan.experiment_id, "name": plan.name, "planned_at": _now().isoformat()}
                connection.execute(sa.insert(_EXPERIMENTS).values(row | {"plan": plan.model_dump_json()}))
            else:
                before = _plan(kept)
                if len(before.jobs) >= len(plan.jobs):
                    return before
                changed = sa.update(_EXPERIMENTS).where(_EXPERIMENTS.c.id == plan.experiment_id)
                connection.execute(changed.values(plan=plan.model_dump_json()))
                jobs = sa.select(_JOBS.c.id).where(_JOBS.c.experiment_id == plan.experiment_id)
                known = set(connection.scalars(jobs))
            fresh = [
                {"id": job.job_id, "experiment_id": plan.experiment_id, "state": "planned", "attempts": 0}
                for job in plan.jobs
                if job.job_id not in known
            ]
            connection.execute(sa.insert(_JOBS), fresh)
            return plan

        return self.database.transact(add)

    def get(self, name: str) -> ExperimentPlan:
        """The newest experiment of a name, or the one whose id begins so.

        Raises:
            ConfigurationError: There is none, or several ids begin so.
            StoreError: The store can't be read.
        """
        newest = sa.select(_EXPERIMENTS).order_by(_EXPERIMENTS.c.planned_at.desc())
        if found := self.database.rows(newest.where(_EXPERIMENTS.c.name == name).limit(1)):
            return _plan(found[0].plan)
        found = self.database.rows(newest.where(_EXPERIMENTS.c.id.startswith(name, autoescape=True)).limit(2))
        if len(found) == 1:
            return _plan(found[0].plan)
        known = [row.name for row in self.database.rows(newest.limit(50))]
        hint = nearest_name(name, set(known)) if known else "there is none yet; see python -m optiflow --help"
        raise ConfigurationError(f"experiment {name!r}: {'several ids begin so' if found else 'not found'}; {hint}")

    def newest(self, count: int = 20) -> list[ExperimentPlan]:
        """The newest experiments, newest first."""
        newest = sa.select(_EXPERIMENTS.c.plan).order_by(_EXPERIMENTS.c.planned_at.desc()).limit(count)
        return [_plan(row.plan) for row in self.database.rows(newest)]

    def statuses(self, experiment_id: str) -> Mapping[str, JobStatus]:
        """How far each job has come, by its id."""
        rows = self.database.rows(sa.select(_JOBS).where(_JOBS.c.experiment_id == experiment_id))
        return {row.id: JobStatus(row.id, row.state, row.attempts, row.record_id) for row in rows}

    def count(self, experiment_id: str) -> Mapping[JobState, int]:
        """How many jobs are in each state."""
        return Counter(status.state for status in self.statuses(experiment_id).values())

    def runs(self, plan: ExperimentPlan) -> list[RunRecord]:
        """The record of each job that ended, in the order of the plan."""
        records = {record.record_id: record for record in self.records.of_sweep(plan.experiment_id)}
        statuses = self.statuses(plan.experiment_id)
        ended = (statuses[job.job_id].record_id for job in plan.jobs if job.job_id in statuses)
        return [records[record_id] for record_id in ended if record_id in records]

    def pending(self, plan: ExperimentPlan, *, retry_failed: bool = False) -> list[str]:
        """Ids of the jobs that have no run that ended, in the order of the plan."""
        over = {"done"} if retry_failed else {"done", "failed"}
        statuses = self.statuses(plan.experiment_id)
        return [job.job_id for job in plan.jobs if statuses[job.job_id].state not in over]

    @contextmanager
    def claimed(self, job_id: str, *, retry_failed: bool = False) -> Iterator[ClaimedJob | None]:
        """Hold a job while it runs; None where it is done, or where another worker that is alive holds it.

        Raises:
            StoreError: The store can't be written.
        """
        owner = f"{platform.node()}/{os.getpid()}/{psutil.Process().create_time():.3f}/{uuid4().hex[:8]}"
        if not self._claim(job_id, owner, retry_failed):
            yield None
            return
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(job_id, owner, over), daemon=True)
        beat.start()
        try:
            yield ClaimedJob(self, job_id, owner)
        finally:
            over.set()
            beat.join()
            # Whatever ended without a record is free again at once.
            mine = (_JOBS.c.id == job_id) & (_JOBS.c.state == "claimed") & (_JOBS.c.owner == owner)
            freed = sa.update(_JOBS).where(mine).values(state="planned")
            self.database.execute(freed)

    def _claim(self, job_id: str, owner: str, retry_failed: bool) -> bool:
        def claim(connection: sa.Connection) -> bool:
            row = connection.execute(sa.select(_JOBS).where(_JOBS.c.id == job_id)).one()
            if row.state == "claimed" and row.owner == owner:
                return True
            free = row.state == "planned" or (retry_failed and row.state == "failed")
            if not free and not (row.state == "claimed" and _is_dead(row.owner, row.seen_at)):
                return False
            # Two workers may have read the same row; only one of them finds it unchanged.
            unchanged = (_JOBS.c.id == job_id) & (_JOBS.c.state == row.state) & (_JOBS.c.attempts == row.attempts)
            values = {"state": "claimed", "owner": owner, "seen_at": _now().isoformat(), "attempts": row.attempts + 1}
            return connection.execute(sa.update(_JOBS).where(unchanged).values(values)).rowcount == 1

        return self.database.transact(claim)

    def _beat(self, job_id: str, owner: str, over: threading.Event) -> None:
        while not over.wait(_BEAT_S):
            mine = (_JOBS.c.id == job_id) & (_JOBS.c.owner == owner)
            alive = sa.update(_JOBS).where(mine).values(seen_at=_now().isoformat())
            try:
                self.database.execute(alive)
            except StoreError as error:
                # The run's own record will tell whether the store is gone for good.
                _log.warning("a sign of life was not written", job=job_id, error=str(error))


def _plan(text: str) -> ExperimentPlan:
    try:
        return ExperimentPlan.model_validate_json(text)
    except ValidationError as error:
        raise StoreError(f"the store holds a plan that can't be read: {error.errors()[0]['msg']}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _is_dead(owner: str, seen_at: str) -> bool:
    """Whether the process is gone; of another machine's it is told by its silence."""
    host, pid, started, _ = owner.rsplit("/", 3)
    if host != platform.node():
        return _now() - datetime.fromisoformat(seen_at) > timedelta(seconds=_LEASE_S)
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) > 1
    except psutil.NoSuchProcess:
        return True
