"""From the effects of a plan's nodes to a schedule, and a decision for each node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from langgraph.constants import END, START

from optiflow.optimizations.base import Decision
from optiflow.plan.dataflow.folding import stable
from optiflow.plan.dataflow.observers import is_known_langchain
from optiflow.plan.dataflow.reducers import is_pure_reducer
from optiflow.plan.dataflow.schedule import Schedule, Stage
from optiflow.plan.dataflow.seam import is_known_langgraph
from optiflow.plan.inference.infer import declared_classes
from optiflow.plan.schema import hidden_readers

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["overlap", "quoted", "stage_of", "why_not_at_all", "why_not_early"]


def overlap(plan: GraphPlan, *, toggle: str, max_concurrency: int, prefix: str = "") -> GraphPlan:
    """Schedule every straight chain of a plan, and of the graphs that are its nodes.

    Args:
        plan: The plan, which is not changed.
        toggle: Name of the toggle for its decisions.
        max_concurrency: How many nodes of a run may work at once.
        prefix: Dotted path to this graph in its parents.

    Returns:
        The plan with a schedule where one gains anything, and one decision for every node.
    """
    plan, inner = _overlap_subgraphs(plan, toggle, max_concurrency, prefix)
    why = why_not_at_all(plan)
    if why is not None:
        return plan.decide(*inner, *(Decision(toggle, prefix + name, "refused", why) for name in plan.nodes))
    successor = _certain_successors(plan)
    chained = _worth_a_look(plan, successor)
    in_chain = successor.keys() | successor.values()
    refusals = {
        name: why_not_early(plan, node) if name in chained else _why_no_chain(name in in_chain, node)
        for name, node in plan.nodes.items()
    }
    stages = {
        name: stage_of(node, early=refusals[name] is None)
        for name, node in plan.nodes.items()
        if name in chained and node.effects.writes is not None and _why_nothing_crosses(node) is None
    }
    schedule = Schedule(
        stages=stages,
        successor={a: b for a, b in successor.items() if a in stages and b in stages},
        foldable=frozenset(key for key, channel in plan.channels.items() if is_pure_reducer(channel)),
        fleeting=frozenset(key for key, channel in plan.channels.items() if not stable(channel)),
        keys=frozenset(plan.channels),
        edges=plan.edges,
        max_concurrency=max_concurrency,
    )
    decisions = [_decision(schedule, toggle, prefix, name, refusals[name]) for name in plan.nodes]
    if schedule.gains and max_concurrency > 1:
        plan = plan.with_finisher(schedule)
    return plan.decide(*inner, *decisions)


def stage_of(node: NodePlan, *, early: bool) -> Stage:
    """What a schedule knows of a node whose writes are known."""
    effects = node.effects
    inferred = effects.source == "inferred"
    return Stage(
        node.name,
        writes=effects.writes or frozenset(),
        reads=effects.reads or frozenset(),
        early=early,
        waits=effects.waits,
        seen=effects.seen,
        settings=effects.settings if inferred else frozenset(),
        classes=declared_classes(node.input_schema) if early and inferred else {},
        vouched=not inferred,
        observed=effects.observed or effects.speaks,
        unsteady=_unsteady(node),
    )


def _unsteady(node: NodePlan) -> str | None:
    """What a node reads that whoever is told of its work, a callback handler say, might change."""
    return next((read.label for read in node.effects.seen if not read.steady), None)


def _why_nothing_crosses(node: NodePlan) -> str | None:
    """Why nothing may start early across a node, nor the node itself: the order of time shows."""
    if node.effects.clock is not None:
        return f"{node.effects.clock}, whose order with other nodes shows"
    if node.effects.paces:
        return "it only waits, which paces the run"
    return None


def _overlap_subgraphs(
    plan: GraphPlan, toggle: str, max_concurrency: int, prefix: str
) -> tuple[GraphPlan, list[Decision]]:
    decisions: list[Decision] = []
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        if sub is not None:
            rewritten = overlap(sub, toggle=toggle, max_concurrency=max_concurrency, prefix=f"{prefix}{name}.")
            decisions += rewritten.decisions[len(sub.decisions) :]
            if rewritten.finishers != sub.finishers:
                plan = plan.with_node(replace(node, subgraph=rewritten))
    return plan, decisions


def why_not_at_all(plan: GraphPlan) -> str | None:
    """Why no node of a graph may start early, or None where some may."""
    if not is_known_langgraph():
        return "this version of LangGraph prepares its tasks in a way that is not known"
    if not is_known_langchain():
        return "this version of LangChain tells callback handlers in a way that is not known"
    if plan.compiled is not None and plan.compiled.step_timeout is not None:
        return "the graph limits the time of a step, which a head start would stretch"
    return None


def _certain_successors(plan: GraphPlan) -> Mapping[str, str]:
    """Node -> the only node that can and must run right after it."""
    out = Counter(source for source, _ in plan.edges)
    joining = {source for sources, _ in plan.waiting_edges for source in sources}
    return {
        source: target
        for source, target in plan.edges
        if out[source] == 1
        and source != START
        and target != END
        and source not in plan.branches
        and source not in joining
        and not plan.nodes[target].defer
    }


def _worth_a_look(plan: GraphPlan, successor: Mapping[str, str]) -> set[str]:
    """The nodes of chains in which more than one may wait for something: elsewhere nothing can be gained."""
    chain_of: dict[str, str] = {}
    for start in successor:
        walked = []
        name: str | None = start
        while name is not None and name not in chain_of:
            walked.append(name)
            chain_of[name] = start
            name = successor.get(name)
        chain_of.update(dict.fromkeys(walked, start if name is None else chain_of[name]))
    waiting = Counter(chain for name, chain in chain_of.items() if plan.nodes[name].may_wait)
    return {name for name, chain in chain_of.items() if waiting[chain] > 1}


def _why_no_chain(chained: bool, node: NodePlan) -> str:
    if node.is_error_handler:
        return "it runs only to handle an error"
    if chained:
        return "nothing in its chain waits for anything that another could overlap with"
    return "it is not part of a straight chain of nodes"


def why_not_early(plan: GraphPlan, node: NodePlan) -> str | None:
    """Why a node's work may not start before its turn, whatever runs before it; None where it may."""
    effects = node.effects
    if not effects.known or effects.reads is None:
        return effects.reason or "its effects are not known"
    ordered = _why_nothing_crosses(node)
    if ordered is not None:
        return ordered
    unsteady = _unsteady(node)
    if effects.speaks and unsteady is not None:
        return f"it prints or logs, and reads {unsteady!r}, which whoever is told may change"
    if plan.subplan(node.name) is not None:
        return "it is a graph of its own, whose checkpoints belong to its turn"
    if node.name in plan.branches:
        return "a router follows it, which reads the state in its turn"
    if getattr(node.timeout, "idle_timeout", None) is not None:
        return "its idle timeout watches for progress during its turn"
    stops = plan.compile_options.get("interrupt_before") or ()
    if stops == "*" or node.name in stops:
        return "the run stops before it"
    fleeting = sorted(key for key in effects.reads if key in plan.channels and not stable(plan.channels[key]))
    if fleeting:
        return f"it reads {quoted(fleeting)}, whose value changes from step to step"
    hidden = hidden_readers(node.input_schema)
    if hidden:
        return f"its state schema runs code of its own ({hidden}), which may read any key"
    return None


def _decision(schedule: Schedule, toggle: str, prefix: str, name: str, refusal: str | None) -> Decision:
    if refusal is not None:
        return Decision(toggle, prefix + name, "refused", refusal)
    stage = schedule.stages[name]
    if name in schedule.gains:
        reads = quoted(sorted(stage.reads)) if stage.reads else "nothing"
        return Decision(toggle, prefix + name, "applied", f"starts when what it reads is ready: {reads}")
    if name in schedule.possible:
        return Decision(toggle, prefix + name, "refused", "it only computes, and nothing that waits needs it early")
    before = [source for source, target in schedule.successor.items() if target == name]
    if not before:
        return Decision(toggle, prefix + name, "refused", "nothing certain runs before it: it starts its chain")
    needed = quoted(sorted(schedule.needs(name, before[0])))
    return Decision(toggle, prefix + name, "refused", f"it needs {needed} from {before[0]!r} right before it")


def quoted(keys: Iterable[str]) -> str:
    """Names for a sentence."""
    return ", ".join(repr(key) for key in keys)
