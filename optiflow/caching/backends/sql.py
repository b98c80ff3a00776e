"""Outcomes in one table of SQLite or PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from optiflow.caching.backends.base import Limits, NamespaceStatistics
from optiflow.caching.backends.closing import close_with
from optiflow.errors import ConfigurationError, StoreError
from optiflow.extras import require

__all__ = ["SqlBackend"]

_ENTRIES = sa.Table(
    "optiflow_cache",
    sa.MetaData(),
    sa.Column("namespace", sa.String(255), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False, index=True),
    sa.Column("hits", sa.BigInteger, nullable=False),
)
_PATIENCE_S = 5.0
"""How long to wait for a connection, or for another process that writes to the same SQLite file, s."""
_LOOK_EVERY = 256
"""After so many puts the size is added up anew: other processes write to the same table."""
_KEPT = 0.9
"""Share of the bound that is left when room is made, so that it need not be made at every put."""


class SqlBackend:
    """Keeps entries in a table that processes and machines may share.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL.
        limits: Bounds; the least recently used go when the table, added up from time to time, exceeds them.

    Raises:
        ConfigurationError: The driver is missing, or the database does not answer.
    """

    in_process = False

    def __init__(self, url: str, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._puts = 0
        address = sa.make_url(url)
        self._name = address.render_as_string(hide_password=True)
        is_sqlite = address.get_backend_name() == "sqlite"
        if not is_sqlite:
            require("psycopg", "postgres", "cache: backend=postgres")
            address = address.set(drivername="postgresql+psycopg")
        self._insert: Any = sqlite.insert if is_sqlite else postgresql.insert
        try:
            if is_sqlite and address.database not in (None, "", ":memory:"):
                Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
            patience = {"timeout": _PATIENCE_S} if is_sqlite else {"connect_timeout": int(_PATIENCE_S)}
            self._engine = sa.create_engine(address, connect_args=patience, pool_pre_ping=not is_sqlite)
            if is_sqlite:
                sa.event.listen(self._engine, "connect", _tune_sqlite)
        except OSError as error:
            raise ConfigurationError(f"cache: {self._name} can't be made: {error.strerror}") from error
        # A pool that is let go of for good is not made anew, as an engine's is.
        engine = self._engine
        close_with(self, lambda: engine.pool.dispose())
        try:
            self._create()
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise ConfigurationError(f"cache: {self._name} does not answer: {_first_line(error)}") from error

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one that is not too old."""
        query = sa.update(_ENTRIES).where(_ENTRIES.c.namespace == namespace, _ENTRIES.c.key == key)
        if self._limits.max_age_s is not None:
            query = query.where(_ENTRIES.c.created_at >= time.time() - self._limits.max_age_s)
        query = query.values(used_at=time.time(), hits=_ENTRIES.c.hits + 1)
        with self._connected() as connection:
            value = connection.scalar(query.returning(_ENTRIES.c.value))
        return None if value is None else bytes(value)

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; one that is larger than the bound is not kept."""
        if len(value) > self._limits.max_bytes:
            return
        now = time.time()
        new = {"value": value, "size": len(value), "created_at": now, "used_at": now, "hits": 0}
        query = self._insert(_ENTRIES).values(namespace=namespace, key=key, **new)
        query = query.on_conflict_do_update(index_elements=["namespace", "key"], set_=new)
        with self._connected() as connection:
            connection.execute(query)
        with self._lock:
            look = self._puts % _LOOK_EVERY == 0 or self._bytes + len(value) > self._limits.max_bytes
            self._puts += 1
            if not look:
                self._bytes += len(value)
        if look:
            self._make_room()

    def delete(self, namespace: str, key: str) -> None:
        """Forget one entry, if it is there."""
        with self._connected() as connection:
            connection.execute(sa.delete(_ENTRIES).where(_ENTRIES.c.namespace == namespace, _ENTRIES.c.key == key))

    def clear(self, namespace: str | None = None) -> int:
        """Forget a namespace, or everything."""
        query = sa.delete(_ENTRIES)
        if namespace is not None:
            query = query.where(_ENTRIES.c.namespace == namespace)
        with self._connected() as connection:
            return connection.execute(query).rowcount

    def statistics(self) -> Sequence[NamespaceStatistics]:
        """What is held, by namespace."""
        held = _ENTRIES.c
        query = sa.select(
            held.namespace,
            sa.func.count(),
            sa.func.sum(held.size),
            sa.func.sum(held.hits),
            sa.func.min(held.created_at),
        )
        with self._connected() as connection:
            rows = connection.execute(query.group_by(held.namespace).order_by(held.namespace)).all()
        now = time.time()
        return [
            NamespaceStatistics(name, count, int(size), int(hits), max(0.0, now - oldest))
            for name, count, size, hits, oldest in rows
        ]

    def check(self) -> None:
        """Make sure that the database answers."""
        try:
            with self._engine.connect() as connection:
                connection.execute(sa.select(1))
        except SQLAlchemyError as error:
            raise ConfigurationError(f"cache: {self._name} does not answer: {_first_line(error)}") from error

    def close(self) -> None:
        """Let go of the connections that nobody is using."""
        self._engine.dispose()

    def _create(self) -> None:
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                # Two processes that make the table at once would fail at its type; this lock ends with the transaction.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x0F710CAC)))
            connection.execute(CreateTable(_ENTRIES, if_not_exists=True))
            for index in _ENTRIES.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
            # A table of the same name that is none of ours is noticed here, not in the middle of a run.
            connection.execute(sa.select(*_ENTRIES.c).limit(0))
            self._bytes = self._added_up(connection)

    def _make_room(self) -> None:
        with self._connected() as connection:
            if self._limits.max_age_s is not None:
                oldest = time.time() - self._limits.max_age_s
                connection.execute(sa.delete(_ENTRIES).where(_ENTRIES.c.created_at < oldest))
            held = self._added_up(connection)
            if held > self._limits.max_bytes:
                excess = held - int(self._limits.max_bytes * _KEPT)
                ranked = sa.select(
                    _ENTRIES.c.namespace,
                    _ENTRIES.c.key,
                    (sa.func.sum(_ENTRIES.c.size).over(order_by=(_ENTRIES.c.used_at, _ENTRIES.c.key)) - _ENTRIES.c.size)
                    .label("before"),
                ).subquery()  # fmt: skip
                old = sa.select(ranked.c.namespace, ranked.c.key).where(ranked.c.before < excess)
                place = sa.tuple_(_ENTRIES.c.namespace, _ENTRIES.c.key)
                connection.execute(sa.delete(_ENTRIES).where(place.in_(old)))
                held = self._added_up(connection)
        with self._lock:
            self._bytes = held

    @staticmethod
    def _added_up(connection: sa.Connection) -> int:
        return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(_ENTRIES.c.size), 0))) or 0)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"cache {self._name}: {_first_line(error)}") from error


def _tune_sqlite(connection: Any, _: object) -> None:
    # What a crash of the machine loses is only worked out once more.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")


def _first_line(error: Exception) -> str:
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    return (text.strip().splitlines() or [type(error).__name__])[0]
