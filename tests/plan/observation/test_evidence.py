"""Recorded runs confirm or refute what nodes are held to do; they never make anything known."""

from __future__ import annotations

import pytest
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from optiflow.api import decisions_of, evidence_of
from optiflow.monitor.observation import NodeObservation
from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.observation.evidence import Recorded, evidence, refuted


class State(TypedDict, total=False):
    """Three keys."""

    a: int
    b: int
    c: int


def first(state: State) -> State:
    """Writes ``b``."""
    return {"b": 1}


def second(state: State) -> State:
    """Reads ``a``."""
    return {"c": state["a"]}


def _graph() -> StateGraph[State]:
    builder: StateGraph[State] = StateGraph(State)
    builder.add_sequence([first, second])
    builder.add_edge(START, "first")
    builder.add_edge("second", END)
    return builder


DECLARED = {
    "first": Effects.declared({"a"}, {"b"}),
    "second": Effects.declared({"a"}, {"c"}),
}


def _recorded(record_id: str = "0123456789abcdef", **nodes: NodeObservation) -> Recorded:
    return Recorded(record_id, nodes)


AGREES = NodeObservation(("a",), ("c",))


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (NodeObservation(("a", "b", "c"), ("c",)), "it read 'b', 'c'"),
        (NodeObservation(("a",), ("a", "c")), "it wrote 'a'"),
        (NodeObservation(None, ("c",), outside=("opened 'x' for writing", "removed 'y'")), "it opened 'x' for writing"),
    ],
)
def test_a_contradiction_makes_a_node_unknown(seen: NodeObservation, why: str) -> None:
    """The reason names the record and what was seen; no later agreement takes it back; `parallel` refuses the node."""
    records = [_recorded("f" * 32, second=AGREES), _recorded(second=seen), _recorded("e" * 32, second=AGREES)]
    plan = GraphPlan.of(_graph(), effects=DECLARED)
    reason = f"refuted by observation in record 0123456789ab: {why}"
    weighed = refuted(plan, records)
    assert weighed.nodes["second"].effects == Effects.unknown(reason)
    assert weighed.nodes["first"] is plan.nodes["first"]
    assert plan.nodes["second"].effects.known
    (piece,) = evidence(plan, records)
    assert (piece.node, piece.confirmed, str(piece)) == ("second", 2, reason)
    decisions = {
        each.node: each for each in decisions_of(_graph(), [Parallel(ParallelOptions())], DECLARED, recorded=records)
    }
    assert (decisions["second"].action, decisions["second"].reason) == ("refused", reason)


def test_agreement_is_counted() -> None:
    """Reading less than is held possible agrees; what could not be watched says nothing."""
    less, unwatched = NodeObservation((), ()), NodeObservation(None, ("c",))
    records = [_recorded(second=AGREES), _recorded(second=less), _recorded(second=unwatched), _recorded()]
    plan = GraphPlan.of(_graph(), effects=DECLARED)
    assert [str(each) for each in evidence(plan, records)] == ["confirmed by 2 recorded runs"]
    assert [str(each) for each in evidence(plan, records[:1])] == ["confirmed by 1 recorded run"]
    assert refuted(plan, records) is plan
    assert evidence_of(_graph(), DECLARED, records) == evidence(plan, records)
    assert evidence_of(_graph(), DECLARED, ()) == ()


def test_the_unknown_stays_unknown() -> None:
    """However little it was seen to do."""
    plan = GraphPlan.of(_graph(), effects={"second": Effects.unknown("nobody knows")})
    records = [_recorded(second=NodeObservation((), ()))] * 5
    assert evidence(plan, records) == ()
    assert evidence(GraphPlan.of(_graph(), effects=DECLARED), [_recorded(first=NodeObservation(None, ()))]) == ()
    assert refuted(plan, records) is plan
    assert not plan.nodes["second"].effects.known


def test_nodes_of_subgraphs_are_weighed_too() -> None:
    """By their dotted names; the graph around stays as it is where nothing contradicts."""
    outer: StateGraph[State] = StateGraph(State)
    outer.add_node("inner", _graph().compile())
    outer.add_edge(START, "inner")
    plan = GraphPlan.of(outer)
    agrees = Recorded("1" * 32, {"inner.second": AGREES, "inner": NodeObservation(None, ("c",))})
    assert [(each.node, each.confirmed) for each in evidence(plan, [agrees])] == [("inner.second", 1)]
    contradicts = Recorded("2" * 32, {"inner.second": NodeObservation(("b",), ("c",))})
    weighed = refuted(plan, [agrees, contradicts])
    inner = weighed.subplan("inner")
    assert inner is not None
    assert inner.nodes["second"].effects.reason == "refuted by observation in record 222222222222: it read 'b'"
    assert weighed.build().invoke({"a": 1}) == outer.compile().invoke({"a": 1})
