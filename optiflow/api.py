"""Optimizing graphs from Python code."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.pregel import Pregel

from optiflow.activation import AnyPregel, activated, run_level
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.registry import preset, resolve
from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.observation.evidence import Evidence, Recorded, evidence, informed
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from langgraph.types import Checkpointer

    from optiflow.plan.effects import Effects
    from optiflow.workflow.base import Workflow
    from optiflow.workflow.graph_workflow import GraphWorkflow

__all__ = [
    "Opt",
    "build",
    "building",
    "compile",
    "decisions_of",
    "evidence_of",
    "explain",
    "optimize",
    "optimize_fresh",
    "own_graph",
    "plan_of",
    "rewrite",
    "toggles_of",
    "unplanned",
]

AnyStateGraph = StateGraph[Any, Any, Any, Any]
AnyCompiled = CompiledStateGraph[Any, Any, Any, Any]

Opt = str | Iterable[str] | Mapping[str, Mapping[str, Any]]
"""Which toggles: the name of a preset or a toggle, several of them, or each toggle's options by its name."""

_building: ContextVar[bool] = ContextVar("optiflow_building", default=False)


def compile(builder: AnyStateGraph, opt: Opt = "all", **options: Any) -> AnyCompiled:
    """Compile a graph with optimizations.

    Args:
        builder: The graph; it is never changed.
        opt: The toggles; `Opt` says how they are given.
        **options: The keywords of ``StateGraph.compile``: ``checkpointer``, ``cache``, ``store``,
            ``interrupt_before``, ``interrupt_after``, ``debug``, ``name``, ``transformers``.

    Returns:
        A compiled graph that gives the same answers as ``builder.compile(**options)``.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
        ValueError: The graph does not compile, as LangGraph says.
    """
    toggles = toggles_of(opt)
    graph, _ = build(GraphPlan.of(builder, compile_options=options), toggles)
    return cast("AnyCompiled", activated(graph, toggles))


def optimize(compiled: AnyPregel, opt: Opt = "all") -> AnyPregel:
    """Optimize a graph that is compiled already.

    Args:
        compiled: The compiled graph, which stays as it is. One that was not compiled from a StateGraph,
            such as an ``@entrypoint``, takes only what toggles do around a run; `explain` says so.
        opt: The toggles; `Opt` says how they are given.

    Returns:
        A new graph of the same kind, with the checkpointer, cache, store, interrupts, name, bound
        configuration and every other setting of the one given.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
    """
    toggles = toggles_of(opt)
    if not _is_planned(compiled):
        return activated(copy.copy(compiled), toggles)
    graph, _ = build(GraphPlan.of(cast("AnyCompiled", compiled)), toggles)
    return activated(graph, toggles)


def explain(graph: AnyStateGraph | AnyPregel, opt: Opt = "all") -> tuple[Decision, ...]:
    """What each toggle would do to each node of a graph, or why it would not.

    Args:
        graph: A StateGraph or a compiled graph; it is never changed.
        opt: The toggles; `Opt` says how they are given.

    Returns:
        The decisions, at least one for each toggle; ``*`` stands for the whole graph.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
    """
    return decisions_of(graph, toggles_of(opt))


def decisions_of(
    graph: AnyStateGraph | AnyPregel,
    toggles: Sequence[Optimization[Any]],
    effects: Mapping[str, Effects] | None = None,
    recorded: Sequence[Recorded] = (),
) -> tuple[Decision, ...]:
    """As `explain`, for toggles that are made already.

    Args:
        graph: A StateGraph or a compiled graph.
        toggles: The toggles.
        effects: Effects declared from outside, by node name.
        recorded: What the records of earlier runs keep; a node that they contradict counts as unknown.
    """
    if isinstance(graph, Pregel) and not _is_planned(graph):
        return tuple(unplanned(toggle) for toggle in toggles)
    plan = GraphPlan.of(cast("AnyStateGraph | AnyCompiled", graph), effects=effects)
    return rewrite(informed(plan, recorded), toggles).decisions


def evidence_of(
    graph: AnyStateGraph | AnyPregel, effects: Mapping[str, Effects] | None, recorded: Sequence[Recorded]
) -> tuple[Evidence, ...]:
    """What the records of earlier runs say about the effects of a graph's nodes.

    Args:
        graph: A StateGraph or a compiled graph.
        effects: Effects declared from outside, by node name.
        recorded: What the records keep.

    Returns:
        One piece of evidence for each node that the records confirm or refute.
    """
    if not recorded or (isinstance(graph, Pregel) and not _is_planned(graph)):
        return ()
    return evidence(GraphPlan.of(cast("AnyStateGraph | AnyCompiled", graph), effects=effects), recorded)


def toggles_of(opt: Opt) -> tuple[Optimization[Any], ...]:
    """The toggles that are meant, without those that the kill switch holds off.

    Raises:
        ConfigurationError: An unknown toggle, or options that do not fit.
    """
    if not isinstance(opt, Mapping):
        names = (opt,) if isinstance(opt, str) else opt
        opt = {toggle: options for name in names for toggle, options in preset(name).items()}
    return resolve(opt, get_settings().disable)


def rewrite(plan: GraphPlan, toggles: Sequence[Optimization[Any]]) -> GraphPlan:
    """Let each toggle rewrite the plan in turn; each leaves at least one decision."""
    plan = replace(plan, arm=_arm(toggles))
    for toggle in toggles:
        decided = len(plan.decisions)
        plan = toggle.rewrite(plan)
        if len(plan.decisions) == decided:
            plan = plan.decide(_undecided(toggle))
    return plan


def own_graph(workflow: GraphWorkflow, checkpointer: Checkpointer = None) -> AnyPregel:
    """A copy of a user's graph as its author compiled it.

    Args:
        workflow: Whose graph.
        checkpointer: In place of the graph's own; None leaves it, False is none at all.
    """
    graph = copy.copy(workflow.compiled)
    if checkpointer is not None:
        graph.checkpointer = checkpointer
    return graph


def plan_of(workflow: Workflow, checkpointer: Checkpointer = None) -> GraphPlan | None:
    """The plan of a workflow's graph with its declared effects and, for a user's graph, all its settings.

    Args:
        workflow: Declared, or a user's graph.
        checkpointer: What the run is kept in, as `own_graph` takes it.

    Returns:
        None for a graph that no plan can be made of, such as an ``@entrypoint``: only what toggles do around the
        run applies to it.
    """
    from optiflow.workflow.graph_workflow import GraphWorkflow

    if not isinstance(workflow, GraphWorkflow):
        return GraphPlan.of(workflow.builder, effects=workflow.effects, compile_options={"checkpointer": checkpointer})
    if not _is_planned(workflow.compiled):
        return None
    return GraphPlan.of(cast("AnyCompiled", own_graph(workflow, checkpointer)), effects=workflow.effects)


def build(plan: GraphPlan, toggles: Sequence[Optimization[Any]]) -> tuple[AnyCompiled, tuple[Decision, ...]]:
    """Rewrite and compile; the run-level part of the toggles is left to the caller.

    Args:
        plan: The plan of the user's graph.
        toggles: The toggles.

    Returns:
        The compiled graph and what was decided. Its ``builder`` is the user's own, so that whoever compiles
        that again starts from the graph as it was written.
    """
    plan = rewrite(plan, toggles)
    with _build():
        graph = plan.build()
    graph.builder = plan.builder
    return graph, plan.decisions


def optimize_fresh(compiled: AnyPregel, toggles: Sequence[Optimization[Any]]) -> AnyPregel:
    """Optimize a graph that was compiled a moment ago and that nobody uses yet.

    Args:
        compiled: The graph. Where no toggle rewrites it, this very object comes back.
        toggles: The toggles.
    """
    if _is_planned(compiled):
        plan = GraphPlan.of(cast("AnyCompiled", compiled))
        rewritten = rewrite(plan, toggles)
        if any(
            getattr(plan, each.name) is not getattr(rewritten, each.name)
            for each in fields(plan)
            if each.name not in ("decisions", "arm")
        ):
            compiled, _ = build(rewritten, ())
    return activated(compiled, toggles)


def building() -> bool:
    """Whether OptiFlow itself is compiling a graph in this context."""
    return _building.get()


@contextmanager
def _build() -> Iterator[None]:
    token = _building.set(True)
    try:
        yield
    finally:
        _building.reset(token)


def _is_planned(graph: AnyPregel) -> bool:
    """Whether a compiled graph is what its builder says; one that was changed by hand afterwards is not."""
    return isinstance(graph, CompiledStateGraph) and graph.nodes.keys() - {START} == graph.builder.nodes.keys()


def _arm(toggles: Sequence[Optimization[Any]]) -> str:
    """What tells one set of toggles and options from another."""
    options = [(toggle.name, toggle.options.model_dump_json()) for toggle in toggles]
    return sha256(repr(options).encode()).hexdigest()


def _undecided(toggle: Optimization[Any]) -> Decision:
    """What is said of a toggle that looked at no node."""
    if run_level((toggle,)) and not toggle.only_rewrites:
        return Decision(toggle.name, "*", "applied", "acts around the run and changes no node")
    return Decision(toggle.name, "*", "refused", "finds nothing in this graph that it could do")


def unplanned(toggle: Optimization[Any]) -> Decision:
    """What is said of a toggle on a graph without a StateGraph."""
    if run_level((toggle,)) and not toggle.only_rewrites:
        return Decision(toggle.name, "*", "applied", "acts around the run; there is no StateGraph to rewrite")
    return Decision(toggle.name, "*", "refused", "there is no StateGraph to rewrite, as for an @entrypoint")
