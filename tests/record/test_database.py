"""Older stores, newer ones, many makers at once, and a server that is away."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.record.database import STORE_VERSION, Database
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore, write_record

Make = Callable[..., RunRecord]
_COUNT = sa.select(sa.func.count()).select_from(sa.table("optiflow_store"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of this test's own, embedded or on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


def _older(url: str, record: RunRecord) -> None:
    """A store as the first version made it: its tables, and nothing that tells of steps."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    step = import_module("optiflow.record.migrations.versions.0001_runs")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()
        write_record(connection, record)
    engine.dispose()


def test_an_older_store_is_brought_up_to_date(url: str, make_record: Make) -> None:
    """By whoever opens it first, with its records kept."""
    record = make_record()
    _older(url, record)
    with closing(RecordStore(url)) as store:
        assert store.newest() == [record]
        versions = sa.select(sa.column("version")).select_from(sa.table("optiflow_store"))
        assert [row.version for row in store.database.rows(versions)] == [STORE_VERSION]
        assert store.database.rows(sa.select(sa.func.count()).select_from(sa.table("optiflow_jobs")))[0][0] == 0
    with closing(RecordStore(url)) as again:
        again.save(make_record())
        assert len(again.newest(9)) == 2


def test_a_newer_store_is_refused(url: str, make_record: Make) -> None:
    """Neither read nor written, and both versions named."""
    with closing(RecordStore(url)) as store:
        store.save(make_record())
        newer = sa.update(sa.table("optiflow_store", sa.column("version"))).values(version=STORE_VERSION + 1)
        store.database.execute(newer)
    with closing(RecordStore(url)) as fresh:
        for ask in (fresh.newest, lambda: fresh.save(make_record())):
            with pytest.raises(StoreVersionError, match="update OptiFlow"):
                ask()


def _make(url: str, text: str, number: int, barrier: Any) -> None:
    with closing(RecordStore(url, patience_s=60)) as store:
        record = RunRecord.model_validate_json(text).evolve(record_id=f"made by {number}")
        barrier.wait()
        store.save(record)


def test_eight_processes_make_the_same_store(url: str, make_record: Make) -> None:
    """Once, and nothing is lost."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(8)
    text = make_record().model_dump_json()
    makers = [spawn.Process(target=_make, args=(url, text, number, barrier)) for number in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0] * 8
    with closing(RecordStore(url)) as store:
        assert {record.record_id for record in store.newest(99)} == {f"made by {number}" for number in range(8)}
        assert store.database.rows(_COUNT)[0][0] == 1


def test_a_server_that_is_not_there(make_record: Make) -> None:
    """It is tried again for a while, then told in one line without the password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            closing(RecordStore(f"postgresql://me:secret@127.0.0.1:{port}/x", retry_s=0.3)) as store,
            pytest.raises(StoreError, match="start the server, or name another store") as caught,
        ):
            store.save(make_record())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("frob", "expected an SQLAlchemy URL"),
        ("frob://x", "expected an SQLAlchemy URL"),
    ],
)
def test_addresses_that_make_no_sense(address: str, message: str) -> None:
    """Named with an example."""
    with pytest.raises(ConfigurationError, match=message):
        Database(address)
