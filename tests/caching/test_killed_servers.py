"""Caches on servers that are really killed, frozen and started again while a graph runs."""

from __future__ import annotations

import io
import operator
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

from optiflow import api, log

SAID = "the cache failed, the run goes on without it"


class State(TypedDict, total=False):
    """What the nodes said."""

    said: Annotated[list[str], operator.add]


@pytest.fixture
def warnings() -> Iterator[io.StringIO]:
    """What is logged."""
    said = io.StringIO()
    log.configure("WARNING", said)
    yield said
    log.configure()


def graph_of(own_server: Any, between: Callable[[], object]) -> Any:
    """Two nodes whose outcomes are kept on a server, and something that happens between them."""

    def first(state: State) -> State:
        return {"said": ["first"]}

    def meanwhile(state: State) -> State:
        between()
        return {}

    def last(state: State) -> State:
        return {"said": ["last"]}

    builder: StateGraph[Any] = StateGraph(State)
    builder.add_sequence([first, meanwhile, last])
    builder.add_edge(START, "first")
    backend = "redis" if own_server.url.startswith("unix") else "postgres"
    options = {"nodes": ["first", "last"], "backend": backend, "url": own_server.url}
    return api.compile(builder, {"cache": options})


def cache_of(graph: Any) -> Any:
    """The toggle of a graph."""
    return next(toggle for toggle in graph.run_toggles if toggle.name == "cache")


def test_a_server_that_is_killed_in_mid_run(own_server: Any, warnings: io.StringIO) -> None:
    """The run goes on without it, and says so once; when it is back it is used again."""
    between = [lambda: None, own_server.kill, lambda: None, lambda: None, lambda: None]
    graph = graph_of(own_server, lambda: between.pop(0)())
    toggle = cache_of(graph)

    def run_once() -> tuple[int, int]:
        before = toggle._kept()
        assert graph.invoke({"said": []})["said"] == ["first", "last"]
        after = toggle._kept()
        return after["node_hits"] - before["node_hits"], after["node_misses"] - before["node_misses"]

    assert run_once() == (0, 2)
    assert run_once() == (1, 1)
    assert run_once() == (0, 2)
    assert toggle._kept()["backend_errors"] == 1
    assert warnings.getvalue().count(SAID) == 1
    own_server.start()
    toggle._store._until = 0.0
    run_once()
    assert run_once() == (2, 0)
    assert warnings.getvalue().count(SAID) == 1
    toggle._store.backend.close()


@pytest.mark.parametrize("own_server", ["redis"], indirect=True)
def test_a_server_that_is_frozen_in_mid_run(own_server: Any, warnings: io.StringIO) -> None:
    """It is not waited for longer than once."""
    graph = graph_of(own_server, own_server.freeze)
    assert graph.invoke({"said": []})["said"] == ["first", "last"]
    counted = cache_of(graph)._kept()
    assert (counted["node_misses"], counted["backend_errors"]) == (2, 1)
    assert warnings.getvalue().count(SAID) == 1
    cache_of(graph)._store.backend.close()
