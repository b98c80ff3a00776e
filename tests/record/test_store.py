"""The store of records, in good times and bad."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from optiflow.errors import ConfigurationError, StoreError, StoreVersionError
from optiflow.record.database import STORE_VERSION
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore

Make = Callable[..., RunRecord]


@pytest.fixture
def path(tmp_path) -> Path:
    """Where the store is, in a folder that does not exist yet."""
    return tmp_path / "deep" / "records.sqlite"


@pytest.fixture
def store(path) -> Iterator[RecordStore]:
    """A store that waits only briefly for others."""
    store = RecordStore(f"sqlite:///{path}", patience_s=0.1)
    yield store
    store.close()


def ids(records: list[RunRecord]) -> list[str]:
    """The records' ids."""
    return [record.record_id for record in records]


def unmeasured() -> dict[str, str]:
    """This environment without coverage, of which a process that is killed or short of disk leaves half a file."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


class TestKeeping:
    def test_save_and_get(self, store, path, make_record):
        """A record comes back equal; folder and file are made for the first one."""
        record = make_record(config={"ümlaut": "…"})
        assert not path.exists()
        store.save(record)
        assert store.get(record.record_id) == record
        assert [file.name for file in path.parent.iterdir()] == ["records.sqlite"]

    def test_saving_again_replaces(self, store, make_record):
        """A record of the same id takes the place of the former, searched columns included."""
        record = make_record(status="running")
        store.save(record)
        store.save(record.evolve(status="ok", toggles={"cache": True}))
        assert store.get(record.record_id).status == "ok"
        assert len(store.newest(9)) == 1
        assert store.latest("key", toggles=("cache",)) is not None
        assert store.baseline_for("key") is None

    def test_get_by_the_beginning(self, store, make_record):
        """A unique beginning of an id is enough, an exact id always is."""
        store.save(make_record(record_id="abc1"))
        store.save(make_record(record_id="abc2"))
        store.save(make_record(record_id="abc"))
        assert store.get("abc1").record_id == "abc1"
        assert store.get("abc").record_id == "abc"

    @pytest.mark.parametrize(
        ("wanted", "says"),
        [
            ("ab", "is not unique .*: e.g. ab"),
            ("x", "is not there .*: e.g. ab"),
            ("%", "is not there"),
            ("", "is not unique"),
        ],
    )
    def test_get_what_is_not_clear(self, store, make_record, wanted, says):
        """An unknown or ambiguous id says what there is, in one line."""
        store.save(make_record(record_id="ab1"))
        store.save(make_record(record_id="ab2"))
        with pytest.raises(ConfigurationError, match=says) as caught:
            store.get(wanted)
        assert "\n" not in str(caught.value)

    def test_a_store_that_is_not_there(self, store, path):
        """Asking before the first record finds nothing and makes no file."""
        assert store.newest(3) == []
        assert store.baseline_for("key") is None
        assert store.of_sweep("s") == []
        assert store.mark_interrupted() == []
        with pytest.raises(ConfigurationError, match="the store is empty"):
            store.get("a")
        assert not path.parent.exists()

    def test_an_empty_file_is_an_empty_store(self, store, path, make_record):
        """A file of no bytes is a store without records, and can become one with."""
        path.parent.mkdir()
        path.touch()
        assert store.newest() == []
        store.save(make_record())
        assert len(store.newest()) == 1

    def test_opened_again(self, store, path, make_record):
        """A second process finds the tables there and adds to them."""
        store.save(make_record())
        RecordStore(f"sqlite:///{path}").save(make_record())
        assert len(store.newest(9)) == 2

    def test_in_memory(self, make_record):
        """An SQLite URL without a file keeps records as long as the store lives."""
        store = RecordStore("sqlite://")
        store.save(make_record())
        assert len(store.newest()) == 1
        store.close()


class TestFinding:
    def test_order_is_by_start(self, store, make_record):
        """Newest first, a sweep's oldest first, whatever the time zone and order of saving."""
        noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
        east = timezone(timedelta(hours=5))
        for name, started in {
            "b": noon,
            "c": (noon + timedelta(seconds=1)).astimezone(east),
            "a": noon - timedelta(microseconds=1),
        }.items():
            store.save(make_record(record_id=name, started_at=started, sweep_id="s"))
        store.save(make_record(record_id="d", started_at=noon, sweep_id="other"))
        assert ids(store.newest(3)) == ["c", "d", "b"]
        assert ids(store.of_sweep("s")) == ["a", "b", "c"]
        latest = store.latest("key")
        assert latest is not None
        assert latest.record_id == "c"

    def test_a_baseline_has_no_toggle_and_went_well(self, store, make_record):
        """Only a run with status ok, no toggle on and the same key is a baseline; the newest of them."""
        noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
        good = {"record_id": "good", "toggles": {"cache": False}}
        others = [
            {"record_id": "old"},
            good,
            {"record_id": "toggled", "toggles": {"cache": True}},
            {"record_id": "failed", "status": "failed"},
            {"record_id": "elsewhere", "comparison_key": "other"},
        ]
        for hour, fields in enumerate(others):
            store.save(make_record(started_at=noon + timedelta(hours=hour), **fields))
        baseline = store.baseline_for("key")
        assert baseline is not None
        assert baseline.record_id == "good"
        failed = store.latest("key", status="failed")
        assert failed is not None
        assert failed.record_id == "failed"

    def test_exactly_these_toggles(self, store, make_record):
        """Toggles are matched as a set: no more, no less, in whatever order."""
        store.save(make_record(record_id="two", toggles={"b": True, "a": True}))
        found = store.latest("key", toggles=("b", "a"))
        assert found is not None
        assert found.record_id == "two"
        assert store.latest("key", toggles=("a",)) is None
        assert store.latest("key", toggles=("a", "b", "c")) is None


class TestInterrupted:
    @pytest.fixture
    def dead_process(self) -> int:
        """Id of a process that has ended."""
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        return process.pid

    def test_a_run_of_a_dead_process(self, store, make_record, dead_process):
        """A run left running by a killed process is shown as interrupted, and can be marked so for good."""
        alive = make_record(status="running")
        dead = alive.evolve(record_id="dead", environment=alive.environment.model_copy(update={"pid": dead_process}))
        store.save(alive)
        store.save(dead)
        assert store.get("dead").status == "interrupted"
        assert store.get(alive.record_id).status == "running"
        assert store.latest("key", status="interrupted") is None
        assert ids(store.mark_interrupted()) == ["dead"]
        assert store.latest("key", status="interrupted") is not None
        assert store.mark_interrupted() == []

    def test_another_process_of_the_same_id(self, store, make_record):
        """A process that started at another time is another process."""
        record = make_record(status="running")
        before = record.environment.model_copy(update={"process_started": record.environment.process_started - 3600})
        store.save(record.evolve(environment=before))
        assert store.newest()[0].status == "interrupted"

    def test_another_machine(self, store, make_record, dead_process):
        """Of a run on another machine nobody can tell, so it counts as running."""
        record = make_record(status="running")
        elsewhere = record.environment.model_copy(update={"host": "elsewhere", "pid": dead_process})
        store.save(record.evolve(environment=elsewhere))
        assert store.newest()[0].status == "running"

    def test_a_run_that_ends_well_meanwhile(self, store, make_record, dead_process, monkeypatch):
        """A run that reported its end after it was read as running is not marked."""
        record = make_record(status="running")
        record = record.evolve(environment=record.environment.model_copy(update={"pid": dead_process}))
        store.save(record)
        fetch = store._fetch

        def fetch_and_let_it_end(query: object) -> list[RunRecord]:
            found = fetch(query)
            store.save(record.evolve(status="ok"))
            return found

        monkeypatch.setattr(store, "_fetch", fetch_and_let_it_end)
        assert store.mark_interrupted() == []
        assert fetch(sa.select(sa.text("*")).select_from(sa.text("optiflow_runs")))[0].status == "ok"

    def test_killed_while_saving(self, path, store, make_record):
        """A process killed in the middle of its writes leaves a readable store with whole records only."""
        code = f"""
import sys
from pathlib import Path
from optiflow.record.schema import RunRecord
from optiflow.record.database import STORE_VERSION
from optiflow.record.store import RecordStore
record = RunRecord.model_validate_json(sys.stdin.read())
store = RecordStore("sqlite:///{path}")
for number in range(10**6):
    store.save(record.evolve(record_id=str(number)))
    print(number, flush=True)
"""
        text = make_record(config={"filler": ["x" * 1000] * 50}).model_dump_json()
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=unmeasured()
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text)
        process.stdin.close()
        for _ in range(5):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        kept = store.newest(10**6)
        assert len(kept) >= 5
        assert all(len(record.config["filler"]) == 50 for record in kept)


class TestTogether:
    def test_many_threads_and_a_fresh_store(self, path, make_record):
        """Many writers that all find no store make one together and lose nothing."""
        records = [make_record() for _ in range(24)]
        barrier = threading.Barrier(8)

        def save(part: list[RunRecord]) -> None:
            store = RecordStore(f"sqlite:///{path}", patience_s=30)
            barrier.wait()
            for record in part:
                store.save(record)
            store.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(save, [records[i::8] for i in range(8)]))
        store = RecordStore(f"sqlite:///{path}")
        assert sorted(ids(store.newest(99))) == sorted(ids(records))

    def test_locked(self, store, path, make_record):
        """A store that another process keeps locked is given up after a bounded wait, in one clear line."""
        store.save(make_record(record_id="first"))
        other = sqlite3.connect(path)
        try:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match=r"database is locked: another process .* 0\.1 s") as caught:
                store.save(make_record())
            assert "\n" not in str(caught.value)
            with pytest.raises(StoreError, match="locked"):
                store.newest()
            other.rollback()
        finally:
            other.close()
        assert ids(store.newest(9)) == ["first"]


class TestBadStores:
    def test_read_only_file(self, unprivileged, make_record):
        """A store that may not be written says so, and can still be read."""
        file = unprivileged / "records.sqlite"
        store = RecordStore(f"sqlite:///{file}")
        store.save(make_record(record_id="first"))
        file.chmod(0o444)
        with pytest.raises(StoreError, match="readonly database: allow writing"):
            RecordStore(f"sqlite:///{file}").save(make_record())
        assert ids(store.newest(9)) == ["first"]

    def test_read_only_folder(self, unprivileged, make_record):
        """A folder that may not be written says so, whether a file or a folder is to be made in it."""
        unprivileged.chmod(0o555)
        with pytest.raises(StoreError, match="unable to open database file: check that its folder"):
            RecordStore(f"sqlite:///{unprivileged}/records.sqlite").save(make_record())
        with pytest.raises(StoreError, match="Permission denied"):
            RecordStore(f"sqlite:///{unprivileged}/deep/records.sqlite").save(make_record())

    def test_full_disk(self, store, make_record):
        """On a full disk the record is refused in one clear line and those before it stay."""
        store.save(make_record(record_id="first"))

        def limit(connection: sqlite3.Connection, _: object) -> None:
            connection.execute("PRAGMA max_page_count = 1")

        sa.event.listen(sa.Engine, "connect", limit)
        try:
            with pytest.raises(StoreError, match=r"is full: make room on the disk") as caught:
                store.save(make_record(config={"filler": ["x" * 1000] * 200}))
        finally:
            sa.event.remove(sa.Engine, "connect", limit)
        assert "\n" not in str(caught.value)
        assert ids(store.newest(9)) == ["first"]

    def test_disk_full_in_the_middle_of_a_write(self, store, path, make_record):
        """Where the system refuses to make the file longer, nothing of the record is kept."""
        store.save(make_record(record_id="first"))
        code = f"""
import resource, signal, sys
from optiflow.errors import StoreError
from optiflow.record.schema import RunRecord
from optiflow.record.database import STORE_VERSION
from optiflow.record.store import RecordStore
record = RunRecord.model_validate_json(sys.stdin.read())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    RecordStore("sqlite:///{path}").save(record)
except StoreError as error:
    print(error)
"""
        text = make_record(config={"filler": ["x" * 1000] * 200}).model_dump_json()
        done = subprocess.run(
            [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True, env=unmeasured()
        )
        assert "disk" in done.stdout
        assert len(done.stdout.splitlines()) == 1
        assert ids(store.newest(9)) == ["first"]

    def test_not_a_database(self, store, path, make_record):
        """A file of another kind is named for what it is, and left alone."""
        path.parent.mkdir()
        path.write_text("# just some notes\n" * 100)
        for ask in (lambda: store.save(make_record()), store.newest):
            with pytest.raises(StoreError, match="it is no SQLite database"):
                ask()
        assert path.read_text().startswith("# just some notes")

    def test_a_newer_store(self, store, path, make_record):
        """A store of a newer OptiFlow is neither read nor written; the error tells both versions and what to do."""
        store.save(make_record())
        with sqlite3.connect(path) as other:
            other.execute("UPDATE optiflow_store SET version = ?", (STORE_VERSION + 1,))
        other.close()
        fresh = RecordStore(f"sqlite:///{path}")
        for ask in (lambda: fresh.save(make_record()), fresh.newest):
            with pytest.raises(StoreVersionError, match=r"version 3, this OptiFlow knows 2: update OptiFlow"):
                ask()

    def test_a_damaged_record(self, store, path, make_record):
        """A payload that is no record names the record and the place."""
        store.save(make_record(record_id="bad"))
        with sqlite3.connect(path) as other:
            other.execute("""UPDATE optiflow_runs SET payload = json_set(payload, '$.status', 'lost')""")
        other.close()
        with pytest.raises(StoreError, match="record bad is damaged at status"):
            store.newest()
        with sqlite3.connect(path) as other:
            other.execute("UPDATE optiflow_runs SET payload = 'x'")
        other.close()
        with pytest.raises(StoreError, match="record bad is damaged at the top"):
            store.newest()

    def test_tables_that_vanished(self, store, path, make_record):
        """Whatever else the database says is passed on in one line."""
        store.save(make_record())
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE optiflow_runs")
        other.close()
        with pytest.raises(StoreError, match="no such table: optiflow_runs: check the address") as caught:
            store.newest()
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("url", ["nonsense", "nodialect://host/db", "sqlite+nodriver:///x"])
    def test_a_url_that_makes_no_sense(self, url):
        """A wrong address is a configuration error that shows a right one."""
        with pytest.raises(ConfigurationError, match="expected an SQLAlchemy URL such as") as caught:
            RecordStore(url)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_named_as_a_folder(self, tmp_path, make_record):
        """A path through a file can't be made a folder."""
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match="File exists"):
            RecordStore(f"sqlite:///{tmp_path}/file/records.sqlite").save(make_record())

    def test_no_password_in_errors(self):
        """The password of an address is never shown."""
        with pytest.raises(ConfigurationError) as caught:
            RecordStore("nodialect://me:s3cret@host/db")
        assert "s3cret" not in str(caught.value)
