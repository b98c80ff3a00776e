"""From a plan to a graph that runs lean, and a decision for each node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optiflow.plan.decision import Decision

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["queue_saves", "run_lean"]


@dataclass(frozen=True)
class _Lean:
    """Makes a compiled graph lean."""

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        from langgraph.pregel._read import PregelNode

        from optiflow.dispatch.graph import LeanStateGraph
        from optiflow.dispatch.runnables import LeanNode

        for node in compiled.nodes.values():
            if type(node) is PregelNode and "node" not in vars(node):
                node.__class__ = LeanNode
        compiled.__class__ = LeanStateGraph


@dataclass(frozen=True)
class _Queueing:
    """Makes a compiled graph queue its saves, which a lean one does anyway."""

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        from langgraph.graph.state import CompiledStateGraph

        from optiflow.dispatch.saving import SavingStateGraph

        if type(compiled) is CompiledStateGraph:
            compiled.__class__ = SavingStateGraph


def queue_saves(plan: GraphPlan) -> GraphPlan:
    """Let the runs of a plan's graph give their saves to a saver that writes several at once.

    Args:
        plan: The plan, which is not changed.

    Returns:
        The plan with one more step after compiling, unless LangGraph is built another way than is known.
    """
    from optiflow.dispatch.internals import why_unknown

    return plan if why_unknown() else plan.with_finisher(_Queueing())


def run_lean(plan: GraphPlan, *, toggle: str, prefix: str = "") -> GraphPlan:
    """Make a plan's graph, and the graphs that are its nodes, run lean while nobody listens.

    Args:
        plan: The plan, which is not changed.
        toggle: Name of the toggle for its decisions.
        prefix: Dotted path to this graph in its parents.

    Returns:
        The plan with one more step after compiling, and a decision for every node.
    """
    from optiflow.dispatch.internals import why_unknown

    unknown = why_unknown()
    decisions: list[Decision] = []
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        if sub is not None:
            inner = run_lean(sub, toggle=toggle, prefix=f"{prefix}{name}.")
            decisions += inner.decisions[len(sub.decisions) :]
            if unknown is None:
                plan = plan.with_node(replace(node, subgraph=inner))
        refusal = unknown or _why_not(node)
        decisions.append(
            Decision(toggle, prefix + name, "refused", refusal)
            if refusal
            else Decision(toggle, prefix + name, "applied", "starts no runs for handlers that are not there")
        )
    if unknown is None:
        plan = plan.with_finisher(_Lean())
    return plan.decide(*decisions)


def _why_not(node: NodePlan) -> str | None:
    policy = getattr(node.spec, "trace_policy", None)
    if policy is not None and (policy.process_inputs or policy.process_outputs):
        return "its trace policy processes what goes in and out, traced or not"
    return None
