"""Where the records of runs are kept: one table in any database that SQLAlchemy reaches, SQLite by default.

A record is one JSON text beside the few columns that are searched. Every write is one transaction, so a
process killed at any moment leaves each record either as it was or as it was to be.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import psutil
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.record.database import WRITING, address_of, make_engine, sqlite_file
from optiflow.record.redact import Redactor
from optiflow.record.schema import SCHEMA_VERSION, RunRecord, Status

__all__ = ["RecordStore"]

_METADATA = sa.MetaData()

_STORE = sa.Table(
    "optiflow_store",
    _METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)

_RUNS = sa.Table(
    "optiflow_runs",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("started_at", sa.String(32), nullable=False, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("comparison_key", sa.String(64), nullable=False, index=True),
    sa.Column("sweep_id", sa.String(64), index=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("toggles", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

_NEWEST_FIRST = (_RUNS.c.started_at.desc(), _RUNS.c.id.desc())
_CREATING = 0x6F70_7469_7265_6373
"""Key of the advisory lock under which PostgreSQL's tables are created: "optirecs" in ASCII."""
_SAME_PROCESS_S = 2.0
"""How far two readings of one process's start may lie apart, s."""


class RecordStore:
    """Keeps run records.

    Nothing is created before the first record is saved: asking a store that does not exist yet finds nothing.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:////home/me/.optiflow/records.sqlite`` or
            ``postgresql://user:password@host/database``.
        patience_s: How long to wait for another process that is writing to the same SQLite file, s.

    Raises:
        ConfigurationError: The URL makes no sense, or its database driver is not installed.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        try:
            address = address_of(url)
            self._file = sqlite_file(address)
            self._name = str(self._file or Redactor(environ={}).text(address.render_as_string(hide_password=True)))
            self._engine = make_engine(address, patience_s)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigurationError(
                f"store {url.partition('://')[0]!r}: {_first_line(error)}; "
                "expected an SQLAlchemy URL such as 'sqlite:///records.sqlite'"
            ) from error
        self._writer = self._engine.execution_options(**{WRITING: True})
        self._patience_s = patience_s
        self._ready = False

    def save(self, record: RunRecord) -> None:
        """Insert the record, or replace the one of the same id.

        Raises:
            StoreError: The store can't be written; nothing of the record is in it then.
            StoreVersionError: A newer OptiFlow made the store.
        """
        row = _row(record)
        with self._writing() as connection:
            changed = connection.execute(sa.update(_RUNS).where(_RUNS.c.id == row["id"]).values(row))
            if changed.rowcount == 0:
                connection.execute(sa.insert(_RUNS).values(row))

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
        raise ConfigurationError(f"record {record_id!r} {what} in {self._name}: {hint}")

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

    def baselines_of(self, workflow: str, count: int) -> list[RunRecord]:
        """The newest runs of a workflow, by its name, that went well with no toggle on; newest first."""
        query = sa.select(_RUNS).where(_RUNS.c.workflow == workflow, _RUNS.c.status == "ok", _RUNS.c.toggles == "")
        return self._fetch(query.order_by(*_NEWEST_FIRST).limit(count))

    def newest(self, count: int = 1) -> list[RunRecord]:
        """The newest records of all, newest first."""
        return self._fetch(sa.select(_RUNS).order_by(*_NEWEST_FIRST).limit(count))

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
        marked = []
        with self._writing() as connection:
            for record in gone:
                # The run may have ended well between our reading and its process's end.
                still = (_RUNS.c.id == record.record_id) & (_RUNS.c.status == "running")
                if connection.execute(sa.update(_RUNS).where(still).values(_row(record))).rowcount:
                    marked.append(record)
        return marked

    def close(self) -> None:
        """Let go of the database; the store may be used again."""
        self._engine.dispose()

    def _fetch(self, query: sa.Select[Any]) -> list[RunRecord]:
        if not self._exists():
            return []
        with self._explained(), self._engine.connect() as connection:
            if not self._prepared(connection):
                return []
            rows = connection.execute(query).all()
        return [self._record(row) for row in rows]

    def _record(self, row: sa.Row[Any]) -> RunRecord:
        try:
            record = RunRecord.model_validate_json(row.payload)
        except ValidationError as error:
            reason = error.errors()[0]
            place = ".".join(map(str, reason["loc"]))
            raise StoreError(
                f"store {self._name}: record {row.id} is damaged at {place or 'the top'}: {reason['msg']}"
            ) from error
        if record.status == "running" and _is_gone(record):
            return record.evolve(status="interrupted")
        return record

    def _exists(self) -> bool:
        return self._file is None or self._file.exists()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._explained():
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._writer.begin() as connection:
                if not self._prepared(connection):
                    self._create(connection)
                yield connection
            self._ready = True

    def _prepared(self, connection: sa.Connection) -> bool:
        """Whether the tables are there, and of a version that this OptiFlow understands."""
        if self._ready:
            return True
        if not sa.inspect(connection).has_table(_STORE.name):
            return False
        found = connection.scalar(sa.select(_STORE.c.version))
        if found is not None and found > SCHEMA_VERSION:
            raise StoreVersionError(
                f"store {self._name} has schema version {found}, this OptiFlow knows {SCHEMA_VERSION}: "
                "update OptiFlow, or name another store in OPTIFLOW_STORE"
            )
        return found is not None

    def _create(self, connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            # PostgreSQL's IF NOT EXISTS is no guard against another process that creates the same at this moment.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATING)))
            if self._prepared(connection):
                return
        for table in _METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        connection.execute(sa.insert(_STORE).values(name="schema", version=SCHEMA_VERSION))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database or the file system says into one line."""
        try:
            yield
        except DBAPIError as error:
            raise StoreError(self._explanation(str(error.orig))) from error
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"store {self._name}: {_first_line(error)}") from error

    def _explanation(self, message: str) -> str:
        first = (message.strip().splitlines() or ["the database failed"])[0]
        elsewhere = "or name another store in OPTIFLOW_STORE"
        advice = {
            "locked": f"another process has been writing for {self._patience_s:g} s, try again later",
            "readonly": f"allow writing to it and its folder, {elsewhere}",
            "unable to open": f"check that its folder exists and may be written, {elsewhere}",
            "is full": f"make room on the disk, {elsewhere}",
            "disk I/O error": f"check the disk's room and health, {elsewhere}",
            "not a database": f"it is no SQLite database, {elsewhere}",
        }
        why = next((text for sign, text in advice.items() if sign in first), "check the address and the database")
        return f"store {self._name}: {first}: {why}"


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


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
