"""Tests of the toggle ``dispatch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest
import yaml
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import ValidationError

from optiflow import api
from optiflow.optimizations.base import Decision
from optiflow.optimizations.dispatch import Dispatch, DispatchOptions

CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "dispatch.yaml"
LEAN = "starts no runs for handlers that are not there"


class State(TypedDict, total=False):
    """The state of the graph."""

    count: int


def nested() -> StateGraph[Any]:
    """A graph in a graph."""
    inner = StateGraph(State).add_node("deep", lambda state: {"count": 1}).add_edge(START, "deep").compile()
    return StateGraph(State).add_node("inner", inner).add_edge(START, "inner")


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {"dispatch": DispatchOptions().model_dump()}


def test_wrong_options_are_refused() -> None:
    """Unknown keys are errors."""
    with pytest.raises(ValidationError):
        DispatchOptions.model_validate({"other": 1})


def test_every_node_gets_a_decision() -> None:
    """Those of subgraphs too."""
    assert api.explain(nested(), "dispatch") == (
        Decision("dispatch", "inner.deep", "applied", LEAN),
        Decision("dispatch", "inner", "applied", LEAN),
    )


def test_an_unknown_langgraph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every node with the reason, and the graph is LangGraph's own."""
    monkeypatch.setattr("optiflow.dispatch.internals.why_unknown", lambda: "another LangGraph")
    decided = api.explain(nested(), "dispatch")
    assert {(each.node, each.action, each.reason) for each in decided} == {
        ("inner.deep", "refused", "another LangGraph"),
        ("inner", "refused", "another LangGraph"),
    }
    assert type(api.compile(nested(), "dispatch")) is CompiledStateGraph


def test_an_entrypoint_is_refused() -> None:
    """There is no StateGraph to rewrite, and nothing is done around its runs."""

    @entrypoint()
    def flow(value: int) -> int:
        return value

    (decision,) = api.explain(flow, "dispatch")
    assert decision.action == "refused"
    assert type(api.optimize(flow, "dispatch")) is type(flow)


def test_what_was_lean_is_counted() -> None:
    """Runs, those of subgraphs too, and their nodes."""
    toggle = Dispatch(DispatchOptions())
    graph = api.compile(nested(), "dispatch")
    with toggle.activate() as statistics:
        assert graph.invoke({}) == {"count": 1}
        assert statistics() == {"runs_lean": 2, "runs_full": 0, "nodes_lean": 2}


def test_other_toggles_stay_around_the_runs() -> None:
    """A lean graph holds what is to be held around its runs."""
    graph = api.compile(nested(), ["safe", "dispatch"])
    with Dispatch(DispatchOptions()).activate() as statistics:
        assert graph.invoke({}) == {"count": 1}
        assert statistics()["runs_lean"] == 2
    held = {toggle.name for toggle in graph.run_toggles}  # type: ignore[attr-defined]
    assert held == {"async", "cache", "log_level", "monitor"}
    again = api.optimize(graph, ["safe", "dispatch"])
    assert again.invoke({}) == {"count": 1}
