"""Writing to SQLite: LangGraph's rows in fewer transactions, which wait less for the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from optiflow.checkpoints.sqlite_log import Log
from optiflow.checkpoints.statements import Request, share
from optiflow.checkpoints.together import Outcome

__all__ = ["Journal", "write"]

_NORMAL, _FULL = 1, 2
_DEFAULT_PAGES = 1000
"""SQLite's own ``wal_autocheckpoint``; a connection that has another was given it on purpose."""


@dataclass(frozen=True, slots=True)
class Journal:
    """How transactions are made durable, in a database with a write-ahead log; any other stays as it is."""

    normal: bool
    """Commit without waiting for the disk. A killed process loses nothing by it, a power failure may lose the last
    transactions, and neither damages the database (https://www.sqlite.org/pragma.html#pragma_synchronous)."""

    pages: int
    """Pages that the log holds before they are copied into the database."""


def write(
    connection: sqlite3.Connection, requests: Sequence[Request], journal: Journal, log: Log | None = None
) -> list[Outcome]:
    """Write requests in their order, in one transaction where that is possible.

    Args:
        connection: As the user opened it; its settings are the same afterwards.
        requests: What to write.
        journal: How to make it durable.
        log: Told of what is in a write-ahead log.

    Returns:
        How each ended. Where one fails, the others are written as if it had not been there.
    """
    started = perf_counter()
    with _set(connection, journal, requests) as (logged, waited, relaxed):
        outcomes, commits = _write(connection, requests)
    if logged and log is not None and not connection.in_transaction:
        log.written(connection)
    saved = len(requests) - (0 if relaxed else commits) if waited else 0
    share(requests, commits, saved, perf_counter() - started)
    return outcomes


def _write(connection: sqlite3.Connection, requests: Sequence[Request]) -> tuple[list[Outcome], int]:
    """Write requests; returns how each ended, and how many transactions it took."""
    if len(requests) == 1 or not _begins_transactions(connection) or any(request.refused for request in requests):
        return _write_each(connection, requests), len(requests)
    done = 0
    try:
        for request in requests:
            _execute(connection, request)
            done += 1
        connection.commit()
    except BaseException as error:
        connection.rollback()
        if not isinstance(error, Exception):
            raise
        if done:
            return _write_each(connection, requests), len(requests)
        requests[0].ended(error)
        outcomes, commits = _write(connection, requests[1:])
        return [error, *outcomes], commits + 1
    return [None] * len(requests), 1


def _write_each(connection: sqlite3.Connection, requests: Sequence[Request]) -> list[Outcome]:
    """Write requests, each in a transaction of its own."""
    return [request.ended(request.refused or _write_alone(connection, request)) for request in requests]


def _write_alone(connection: sqlite3.Connection, request: Request) -> Outcome:
    """Write one request as LangGraph does: what was written of it is committed even if it fails."""
    try:
        try:
            _execute(connection, request)
        finally:
            connection.commit()
    except Exception as error:  # noqa: BLE001 - handed to the request's caller
        return error
    return None


def _execute(connection: sqlite3.Connection, request: Request) -> None:
    for method, statement, parameters in request.statements:
        getattr(connection, method)(statement, parameters).close()


def _begins_transactions(connection: sqlite3.Connection) -> bool:
    """Whether a statement begins a transaction that holds nothing of the user's."""
    legacy = getattr(connection, "autocommit", -1) == -1
    return legacy and connection.isolation_level is not None and not connection.in_transaction


@contextmanager
def _set(
    connection: sqlite3.Connection, journal: Journal, requests: Sequence[Request]
) -> Iterator[tuple[bool, bool, bool]]:
    """Set the journal for these requests.

    Yields whether it is a write-ahead log, whether its commits waited for the disk, and whether no longer.
    """
    if connection.in_transaction:
        yield False, False, False
        return
    cursor = connection.cursor()
    cursor.row_factory = None
    try:
        level = cursor.execute("PRAGMA synchronous").fetchone()[0]
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        waited = level >= _FULL and mode not in ("memory", "off")
        if mode != "wal":
            yield False, waited, False
            return
        pages = cursor.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
        raised = pages == _DEFAULT_PAGES < journal.pages
        relaxed = waited and journal.normal and not any(request.full for request in requests)
        if raised:
            cursor.execute(f"PRAGMA wal_autocheckpoint={journal.pages}")
        if relaxed:
            cursor.execute(f"PRAGMA synchronous={_NORMAL}")
        try:
            yield True, waited, relaxed
        finally:
            if raised:
                cursor.execute(f"PRAGMA wal_autocheckpoint={pages}")
            # Within a transaction, which only a failed commit leaves behind, SQLite keeps the level.
            if relaxed and not connection.in_transaction:
                cursor.execute(f"PRAGMA synchronous={level}")
    finally:
        cursor.close()
