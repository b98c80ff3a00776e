"""One place for all toggles that mean the same."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import psutil
import pytest
import sqlalchemy as sa
from langgraph.graph import END, START, StateGraph

import optiflow
from optiflow.caching.backends.base import BackendKind, Limits
from optiflow.caching.backends.sharing import shared_backend
from optiflow.errors import ConfigurationError


class State(TypedDict):
    a: int
    b: int


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def kind(request: pytest.FixtureRequest) -> BackendKind:
    """Each kind of place that holds connections."""
    return request.param


@pytest.fixture
def url(kind: BackendKind, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address of the kind that holds nothing yet."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'a' / 'cache.sqlite'}"
    return request.getfixturevalue("own_redis" if kind == "redis" else "postgres_url")


def _connections(kind: BackendKind, url: str) -> int:
    """Connections of this process to the place."""
    if kind == "sqlite":
        return sum(each.path == url.removeprefix("sqlite:///") for each in psutil.Process().open_files())
    port = sa.make_url(url).port or {"redis": 6379, "postgres": 5432}[kind]
    connections = psutil.Process().net_connections()
    return sum(bool(each.raddr) and each.raddr.port == port and each.status == "ESTABLISHED" for each in connections)


def _run(kind: BackendKind, url: str, number: int) -> object:
    builder = StateGraph(State)
    builder.add_node("x", lambda state: {"b": state["a"] + 1})
    builder.add_edge(START, "x")
    builder.add_edge("x", END)
    graph = optiflow.compile(builder, opt={"cache": {"backend": kind, "url": url, "nodes": ["x"]}})
    assert graph.invoke({"a": number})["b"] == number + 1
    return graph


def test_graphs_share_their_connections_and_the_last_closes_them(kind: BackendKind, url: str) -> None:
    """Ten graphs, as of a program that compiles for each request, hold no more than one; none is left behind."""
    gc.collect()
    before = _connections(kind, url)
    graphs = [_run(kind, url, 0)]
    one = _connections(kind, url)
    assert one > before
    graphs += [_run(kind, url, number) for number in range(1, 10)]
    assert _connections(kind, url) == one
    graphs.clear()
    gc.collect()
    assert _connections(kind, url) == before


def test_what_is_not_the_same_is_not_shared(kind: BackendKind, url: str, tmp_path: Path) -> None:
    """Other bounds are another place; and so is memory, always."""
    one = shared_backend(kind, url, Limits())
    assert shared_backend(kind, url, Limits()) is one
    other = shared_backend(kind, url, Limits(max_age_s=60))
    assert other is not one
    assert shared_backend("memory", None, Limits()) is not shared_backend("memory", None, Limits())


def test_closing_leaves_it_usable(kind: BackendKind, url: str) -> None:
    """As at the end of a run of several in one process."""
    before = _connections(kind, url)
    backend = shared_backend(kind, url, Limits())
    backend.put("n", "k", b"v")
    backend.close()
    assert _connections(kind, url) == before
    assert backend.get("n", "k") == b"v"
    backend.check()


def test_a_file_that_was_removed_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to a removed file would be lost; the default file is found like any other."""
    monkeypatch.setenv("OPTIFLOW_HOME", str(tmp_path))
    one = shared_backend("sqlite", None, Limits())
    assert shared_backend("sqlite", f"sqlite:///{tmp_path / 'cache.sqlite'}", Limits()) is one
    for file in tmp_path.glob("cache.sqlite*"):
        file.unlink()
    other = shared_backend("sqlite", None, Limits())
    assert other is not one
    other.put("n", "k", b"v")
    assert shared_backend("sqlite", None, Limits()).get("n", "k") == b"v"


@pytest.mark.parametrize("kind", ["redis", "postgres"], indirect=True)
def test_a_server_that_is_gone_is_noticed_before_the_run(
    kind: BackendKind, url: str, line: Callable[[str], Any]
) -> None:
    """Although somebody has it open still."""
    cable = line(url)
    held = shared_backend(kind, cable.url, Limits())
    cable.cut()
    with pytest.raises(ConfigurationError, match="does not answer"):
        shared_backend(kind, cable.url, Limits())
    held.close()


def test_a_database_that_is_gone_is_noticed_before_the_run(tmp_path: Path) -> None:
    """Here a file in whose place there is a folder."""
    file = tmp_path / "cache.sqlite"
    backend = shared_backend("sqlite", f"sqlite:///{file}", Limits())
    backend.close()
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigurationError, match="does not answer"):
        backend.check()
