"""Tests of the toggle ``clients``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
import yaml
from langgraph.graph import END, START, StateGraph
from pydantic import ValidationError

import optiflow
from optiflow.connections import sharing
from optiflow.connections.usage import current_usage
from optiflow.connections.warm_up import COLD_THRESHOLD
from optiflow.optimizations.clients import Clients, ClientsOptions
from optiflow.plan.graph_plan import GraphPlan

CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "clients.yaml"


class State(TypedDict, total=False):
    """What the graphs here work on."""

    value: Any


def graph_of(node: Any) -> StateGraph[Any]:
    """A graph of one node."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


@pytest.fixture
def lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that nobody has imported."""
    (tmp_path / "lazy_client.py").write_text("ANSWER = 42", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("lazy_client", None)


def importing(state: State) -> State:
    """A node that imports when it runs."""
    import lazy_client  # type: ignore[import-not-found]

    return {"value": lazy_client.ANSWER}


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {
        "clients": ClientsOptions().model_dump(mode="json")
    }


@pytest.mark.parametrize("wrong", [{"keep_alive_s": 0}, {"keep_alive_s": 301}, {"size": 1}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Values out of range and unknown keys are errors."""
    with pytest.raises(ValidationError):
        ClientsOptions.model_validate(wrong)


def test_what_it_does_is_explained(lazy: None) -> None:
    """Which libraries share, and what is imported when; explaining imports nothing."""
    clients = Clients(ClientsOptions(warm_up_packages=("lazy_client",)))
    first, second = clients.rewrite(GraphPlan.of(graph_of(importing))).decisions
    assert (first.node, first.action) == ("*", "applied")
    assert {"httpx", "httpx2", "requests"} <= set(first.reason.replace(",", "").split())
    assert (second.node, second.action, second.reason) == (
        "node",
        "applied",
        "lazy_client imported when the graph is compiled",
    )
    assert "lazy_client" not in sys.modules


def test_what_it_refuses_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries of another make, none at all, an option that is off, and code that changes the environment."""

    def node(state: State) -> State:
        import os

        return {"value": os.environ}

    plan = GraphPlan.of(graph_of(node))
    *_, refused = Clients(ClientsOptions()).rewrite(plan).decisions
    assert (refused.node, refused.action) == ("node", "refused")
    assert "may change the environment" in refused.reason
    (off,) = Clients(ClientsOptions(share=False, warm_up=False)).rewrite(plan).decisions
    assert (off.action, off.reason) == ("refused", "connections are not shared: share=false")
    monkeypatch.setattr(sharing, "unsupported", lambda library: "too new")
    first, *others = Clients(ClientsOptions(warm_up=False)).rewrite(plan).decisions
    assert first.reason == "no HTTP library is loaded whose connections can be shared"
    assert {other.reason for other in others} >= {"httpx2 keeps its connections: too new"}


def test_compiling_imports_what_nodes_need(lazy: None) -> None:
    """The import is done when the graph is compiled; the record says so, and the answer is the same."""
    clients = Clients(ClientsOptions(warm_up_packages=("lazy_client",)))
    graph = clients.rewrite(GraphPlan.of(graph_of(importing))).build()
    assert "lazy_client" in sys.modules
    with clients.activate() as statistics:
        assert graph.invoke({}) == {"value": 42} == graph_of(importing).compile().invoke({})
    seen = statistics()
    assert (seen["imports_warmed"], seen["clients_built"], seen["pools"], seen["handshakes_saved"]) == (
        "lazy_client",
        0,
        0,
        0,
    )
    assert float(seen["warm_up_ms"]) > 0


def test_the_first_run_alone_is_cold() -> None:
    """Garbage is collected less often in it, unless that is off."""
    before = gc.get_threshold()
    for option, cold in ((True, COLD_THRESHOLD), (False, before[0])):
        clients = Clients(ClientsOptions(fewer_collections=option))
        seen = []
        for _ in range(2):
            with clients.activate():
                seen.append(gc.get_threshold()[0])
        assert seen == [cold, before[0]]
    assert gc.get_threshold() == before


def test_without_sharing_only_warm_up_is_reported() -> None:
    """With ``share=false`` no library is touched."""
    with Clients(ClientsOptions(share=False)).activate() as statistics:
        assert current_usage() is None
    assert statistics() == {"warm_up_ms": 0.0, "imports_warmed": ""}


async def test_nodes_run_as_part_of_the_run() -> None:
    """Sync nodes in threads too; around the run nothing is shared."""

    def node(state: State) -> State:
        return {"value": current_usage()}

    graph = optiflow.compile(graph_of(node), opt=["clients"])
    assert graph.invoke({})["value"] is not None
    assert (await graph.ainvoke({}))["value"] is not None
    assert current_usage() is None
