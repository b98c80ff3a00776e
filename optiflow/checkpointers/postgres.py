"""Checkpoints in PostgreSQL, which any number of processes may share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, LiteralString

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from optiflow.checkpointers.in_threads import AsyncInThreads
from optiflow.checkpointers.messages import unavailable

__all__ = ["opened"]

_RIGHT = "a running server, a database that exists, and a user and password that it knows"
_CONNECT_PATIENCE_S = 10
_SETUP_PATIENCE_S = 60.0
_PAUSE_S = 0.05
_SETUP_LOCK = 0x6F70_7469_666C_6F77
"""Key of the advisory lock; the name of this project in ASCII, so that nobody else's is the same."""


class _PostgresSaver(AsyncInThreads, PostgresSaver):
    """LangGraph's own, for both kinds of runs."""


@contextmanager
def opened(url: str) -> Iterator[PostgresSaver]:
    """Connect to a database and make sure that LangGraph's tables are there.

    Args:
        url: A URL as libpq takes it; a password may come from ``PGPASSWORD`` or ``~/.pgpass`` instead.

    Raises:
        ConfigurationError: The server can't be reached or refuses, or the tables can't be created.
    """
    try:
        options: dict[str, Any] = {"connect_timeout": _CONNECT_PATIENCE_S, **conninfo_to_dict(url)}
    except psycopg.ProgrammingError as error:
        # libpq would quote the part that it does not understand, which may be part of a password.
        right = "postgresql://user:password@host:5432/database"
        raise unavailable("PostgreSQL", url, "its URL can't be understood", right) from error
    try:
        # As `PostgresSaver.from_conn_string` connects.
        connection = psycopg.Connection.connect(**options, autocommit=True, prepare_threshold=0, row_factory=dict_row)
    except psycopg.Error as error:
        raise unavailable("PostgreSQL", url, error, _RIGHT) from error
    with closing(connection):
        saver = _PostgresSaver(connection)
        try:
            _set_up(saver, connection)
        except (psycopg.Error, TimeoutError) as error:
            raise unavailable("PostgreSQL", url, error, "a user who may create tables, or the tables") from error
        try:
            yield saver
        finally:
            saver.close_threads()


def _set_up(saver: PostgresSaver, connection: psycopg.Connection[DictRow]) -> None:
    """Create the tables, one process at a time: PostgreSQL's IF NOT EXISTS is no guard against another's creating.

    The lock is asked for again and again instead of being waited for: LangGraph creates indexes concurrently, which
    waits for every other transaction, and so for ever for one that waits for the lock.

    Raises:
        TimeoutError: Another process has been creating them for a minute.
    """
    if _is_set_up(saver, connection):
        return
    deadline = time.monotonic() + _SETUP_PATIENCE_S
    while not _asked(connection, f"SELECT pg_try_advisory_lock({_SETUP_LOCK})"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"another process has been creating its tables for {_SETUP_PATIENCE_S:g} s")
        time.sleep(_PAUSE_S)
    try:
        saver.setup()
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({_SETUP_LOCK})")


def _is_set_up(saver: PostgresSaver, connection: psycopg.Connection[DictRow]) -> bool:
    """Whether all is there: creating what exists is refused to a user who may only read and write."""
    if not _asked(connection, "SELECT to_regclass('checkpoint_migrations') IS NOT NULL"):
        return False
    newest = _asked(connection, "SELECT max(v) FROM checkpoint_migrations")
    return newest is not None and newest >= len(saver.MIGRATIONS) - 1


def _asked(connection: psycopg.Connection[DictRow], query: LiteralString) -> Any:
    """The one value of a query's one row."""
    row = connection.execute(query).fetchone()
    return next(iter(row.values())) if row else None
