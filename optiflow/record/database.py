"""The database under the store: connections, transactions, and the steps that bring its tables up to date.

SQLite by default, PostgreSQL by address, anything else that SQLAlchemy reaches. Every write is one transaction, so a
process killed at any moment leaves everything either as it was or as it was to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.extras import require
from optiflow.record.redact import Redactor

__all__ = ["STORE_VERSION", "Database"]

STORE_VERSION = 2
"""Number of the newest step in ``migrations/versions``."""

_STORE = sa.table("optiflow_store", sa.column("name"), sa.column("version"))
_WRITING = "optiflow_writing"
_ONE_AT_A_TIME = 0x0971F10
"""PostgreSQL's advisory lock under which tables are made."""

T = TypeVar("T")


class Database:
    """Reads and writes in transactions; nothing is created before the first write.

    Args:
        url: SQLAlchemy URL, e.g. ``sqlite:////home/me/.optiflow/records.sqlite``; ``postgresql://`` means psycopg.
        patience_s: How long to wait for another process that is writing to the same SQLite file, s.
        retry_s: How long to try again where a server is away, s.

    Raises:
        ConfigurationError: The URL makes no sense, or its database driver is not installed.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0, retry_s: float = 10.0) -> None:
        try:
            address = _with_driver(sa.make_url(url))
            self.file = _sqlite_file(address)
            self.name = str(self.file or Redactor().text(address.render_as_string(hide_password=True)))
            sqlite = address.get_backend_name() == "sqlite"
            pool = (StaticPool if self.file is None else NullPool) if sqlite else QueuePool
            self._engine = sa.create_engine(
                address,
                poolclass=pool,
                # A connection that a restarted server has dropped is replaced unseen.
                pool_pre_ping=not sqlite,
                connect_args={"timeout": patience_s} if self.file else {},
            )
        except (SQLAlchemyError, ImportError) as error:
            scheme = url.partition("://")[0]
            advice = "expected an SQLAlchemy URL such as 'sqlite:///records.sqlite' or 'postgresql://...'"
            raise ConfigurationError(f"store {scheme!r}: {_first_line(error)}; {advice}") from error
        if sqlite:
            _take_over_transactions(self._engine)
        self._writer = self._engine.execution_options(**{_WRITING: True})
        self._patience_s = patience_s
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: not sqlite and _is_away(error)),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_after_delay(retry_s),
            reraise=True,
        )
        self._ready = False

    def rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """The rows of a query; none where there is no store yet.

        Raises:
            StoreError: The store can't be read.
            StoreVersionError: A newer OptiFlow made the store.
        """
        if self.file is not None and not self.file.exists():
            return []

        def read() -> Sequence[sa.Row[Any]]:
            with self._engine.connect() as connection:
                if not self._ready and not self._version(connection):
                    return []
            if not self._ready:
                self.transact(lambda _: None)
            with self._engine.connect() as connection:
                return connection.execute(query).all()

        with self._explained():
            return self._retrying(read)

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do some work in one transaction, with the tables there.

        Where the server goes away in between, the work is done again in a new transaction: it must come to the same
        if the first one was kept after all.

        Raises:
            StoreError: The store can't be written; nothing of the transaction is in it then.
            StoreVersionError: A newer OptiFlow made the store.
        """

        def attempt() -> T:
            with self._writer.begin() as connection:
                if not self._ready:
                    self._migrate(connection)
                result = work(connection)
            self._ready = True
            return result

        with self._explained():
            if self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            return self._retrying(attempt)

    def execute(self, statement: sa.Update) -> None:
        """As `transact`, for one statement."""
        self.transact(lambda connection: connection.execute(statement))

    def close(self) -> None:
        """Let go of the database; it may be used again."""
        self._engine.dispose()

    def _version(self, connection: sa.Connection) -> int:
        """Number of the last step that was taken; 0 where there is nothing yet."""
        if not sa.inspect(connection).has_table(_STORE.name):
            return 0
        found = connection.scalar(sa.select(_STORE.c.version)) or 0
        if found > STORE_VERSION:
            raise StoreVersionError(
                f"store {self.name} has schema version {found}, this OptiFlow knows {STORE_VERSION}: "
                "update OptiFlow, or name another store in OPTIFLOW_STORE"
            )
        return int(found)

    def _migrate(self, connection: sa.Connection) -> None:
        """Take the steps that are missing, in the transaction of whoever needs them first."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
        version = self._version(connection)
        if version == STORE_VERSION:
            return
        from alembic import command
        from alembic.config import Config

        steps = Config()
        steps.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        steps.attributes["connection"] = connection
        if version and not sa.inspect(connection).has_table("alembic_version"):
            command.stamp(steps, f"{version:04}")
        command.upgrade(steps, "head")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database or the file system says into one line."""
        try:
            yield
        except DBAPIError as error:
            raise StoreError(self._explanation(str(error.orig))) from error
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"store {self.name}: {_first_line(error)}") from error

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
            "connection": f"start the server, {elsewhere}",
        }
        why = next((text for sign, text in advice.items() if sign in first), "check the address and the database")
        return f"store {self.name}: {first}: {why}"


def _with_driver(address: sa.URL) -> sa.URL:
    """PostgreSQL's own form of address means psycopg, which the extra brings."""
    if address.drivername not in {"postgresql", "postgres"}:
        return address
    require("psycopg", "postgres", "a store in PostgreSQL")
    return address.set(drivername="postgresql+psycopg")


def _is_away(error: BaseException) -> bool:
    """Whether a server did not answer, or hung up; a wrong password or an unknown database stays wrong."""
    if not isinstance(error, DBAPIError):
        return False
    text = str(error.orig)
    lasting = ("authentication failed", "does not exist")
    away = ("refused", "timeout", "timed out", "closed", "terminating", "shutting down", "starting up", "lost", "reset")
    return error.connection_invalidated or (
        any(sign in text for sign in away) and not any(sign in text for sign in lasting)
    )


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


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
