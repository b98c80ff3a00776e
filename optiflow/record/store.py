"""Where the records of runs are kept: one table in any database that SQLAlchemy reaches, SQLite by default.

A record is one JSON text beside the few columns that are searched. Every write is one transaction, so a
process killed at any moment leaves each record either as it was or as it was to be.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.record.schema import SCHEMA_VERSION, RunRecord, Status

__all__ = ["METADATA", "RecordStore"]

METADATA = sa.MetaData()
"""Every table of the store."""

_STORE = sa.Table(
    "optiflow_store",
    METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)

_RUNS = sa.Table(
    "optiflow_runs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("started_at", sa.String(32), nullable=False, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("comparison_key", sa.String(64), nullable=False, index=True),
    sa.Column("sweep_id", sa.String(64), index=True),
    sa.Column("workflow", sa.String(200), nullable=False),
    sa.Column("toggles", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)

_WRITING = "optiflow_writing"
_NEWEST_FIRST = (_RUNS.c.started_at.desc(), _RUNS.c.id.desc())
_SAME_PROCESS_S = 2.0
"""How far two readings of one process's start may lie apart, s."""


class RecordStore:
    """Keeps run records.

    Nothing is created before the first record is saved: asking a store that does not exist yet finds nothing.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:////home/me/.optiflow/records.sqlite``.
        patience_s: How long to wait for another process that is writing to the same SQLite file, s.

    Raises:
        ConfigurationError: The URL makes no sense, or its database driver is not installed.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        try:
            address = sa.make_url(url)
            self._file = _sqlite_file(address)
            self._name = str(self._file or address.render_as_string(hide_password=True))
            in_memory = address.get_backend_name() == "sqlite" and self._file is None
            self._engine = sa.create_engine(
                address,
                poolclass=StaticPool if in_memory else NullPool,
                connect_args={"timeout": patience_s} if self._file else {},
            )
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigurationError(
                f"store {url.partition('://')[0]!r}: {_first_line(error)}; "
                "expected an SQLAlchemy URL such as 'sqlite:///records.sqlite'"
            ) from error
        if address.get_backend_name() == "sqlite":
            _take_over_transactions(self._engine)
        self._writer = self._engine.execution_options(**{_WRITING: True})
        self._patience_s = patience_s
        self._ready = False

    def save(self, record: RunRecord) -> None:
        """Insert the record, or replace the one of the same id.

        Raises:
            StoreError: The store can't be written; nothing of the record is in it then.
            StoreVersionError: A newer OptiFlow made the store.
        """
        with self.writing() as connection:
            self.write(connection, record)

    def write(self, connection: sa.Connection, record: RunRecord) -> None:
        """As `save`, as a part of a transaction that `writing` began."""
        row = _row(record)
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
        with self.writing() as connection:
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
        return [self._record(row) for row in self.rows(query)]

    def rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """The rows of a query; none where there is no store yet.

        Raises:
            StoreError: The store can't be read.
        """
        if not self._exists():
            return []
        with self._explained(), self._engine.connect() as connection:
            return connection.execute(query).all() if self._prepared(connection) else []

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
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction, with the tables there.

        Raises:
            StoreError: The store can't be written; nothing of the transaction is in it then.
            StoreVersionError: A newer OptiFlow made the store.
        """
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
        for table in METADATA.sorted_tables:
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


def _take_over_transactions(engine: sa.Engine) -> None:
    """Begin transactions ourselves: Python's sqlite3 begins none before a CREATE TABLE, and only lazily else.

    A writer asks for the lock at once, so that waiting for another writer always works.
    """

    @sa.event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _sqlite_file(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


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
