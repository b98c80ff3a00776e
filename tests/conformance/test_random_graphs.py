"""Optimized equals plain, over random graphs, states, reducers, pauses and failures."""

from __future__ import annotations

import copy

import pytest
from conformance_cases.arms import build as compile_arm
from conformance_cases.arms import decisions
from hypothesis import HealthCheck, event, given, settings
from langgraph.checkpoint.memory import InMemorySaver
from random_graphs import INPUT, Graph, Node, build, graphs

from optiflow.analysis.equivalence import Allowance, Mode, Observation, first_difference, observe

RANDOM = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def observed(graph: Graph, arm: str, mode: Mode) -> Observation:
    """One run of a random graph with a checkpointer."""
    builder = build(graph, asynchronous=mode.startswith("a"))
    compiled = compile_arm(arm, builder, {"checkpointer": InMemorySaver()})
    # Saved in the background, a checkpoint of LangGraph's may show a barrier that the next step has changed already.
    return observe(compiled, copy.deepcopy(INPUT), mode=mode, keywords={"durability": "sync"})


def check(graph: Graph, arm: str, mode: Mode) -> None:
    """Compare a random graph with itself, optimized."""
    allow = Allowance.of(decisions(arm, build(graph, asynchronous=mode.startswith("a")), {}))
    event(f"{min(len(allow.overlapped), 3)} nodes overlap")
    difference = first_difference(observed(graph, "none", mode), observed(graph, arm, mode), allow=allow)
    assert difference is None, difference


@pytest.mark.parametrize("arm", ["safe", "all"])
@RANDOM
@given(graph=graphs())
def test_a_random_graph_called_synchronously(arm: str, graph: Graph) -> None:
    """Outputs, errors and the whole history are the same."""
    check(graph, arm, "invoke")


@pytest.mark.parametrize("arm", ["safe", "all"])
@RANDOM
@given(graph=graphs())
def test_a_random_graph_called_asynchronously(arm: str, graph: Graph) -> None:
    """Outputs, errors and the whole history are the same."""
    check(graph, arm, "ainvoke")


@pytest.mark.parametrize("mode", ["stream", "astream"])
@RANDOM
@given(graph=graphs().filter(lambda graph: not graph.fans))
def test_a_random_graph_streamed(mode: Mode, graph: Graph) -> None:
    """Every stream is the same where plain LangGraph's has an order."""
    check(graph, "all", mode)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@RANDOM
@given(graph=graphs())
def test_a_random_graph_whose_nodes_are_known(mode: Mode, graph: Graph) -> None:
    """The second run of a graph that keeps what its nodes returned is the plain one, errors included."""
    plain = build(graph, asynchronous=mode == "ainvoke").compile()
    kept = compile_arm("cache_nodes_auto", build(graph, asynchronous=mode == "ainvoke"), {})
    runs = [observe(each, copy.deepcopy(INPUT), mode=mode) for each in (plain, kept, kept)]
    event(f"{min(kept.run_toggles[0]._kept()['node_hits'], 3)} hits")
    for run in runs[1:]:
        difference = first_difference(runs[0], run)
        assert difference is None, difference


def test_random_graphs_do_overlap() -> None:
    """Functions made from text are seen through, and declared ones are believed."""
    nodes = tuple(Node(("last_a",), ("last_b",), 1, kind, fails=False) for kind in ("source", "source", "declared"))
    graph = Graph(sections=((nodes,),), routed=(False,))
    allow = Allowance.of(decisions("all", build(graph, asynchronous=False), {}))
    assert allow.overlapped == {"n0x1", "n0x2"}
