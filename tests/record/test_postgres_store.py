"""The store of records in PostgreSQL: the same as in SQLite, with many machines at once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.record.schema import SCHEMA_VERSION, RunRecord
from optiflow.record.store import RecordStore

Make = Callable[..., RunRecord]


@pytest.fixture
def store(postgres_url: str) -> Iterator[RecordStore]:
    """A store in a database of its own."""
    with closing(RecordStore(postgres_url)) as made:
        yield made


def test_everything_that_is_asked_of_a_store(store: RecordStore, make_record: Make) -> None:
    """An empty database is an empty store; what is saved is found by each of its columns."""
    assert store.newest(3) == []
    assert store.mark_interrupted() == []
    with pytest.raises(ConfigurationError, match="the store is empty"):
        store.get("a")
    baseline = make_record(record_id="base1", config={"ümlaut": "…\x00"}, workflow="w" * 300)
    cached = make_record(record_id="cache1", toggles={"cache": True}, sweep_id="s", workflow="w" * 300)
    for record in (baseline, cached):
        store.save(record)
    assert store.get("base") == baseline
    assert store.baseline_for("key") == baseline
    assert store.baselines_of("w" * 300, 9) == [baseline]
    assert store.latest("key", toggles=("cache",)) == cached
    assert store.of_sweep("s") == [cached]
    assert store.newest(9) == [cached, baseline]
    store.save(cached.evolve(status="failed"))
    assert [record.status for record in store.newest(9)] == ["failed", "ok"]


def test_what_is_left_of_processes_that_are_gone(store: RecordStore, make_record: Make) -> None:
    """A run whose process is gone is marked for good."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    record = make_record(status="running")
    environment = record.environment.model_copy(update={"pid": gone.pid})
    store.save(record.evolve(environment=environment))
    assert [each.status for each in store.mark_interrupted()] == ["interrupted"]
    assert store.mark_interrupted() == []


_TOGETHER = """
    import os, sys
    from datetime import UTC, datetime
    from optiflow.record.environment import capture
    from optiflow.record.schema import RunRecord, new_record_id
    from optiflow.record.store import RecordStore
    import psycopg, sqlalchemy.dialects.postgresql.psycopg

    environment = capture()
    gate, opened = os.pipe()
    children = []
    for number in range(16):
        child = os.fork()
        if not child:
            os.close(opened)
            os.read(gate, 1)
            try:
                store = RecordStore(sys.argv[1])
                for _ in range(5):
                    store.save(RunRecord(
                        record_id=new_record_id(), status="ok", workflow="w", config_sha256="0" * 64, clock="real",
                        environment=environment, started_at=datetime.now(UTC), code_sha256="1" * 64,
                        input_sha256="2" * 64, comparison_key=str(number),
                    ))
                assert store.latest(str(number)) is not None
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(opened)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_sixteen_processes_begin_at_once(postgres_url: str, store: RecordStore) -> None:
    """All create the tables and write; nothing fails, and nothing is lost."""
    script = [sys.executable, "-c", textwrap.dedent(_TOGETHER), postgres_url]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(store.newest(99)) == 80


def test_a_newer_store_is_left_alone(postgres_url: str, store: RecordStore, make_record: Make) -> None:
    """Neither read nor written."""
    store.save(make_record())
    with psycopg.connect(postgres_url) as other:
        other.execute("UPDATE optiflow_store SET version = version + 1")
    fresh = RecordStore(postgres_url)
    for ask in (fresh.newest, lambda: fresh.save(make_record())):
        with pytest.raises(StoreVersionError, match=f"has schema version {SCHEMA_VERSION + 1}, this OptiFlow knows"):
            ask()


def test_what_can_not_be_reached_is_said_without_passwords(postgres_url: str, make_record: Make) -> None:
    """A server that is away, a database that is not there: one line each."""
    server = urlsplit(postgres_url)
    for address, said in (
        ("postgresql://me:s3cret@127.0.0.1:1/db?sslpassword=s3cret", "Connection refused: check the address"),
        (server._replace(path="/no_such_thing").geturl(), '"no_such_thing" does not exist: check the address'),
    ):
        for ask in (RecordStore(address).newest, lambda address=address: RecordStore(address).save(make_record())):
            with pytest.raises(StoreError, match=said) as raised:
                ask()
            assert "\n" not in str(raised.value)
            assert "s3cret" not in str(raised.value)


def test_a_connection_that_is_ended_costs_nothing(postgres_url: str, store: RecordStore, make_record: Make) -> None:
    """Each operation has a connection of its own, so none can be lost between two."""
    store.save(make_record())
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
    store.save(make_record())
    assert len(store.newest(9)) == 2
