"""Where the records of runs are kept."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

import psutil
import sqlalchemy as sa
from pydantic import ValidationError

from optiflow.errors import ConfigurationError, StoreError
from optiflow.record.database import Database
from optiflow.record.schema import RunRecord, Status

__all__ = ["RecordStore", "write_record"]

_RUNS = sa.table(
    "optiflow_runs",
    *map(
        sa.column,
        ("id", "started_at", "status", "comparison_key", "sweep_id", "workflow", "toggles", "payload"),
    ),
)
"""One JSON text beside the few columns that are searched; the steps in ``migrations`` make the table."""

_PAGE = 500
_NEWEST_FIRST = (_RUNS.c.started_at.desc(), _RUNS.c.id.desc())
_SAME_PROCESS_S = 2.0
"""How far two readings of one process's start may lie apart, s."""


class RecordStore:
    """Keeps run records.

    Nothing is created before the first record is saved: asking a store that does not exist yet finds nothing.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:////home/me/.optiflow/records.sqlite``.
        patience_s: How long to wait for another process that is writing to the same SQLite file, s.
        retry_s: How long to try again where a server is away, s.

    Raises:
        ConfigurationError: The URL makes no sense, or its database driver is not installed.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0, retry_s: float = 10.0) -> None:
        self.database = Database(url, patience_s=patience_s, retry_s=retry_s)
        self._baselines: dict[str, RunRecord] = {}

    def save(self, record: RunRecord) -> None:
        """Insert the record, or replace the one of the same id.

        Raises:
            StoreError: The store can't be written; nothing of the record is in it then.
            StoreVersionError: A newer OptiFlow made the store.
        """
        self.database.transact(lambda connection: write_record(connection, record))

    def save_all(self, records: Sequence[RunRecord]) -> None:
        """As `save`, all or none of them.

        Raises:
            StoreError: The store can't be written; nothing of the records is in it then.
        """

        def save(connection: sa.Connection) -> None:
            for record in records:
                write_record(connection, record)

        self.database.transact(save)

    def get(self, record_id: str) -> RunRecord:
        """The record of this id, or whose id alone begins so.

        Raises:
            ConfigurationError: No record's id begins so, or those of several do.
            StoreError: The store can't be read.
        """
        query = sa.select(_RUNS).where(_RUNS.c.id.startswith(record_id, autoescape=True)).limit(3)
        found = self._fetch(query)
        exact = [record for record in found if record.record_id == record_id] or found
        if len(exact) == 1 and record_id:
            return exact[0]
        what = "is not unique" if found else "is not there"
        known = [record.record_id[:12] for record in (found or self.newest(3))]
        hint = f"e.g. {', '.join(known)}" if known else "the store is empty"
        raise ConfigurationError(f"record {record_id!r} {what} in {self.database.name}: {hint}")

    def latest(
        self, comparison_key: str, *, toggles: tuple[str, ...] | None = None, status: Status = "ok"
    ) -> RunRecord | None:
        """The newest record that may be compared under this key.

        Args:
            comparison_key: What the runs have in common.
            toggles: Exactly the toggles that were on; None: whichever.
            status: How the run ended.
        """
        query = sa.select(_RUNS).where(_RUNS.c.comparison_key == comparison_key, _RUNS.c.status == status)
        if toggles is not None:
            query = query.where(_RUNS.c.toggles == ",".join(sorted(toggles)))
        return next(iter(self._fetch(query.order_by(*_NEWEST_FIRST).limit(1))), None)

    def baseline_for(self, comparison_key: str) -> RunRecord | None:
        """The newest run under this key that went well with no toggle on."""
        return self.latest(comparison_key, toggles=())

    def runs_under(self, comparison_key: str, count: int, *, toggles: tuple[str, ...] = ()) -> list[RunRecord]:
        """The newest runs under this key that went well with exactly these toggles on, oldest first."""
        query = sa.select(_RUNS).where(
            _RUNS.c.comparison_key == comparison_key,
            _RUNS.c.status == "ok",
            _RUNS.c.toggles == ",".join(sorted(toggles)),
        )
        return self._fetch(query.order_by(*_NEWEST_FIRST).limit(count))[::-1]

    def baselines_of(self, workflow: str, count: int) -> list[RunRecord]:
        """The newest runs of a workflow, by its name, that went well with no toggle on; newest first."""
        query = sa.select(_RUNS.c.id).where(_RUNS.c.workflow == workflow, _RUNS.c.status == "ok", _RUNS.c.toggles == "")
        ids = [row.id for row in self.database.rows(query.order_by(*_NEWEST_FIRST).limit(count))]
        # Each job of a sweep asks for them; they never change, and reading one takes as long as ten queries.
        if missing := [each for each in ids if each not in self._baselines]:
            read = self._fetch(sa.select(_RUNS).where(_RUNS.c.id.in_(missing)))
            known = self._baselines | {record.record_id: record for record in read}
            self._baselines = {each: known[each] for each in ids}
        return [self._baselines[each] for each in ids]

    def newest(self, count: int = 1) -> list[RunRecord]:
        """The newest records of all, newest first."""
        return self._fetch(sa.select(_RUNS).order_by(*_NEWEST_FIRST).limit(count))

    def all(self) -> Iterator[RunRecord]:
        """Every record, oldest first; read page by page."""
        last = ("", "")
        oldest_first = sa.tuple_(_RUNS.c.started_at, _RUNS.c.id)
        while True:
            page = sa.select(_RUNS).where(oldest_first > sa.tuple_(*last)).order_by(_RUNS.c.started_at, _RUNS.c.id)
            rows = self.database.rows(page.limit(_PAGE))
            if not rows:
                return
            yield from map(self._record, rows)
            last = (rows[-1].started_at, rows[-1].id)

    def of_sweep(self, sweep_id: str) -> list[RunRecord]:
        """The records of a sweep, oldest first."""
        query = sa.select(_RUNS).where(_RUNS.c.sweep_id == sweep_id)
        return self._fetch(query.order_by(_RUNS.c.started_at, _RUNS.c.id))

    def mark_interrupted(self) -> list[RunRecord]:
        """Mark for good the runs whose process, on this machine, is gone; return them.

        Raises:
            StoreError: The store can't be read or written.
        """
        running = self._fetch(sa.select(_RUNS).where(_RUNS.c.status == "running"))
        gone = [record for record in running if record.status == "interrupted"]
        if not gone:
            return []

        def mark(connection: sa.Connection) -> list[RunRecord]:
            # A run may have ended well between our reading and its process's end.
            still = _RUNS.c.status == "running"
            return [
                record
                for record in gone
                if connection.execute(
                    sa.update(_RUNS).where(still & (_RUNS.c.id == record.record_id)).values(_row(record))
                ).rowcount
            ]

        return self.database.transact(mark)

    def close(self) -> None:
        """Let go of the database; the store may be used again."""
        self.database.close()

    def _fetch(self, query: sa.Select[Any]) -> list[RunRecord]:
        return [self._record(row) for row in self.database.rows(query)]

    def _record(self, row: sa.Row[Any]) -> RunRecord:
        try:
            record = RunRecord.model_validate_json(row.payload)
        except ValidationError as error:
            reason = error.errors()[0]
            place = ".".join(map(str, reason["loc"]))
            raise StoreError(
                f"store {self.database.name}: record {row.id} is damaged at {place or 'the top'}: {reason['msg']}"
            ) from error
        if record.status == "running" and _is_gone(record):
            return record.evolve(status="interrupted")
        return record


def write_record(connection: sa.Connection, record: RunRecord) -> None:
    """Insert the record, or replace the one of the same id, as a part of a transaction."""
    row = _row(record)
    changed = connection.execute(sa.update(_RUNS).where(_RUNS.c.id == row["id"]).values(row))
    if changed.rowcount == 0:
        connection.execute(sa.insert(_RUNS).values(row))


def _row(record: RunRecord) -> dict[str, str | None]:
    return {
        "id": record.record_id,
        "started_at": record.started_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "status": record.status,
        "comparison_key": record.comparison_key,
        "sweep_id": record.sweep_id,
        "workflow": record.workflow,
        "toggles": ",".join(record.toggles_on),
        "payload": record.model_dump_json(),
    }


def _is_gone(record: RunRecord) -> bool:
    """Whether the run's process is gone; of another machine's nobody can tell, so it counts as running."""
    environment = record.environment
    if environment.host != platform.node():
        return False
    try:
        started = psutil.Process(environment.pid).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(started - environment.process_started) > _SAME_PROCESS_S
