"""Optimizing graphs from Python code."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from langgraph.graph import START
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.pregel import Pregel

from optiflow.activation import AnyPregel, activated, as_compiled
from optiflow.errors import ConfigurationError, ToggleFailedError
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.failing import failed
from optiflow.optimizations.registry import preset, resolve
from optiflow.passes import Built, building, built, rewritten, unplanned
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
    "is_strict",
    "optimize",
    "optimize_fresh",
    "own_graph",
    "plan_of",
    "rewrite",
    "status",
    "toggles_of",
    "unplanned",
]

AnyStateGraph = StateGraph[Any, Any, Any, Any]
AnyCompiled = CompiledStateGraph[Any, Any, Any, Any]

Opt = str | Iterable[str] | Mapping[str, Mapping[str, Any]]
"""Which toggles: the name of a preset or a toggle, several of them, or each toggle's options by its name."""


def compile(builder: AnyStateGraph, opt: Opt = "all", *, strict: bool | None = None, **options: Any) -> AnyCompiled:
    """Compile a graph with optimizations.

    Args:
        builder: The graph; it is never changed.
        opt: The toggles; `Opt` says how they are given.
        strict: Whether a toggle that fails is raised, here and in the graph's runs; otherwise the graph does without
            it, `explain` and one line in the log say so. None: as ``OPTIFLOW_STRICT`` says.
        **options: The keywords of ``StateGraph.compile``: ``checkpointer``, ``cache``, ``store``,
            ``interrupt_before``, ``interrupt_after``, ``debug``, ``name``, ``transformers``.

    Returns:
        A compiled graph that gives the same answers as ``builder.compile(**options)``.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
        ValueError: The graph does not compile, as LangGraph says.
        ToggleFailedError: A toggle failed under ``strict``.
    """
    strict = is_strict(strict)
    toggles = toggles_of(opt, strict=strict)
    graph = _optimized(builder, toggles, options, strict=strict)
    if isinstance(graph, Exception):
        # Where the graph itself is wrong, this is where LangGraph says so.
        compiled = builder.compile(**options)
        _not_rewritten(toggles, graph, strict=strict)
        graph = activated(compiled, toggles, strict=strict)
    return cast("AnyCompiled", graph)


def optimize(compiled: AnyPregel, opt: Opt = "all", *, strict: bool | None = None) -> AnyPregel:
    """Optimize a graph that is compiled already.

    Args:
        compiled: The compiled graph, which stays as it is. One that was not compiled from a StateGraph,
            such as an ``@entrypoint``, takes only what toggles do around a run; `explain` says so. One that is
            optimized already is optimized from the user's own again, with the settings that it was given since.
        opt: The toggles; `Opt` says how they are given. With ``"none"`` the user's own graph comes back.
        strict: As `compile` takes it.

    Returns:
        A new graph of the same kind, with the checkpointer, cache, store, interrupts, name, bound
        configuration and every other setting of the one given.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
        ToggleFailedError: A toggle failed under ``strict``.
    """
    strict = is_strict(strict)
    toggles = toggles_of(opt, strict=strict)
    compiled = as_compiled(compiled)
    if _is_planned(compiled):
        graph = _optimized(cast("AnyCompiled", compiled), toggles, None, strict=strict)
        if not isinstance(graph, Exception):
            return graph
        _not_rewritten(toggles, graph, strict=strict)
    return activated(copy.copy(compiled), toggles, strict=strict)


def explain(graph: AnyStateGraph | AnyPregel, opt: Opt = "all") -> tuple[Decision, ...]:
    """What each toggle would do to each node of a graph, or why it would not.

    Args:
        graph: A StateGraph or a compiled graph; it is never changed.
        opt: The toggles; `Opt` says how they are given.

    Returns:
        The decisions, at least one for each toggle; ``*`` stands for the whole graph. Of a graph that is optimized and
        has run, also what came of early work so far, by the kind of guard that failed.

    Raises:
        ConfigurationError: An unknown toggle, options that do not fit, or toggles that exclude each other.
    """
    decisions = decisions_of(graph, toggles_of(opt))
    figures = status(graph) if isinstance(graph, Pregel) else {}
    if not figures:
        return decisions
    from optiflow.plan.dataflow.tally import in_words

    return (*decisions, Decision("parallel", "*", "applied", f"so far: {in_words(figures)}"))


def status(graph: AnyPregel) -> Mapping[str, int]:
    """What came of work ahead of its turn in all runs of an optimized graph so far.

    Args:
        graph: A compiled graph.

    Returns:
        How many nodes were started early, handed over, done again (also by the kind of guard that failed:
        ``redone_closure``), kept in their turn (``held_off_state``) and in vain; nothing where none could be.
    """
    from optiflow.plan.dataflow.node import figures_of

    return figures_of(graph)


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
    graph = as_compiled(graph) if isinstance(graph, Pregel) else graph
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


def is_strict(strict: bool | None) -> bool:
    """Whether toggles that fail are raised: as the caller says, else as the machine's settings do."""
    return get_settings().strict if strict is None else strict


def toggles_of(opt: Opt, *, strict: bool = False) -> tuple[Optimization[Any], ...]:
    """The toggles that are meant, without those that the kill switch holds off.

    Raises:
        ConfigurationError: An unknown toggle, or options that do not fit.
        ToggleFailedError: A toggle can't be made, and ``strict`` is set.
    """
    if not isinstance(opt, Mapping):
        names = (opt,) if isinstance(opt, str) else opt
        opt = {toggle: options for name in names for toggle, options in preset(name).items()}
    return resolve(opt, get_settings().disable, strict=strict)


def rewrite(plan: GraphPlan, toggles: Sequence[Optimization[Any]]) -> GraphPlan:
    """Let each toggle rewrite the plan in turn; each leaves at least one decision."""
    return rewritten(plan, toggles, strict=is_strict(None)).plan


def own_graph(workflow: GraphWorkflow, checkpointer: Checkpointer = None) -> AnyPregel:
    """A copy of a user's graph as its author compiled it.

    Args:
        workflow: Whose graph.
        checkpointer: In place of the graph's own; None leaves it, False is none at all.
    """
    graph = copy.copy(as_compiled(workflow.compiled))
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
    graph = own_graph(workflow, checkpointer)
    return GraphPlan.of(cast("AnyCompiled", graph), effects=workflow.effects) if _is_planned(graph) else None


def build(plan: GraphPlan, toggles: Sequence[Optimization[Any]]) -> tuple[AnyCompiled, tuple[Decision, ...]]:
    """Rewrite and compile; the run-level part of the toggles is left to the caller.

    Args:
        plan: The plan of the user's graph.
        toggles: The toggles.

    Returns:
        The compiled graph and what was decided. Its ``builder`` is the user's own, so that whoever compiles
        that again starts from the graph as it was written.
    """
    made = built(plan, toggles, strict=is_strict(None))
    return made.graph, made.decisions


def optimize_fresh(compiled: AnyPregel, toggles: Sequence[Optimization[Any]]) -> AnyPregel:
    """Optimize a graph that was compiled a moment ago and that nobody uses yet.

    Args:
        compiled: The graph. Where no toggle rewrites it, this very object comes back.
        toggles: The toggles.
    """
    strict = is_strict(None)
    if _is_planned(compiled):
        plan = GraphPlan.of(cast("AnyCompiled", compiled))
        made = rewritten(plan, toggles, strict=strict)
        if any(
            getattr(plan, each.name) is not getattr(made.plan, each.name)
            for each in fields(plan)
            if each.name not in ("decisions", "arm")
        ):
            return _activated(built(plan, toggles, strict=strict, made=made), strict=strict)
        toggles = made.toggles
    return activated(compiled, toggles, strict=strict)


def _activated(made: Built, *, strict: bool) -> AnyPregel:
    return activated(made.graph, made.toggles, strict=strict, replaced=made.replaced)


def _optimized(
    graph: AnyStateGraph | AnyCompiled,
    toggles: Sequence[Optimization[Any]],
    options: Mapping[str, Any] | None,
    *,
    strict: bool,
) -> AnyPregel | Exception:
    """The graph under toggles; an error where none can be built of its plan, not even without any toggle.

    Raises:
        ConfigurationError: A toggle's options do not fit the graph.
        ToggleFailedError: A toggle failed, and ``strict`` is set.
    """
    try:
        return _activated(built(GraphPlan.of(graph, compile_options=options), toggles, strict=strict), strict=strict)
    except (ConfigurationError, ToggleFailedError):
        raise
    except Exception as error:  # noqa: BLE001 - a class of the user's may do anything when it is looked at or copied
        return error


def _not_rewritten(toggles: Sequence[Optimization[Any]], error: Exception, *, strict: bool) -> None:
    """No plan can be made of a graph that compiles: toggles act around its runs only.

    Raises:
        ToggleFailedError: ``strict`` is set.
    """
    for toggle in toggles:
        failed(toggle.name, "reading the graph", error, strict=strict)


def _is_planned(graph: AnyPregel) -> bool:
    """Whether a compiled graph is what its builder says; one that was changed by hand afterwards is not."""
    return isinstance(graph, CompiledStateGraph) and graph.nodes.keys() - {START} == graph.builder.nodes.keys()
