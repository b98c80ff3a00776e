"""Every place for cached outcomes does the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from optiflow.caching.backends.base import Backend, BackendKind, Limits, default_url, kind_of, open_backend
from optiflow.errors import ConfigurationError, StoreError

MakeBackend = Callable[..., Backend]


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
def kind(request: pytest.FixtureRequest) -> BackendKind:
    """Each kind of place in turn."""
    return request.param


@pytest.fixture
def url(kind: BackendKind, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """An address of the kind that holds nothing yet."""
    if kind == "memory":
        return None
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'a' / 'cache.sqlite'}"
    return request.getfixturevalue("own_redis" if kind == "redis" else "postgres_url")


@pytest.fixture
def make(kind: BackendKind, url: str | None) -> Iterator[MakeBackend]:
    """Opens the place, with limits; it is empty at first."""
    opened: list[Backend] = []

    def open_it(**limits: Any) -> Backend:
        opened.append(open_backend(kind, url, Limits(**limits)))
        return opened[-1]

    yield open_it
    for backend in opened:
        backend.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time that entries are made and used at."""
    now = [1000.0]
    for module in ("memory", "sql", "redis_"):
        monkeypatch.setattr(f"optiflow.caching.backends.{module}.time.time", lambda: now[0])
    return lambda value: now.__setitem__(0, value)


def test_what_was_put_is_got(make: MakeBackend) -> None:
    """By namespace and key, in its newest form, until it is deleted."""
    backend = make()
    assert backend.get("n", "k") is None
    backend.put("n", "k", b"one")
    backend.put("n", "k", b"\x00two\xff")
    backend.put("m", "k", b"other")
    assert backend.get("n", "k") == b"\x00two\xff"
    assert backend.get("m", "k") == b"other"
    assert backend.get("n", "l") is None
    backend.delete("n", "k")
    backend.delete("n", "never there")
    assert backend.get("n", "k") is None


def test_statistics_and_clearing_are_by_namespace(make: MakeBackend, clock: Callable[[float], None]) -> None:
    """Entries, bytes, hits and age of what is held."""
    backend = make()
    assert list(backend.statistics()) == []
    backend.put("a", "1", b"1234")
    clock(1010.0)
    backend.put("a", "2", b"12")
    backend.put("b", "1", b"1")
    for _ in range(3):
        backend.get("a", "1")
    clock(1025.0)
    first, second = backend.statistics()
    assert (first.namespace, first.entries, first.bytes, first.hits, first.oldest_s) == ("a", 2, 6, 3, 25.0)
    assert (second.namespace, second.entries, second.bytes, second.hits, second.oldest_s) == ("b", 1, 1, 0, 15.0)
    assert backend.clear("a") == 2
    assert [each.namespace for each in backend.statistics()] == ["b"]
    assert backend.clear() == 1
    assert backend.clear() == 0


def test_the_least_recently_used_go(make: MakeBackend, clock: Callable[[float], None]) -> None:
    """The bound is on bytes; what is larger than all of it is not kept at all."""
    backend = make(max_bytes=100)
    backend.put("n", "too large", b"x" * 101)
    for number in range(10):
        clock(1000.0 + number)
        backend.put("n", str(number), bytes(10))
    clock(1020.0)
    assert backend.get("n", "0") is not None
    clock(1021.0)
    backend.put("n", "new", bytes(10))
    held = [key for key in ("too large", *map(str, range(10)), "new") if backend.get("n", key) is not None]
    assert sum(each.bytes for each in backend.statistics()) <= 100
    assert {"0", "new"} <= set(held)
    assert "1" not in held
    assert len(held) >= 9


def test_old_entries_are_not_given(make: MakeBackend, kind: BackendKind, clock: Callable[[float], None]) -> None:
    """Nor counted for ever against the bound."""
    backend = make(max_age_s=60.0, max_bytes=30)
    backend.put("n", "old", bytes(20))
    clock(1059.0)
    assert backend.get("n", "old") is not None
    if kind == "redis":
        # Expiry is the server's own, by its own clock: let it end.
        backend._client.delete("{optiflow:cache}:entry:n\x1fold")  # type: ignore[attr-defined]
    clock(1061.0)
    assert backend.get("n", "old") is None
    backend.put("n", "new", bytes(20))
    assert [(each.entries, each.bytes) for each in backend.statistics()] == [(1, 20)]


def test_threads_may_share_it(make: MakeBackend) -> None:
    """What one writes all can read, and nothing is lost."""
    backend = make()

    def work(number: int) -> None:
        for each in range(10):
            backend.put("n", f"{number}-{each}", f"{number}-{each}".encode())
            assert backend.get("n", f"{number}-{each}") == f"{number}-{each}".encode()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert sum(each.entries for each in backend.statistics()) == 60


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"], indirect=True)
def test_others_see_it(make: MakeBackend) -> None:
    """A second opening of the same address, as another process does."""
    make().put("n", "k", b"shared")
    assert make().get("n", "k") == b"shared"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"], indirect=True)
def test_a_table_of_somebody_else_is_refused(kind: BackendKind, url: str) -> None:
    """One line, before the run starts."""
    if kind == "sqlite":
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE optiflow_cache (something text, used_at float)"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match=r"^cache: .* does not answer: .*namespace"):
        open_backend(kind, url, Limits())


def test_a_foreign_value_in_redis_is_garbage(own_redis: str) -> None:
    """It is given as garbage, which the reader counts, and it makes room."""
    backend = open_backend("redis", own_redis, Limits())
    backend._client.set("{optiflow:cache}:entry:n\x1fk", "foreign")  # type: ignore[attr-defined]
    assert backend.get("n", "k") == b""
    assert backend.get("n", "k") is None
    backend.close()


def test_a_full_disk_is_a_store_error(tmp_path: Path) -> None:
    """What SQLite says of it, in one line; what is there can still be read."""
    backend = open_backend("sqlite", f"sqlite:///{tmp_path / 'cache.sqlite'}", Limits())
    backend.put("n", "k", b"before")
    sa.event.listen(backend._engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count=1"))  # type: ignore[attr-defined]
    backend._engine.dispose()  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="database or disk is full"):
        backend.put("n", "large", bytes(10**6))
    assert backend.get("n", "k") == b"before"
    backend.close()


@pytest.mark.parametrize(
    ("kind", "url", "says"),
    [
        ("redis", "redis://user:secret@127.0.0.1:1/0", "redis://127.0.0.1:1/0 does not answer"),
        ("redis", "redis://127.0.0.1:not-a-port", "does not answer"),
        ("postgres", "postgresql://user:secret@127.0.0.1:1/db", r"postgresql://user:\*\*\*@127.0.0.1:1/db does not"),
        ("sqlite", "sqlite:////proc/no/cache.sqlite", "can't be made: No such file"),
        ("redis", None, "backend=redis needs a url such as 'redis://localhost:6379/0'"),
        ("sqlite", "redis://127.0.0.1", "backend=sqlite can't use a redis url; expected 'sqlite:///cache.sqlite'"),
        ("redis", "somewhere", "'somewhere' is no address of a cache; expected one like 'sqlite:///cache.sqlite'"),
    ],
)
def test_a_place_that_does_not_answer(kind: BackendKind, url: str | None, says: str) -> None:
    """One line without a password, and nothing of a traceback."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        open_backend(kind, url, Limits())
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "library", "extra"), [("redis", "redis", "redis"), ("postgres", "psycopg", "postgres")]
)
def test_a_missing_library_is_named(
    kind: BackendKind, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that brings it."""
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'optiflow\[{extra}\]'"):
        open_backend(kind, {"redis": "redis://127.0.0.1", "postgres": "postgresql://127.0.0.1/db"}[kind], Limits())


def test_the_default_file_is_in_the_home(tmp_path: Path) -> None:
    """Beside the records."""
    assert default_url() == f"sqlite:///{tmp_path / 'optiflow-home' / 'cache.sqlite'}"
    backend = open_backend("sqlite", None, Limits())
    backend.put("n", "k", b"v")
    assert (tmp_path / "optiflow-home" / "cache.sqlite").is_file()
    backend.close()
    assert [kind_of(url) for url in ("unix:///x", "postgres://h/d", "postgresql+psycopg://h/d")] == [
        "redis",
        "postgres",
        "postgres",
    ]
