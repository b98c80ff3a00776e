"""Writing to SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from optiflow.checkpoints.meter import Meter
from optiflow.checkpoints.sqlite import Journal, write
from optiflow.checkpoints.statements import Request

NORMAL = Journal(normal=True, pages=4000)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with a write-ahead log and a table of numbers."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite", timeout=0.05)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        yield connection


def adding(*numbers: Any, full: bool = False, meter: Meter | None = None) -> Request:
    """A request that adds numbers."""
    return Request([("executemany", "INSERT INTO numbers VALUES (?)", [(n,) for n in numbers])], full, meter)


def numbers(connection: sqlite3.Connection) -> list[int]:
    """What is committed."""
    (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
    with closing(sqlite3.connect(file)) as other:
        return [n for (n,) in other.execute("SELECT n FROM numbers ORDER BY n")]


def traced(connection: sqlite3.Connection, requests: list[Request], journal: Journal = NORMAL) -> list[str]:
    """The statements that a write sends, without those that only ask."""
    sent: list[str] = []
    connection.set_trace_callback(sent.append)
    outcomes = write(connection, requests, journal)
    connection.set_trace_callback(None)
    assert outcomes == [None] * len(requests)
    return [statement.split(" VALUES")[0] for statement in sent if "=" in statement or "PRAGMA" not in statement]


def test_several_requests_are_one_transaction(connection: sqlite3.Connection) -> None:
    """The journal is set before it and as it was after it."""
    meter = Meter()
    assert traced(connection, [adding(1, meter=meter), adding(2, 3, meter=meter)]) == [
        "PRAGMA wal_autocheckpoint=4000",
        "PRAGMA synchronous=1",
        "BEGIN ",
        *["INSERT INTO numbers"] * 3,
        "COMMIT",
        "PRAGMA wal_autocheckpoint=1000",
        "PRAGMA synchronous=2",
    ]
    assert numbers(connection) == [1, 2, 3]
    assert (meter.commits, meter.syncs_saved) == (1, 2)


def test_a_run_that_waits_for_its_checkpoints_waits_for_the_disk(connection: sqlite3.Connection) -> None:
    """One request that has to be on the disk is enough."""
    meter = Meter()
    sent = traced(connection, [adding(1, meter=meter), adding(2, full=True, meter=meter)])
    assert not [statement for statement in sent if "synchronous" in statement]
    assert (meter.commits, meter.syncs_saved) == (1, 1)


@pytest.mark.parametrize(
    ("pragmas", "journal", "saved"),
    [
        (["synchronous=2"], Journal(normal=False, pages=1000), 0),
        (["synchronous=1", "wal_autocheckpoint=50"], NORMAL, 0),
        (["synchronous=0", "wal_autocheckpoint=0"], NORMAL, 0),
        (["journal_mode=DELETE"], NORMAL, 0),
        (["journal_mode=MEMORY", "synchronous=2"], NORMAL, 0),
    ],
    ids=str,
)
def test_what_somebody_set_stays(
    connection: sqlite3.Connection, pragmas: list[str], journal: Journal, saved: int
) -> None:
    """Nothing is relaxed in a database without a write-ahead log, and no setting of the program's own is changed."""
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    meter = Meter()
    assert not [statement for statement in traced(connection, [adding(1, meter=meter)], journal) if "=" in statement]
    assert meter.syncs_saved == saved


def test_rows_of_the_programs_own_making(connection: sqlite3.Connection) -> None:
    """A row factory is the program's; asking for settings does without."""
    connection.row_factory = lambda cursor, row: {"row": row}
    assert "PRAGMA synchronous=1" in traced(connection, [adding(1)])


def test_a_failure_is_its_requests_own(connection: sqlite3.Connection) -> None:
    """The others are written as if it had not been there; of the failed one stays what LangGraph would leave."""
    meter = Meter()
    requests = [adding(1, meter=meter), adding(2, 1, 3, meter=meter), adding(4, meter=meter)]
    first, second, third = write(connection, requests, NORMAL)
    assert first is third is None
    assert isinstance(second, sqlite3.IntegrityError)
    assert numbers(connection) == [1, 2, 4]
    assert not connection.in_transaction
    assert meter.commits == 3


def test_a_first_request_that_fails_is_not_tried_again(connection: sqlite3.Connection) -> None:
    """What waited for a locked database need not wait twice."""
    write(connection, [adding(1)], NORMAL)
    meter = Meter()
    first, second, third = write(connection, [adding(1, meter=meter), adding(2), adding(3)], NORMAL)
    assert isinstance(first, sqlite3.IntegrityError)
    assert second is third is None
    assert numbers(connection) == [1, 2, 3]


def test_a_locked_database(connection: sqlite3.Connection) -> None:
    """Each request is told of it, and the connection is as it was."""
    (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = write(connection, [adding(1), adding(2)], NORMAL)
    assert [str(outcome) for outcome in outcomes] == ["database is locked"] * 2
    assert not connection.in_transaction
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (1000,)


def test_a_transaction_of_the_programs_own_is_committed_as_it_is(connection: sqlite3.Connection) -> None:
    """LangGraph commits what it finds; nothing of it is rolled back, not even by a request that fails."""
    connection.execute("INSERT INTO numbers VALUES (7)")
    outcomes = write(connection, [adding(1), adding(7), adding(2)], NORMAL)
    assert [type(outcome) for outcome in outcomes] == [type(None), sqlite3.IntegrityError, type(None)]
    assert numbers(connection) == [1, 2, 7]


def test_a_connection_that_commits_each_statement(connection: sqlite3.Connection) -> None:
    """Then there is no transaction to share."""
    connection.isolation_level = None
    assert "BEGIN " not in traced(connection, [adding(1), adding(2)])
    assert numbers(connection) == [1, 2]
