"""From the address of a store to an engine that keeps to our rules for transactions, in SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, StaticPool

__all__ = ["WRITING", "address_of", "make_engine", "sqlite_file"]

WRITING = "optiflow_writing"
"""Execution option of a connection that is going to write."""

_WITH_LIBPQ = ("postgresql+psycopg", "postgresql+psycopg2")
_CONNECT_PATIENCE_S = 10
"""How long to wait for a PostgreSQL server that does not answer, s."""


def address_of(url: str) -> sa.URL:
    """The address with the driver that the extra ``postgres`` brings, where it names none.

    Raises:
        ArgumentError: It is no URL.
    """
    address = sa.make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    return address


def sqlite_file(address: sa.URL) -> Path | None:
    """The file of an SQLite address; None for one in memory, and for every other database."""
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    return Path(str(address.database))


def make_engine(address: sa.URL, patience_s: float) -> sa.Engine:
    """An engine with a connection for each operation; an SQLite database in memory has one for all.

    Args:
        address: Where the database is.
        patience_s: How long to wait for another process that is writing to the same SQLite file, s.

    Raises:
        ImportError: The database's driver is not installed.
        SQLAlchemyError: The address makes no sense.
    """
    sqlite = address.get_backend_name() == "sqlite"
    in_memory = sqlite and sqlite_file(address) is None
    engine = sa.create_engine(
        address,
        poolclass=StaticPool if in_memory else NullPool,
        connect_args=_connect_args(address, patience_s),
    )
    if sqlite:
        _take_over_transactions(engine)
    return engine


def _connect_args(address: sa.URL, patience_s: float) -> dict[str, Any]:
    if sqlite_file(address):
        return {"timeout": patience_s}
    if address.drivername in _WITH_LIBPQ and "connect_timeout" not in address.query:
        return {"connect_timeout": _CONNECT_PATIENCE_S}
    return {}


def _take_over_transactions(engine: sa.Engine) -> None:
    """Begin transactions ourselves: Python's sqlite3 begins none before a CREATE TABLE, and only lazily else.

    A writer asks for the lock at once, so that waiting for another writer always works.
    """

    @sa.event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get(WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
