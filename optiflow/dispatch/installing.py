"""From a plan to a graph that runs lean, and a decision for each node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optiflow.plan.decision import Decision

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["run_lean"]


@dataclass(frozen=True)
class _Lean:
    """Makes a compiled graph lean."""

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        from optiflow.dispatch.graph import LeanStateGraph
        from optiflow.dispatch.runnables import lean_sequence

        for node in compiled.nodes.values():
            sequence = lean_sequence(node.node)
            if sequence is not None:
                # PregelNode.node is a cached property: what sits in the instance wins over the computation.
                node.__dict__["node"] = sequence
        compiled.__class__ = LeanStateGraph


def run_lean(plan: GraphPlan, *, toggle: str, prefix: str = "") -> GraphPlan:
    """Make a plan's graph, and the graphs that are its nodes, run lean while nobody listens.

    Args:
        plan: The plan, which is not changed.
        toggle: Name of the toggle for its decisions.
        prefix: Dotted path to this graph in its parents.

    Returns:
        The plan with one more step after compiling, and a decision for every node.
    """
    decisions: list[Decision] = []
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        reason = "starts no runs for handlers that are not there"
        if sub is not None:
            inner = run_lean(sub, toggle=toggle, prefix=f"{prefix}{name}.")
            decisions += inner.decisions[len(sub.decisions) :]
            plan = plan.with_node(replace(node, subgraph=inner))
            reason = "a graph of its own, which runs lean as well"
        decisions.append(Decision(toggle, prefix + name, "applied", reason))
    return plan.with_finisher(_Lean()).decide(*decisions)
