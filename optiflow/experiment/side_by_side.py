"""The user's own graph and the optimized one, run one after the other and compared in everything that shows."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from optiflow.activation import AnyPregel, activated
from optiflow.analysis.equivalence import Allowance, Difference, Observation, Observer, Places, compare
from optiflow.api import is_strict, own_graph, plan_of, unplanned
from optiflow.clock import Clock, VirtualClock, use_clock
from optiflow.errors import RunFailedError
from optiflow.optimizations.base import Decision, Optimization
from optiflow.passes import built
from optiflow.workflow.base import Workflow
from optiflow.workflow.graph_workflow import GraphWorkflow, resume_value

__all__ = ["Comparison", "compare_side_by_side"]

_MOST_RUNS = 3
"""How often the user's own graph is run at the most: one that varies does so in few of its runs at some places."""

_MERGING = frozenset({"parallel"})
"""Toggles that ask equal prompts once that are in flight at the same time, where a workflow says it may be."""


@dataclass(frozen=True)
class Comparison:
    """What came of running both."""

    baseline: Observation
    """What the user's own graph did."""

    decisions: tuple[Decision, ...]
    """What each toggle did to each node, or why it did not."""

    differences: tuple[Difference, ...] = ()
    """Every difference that is not a documented one and that no two runs of the user's own graph have; the gravest
    first."""

    own: tuple[Difference, ...] = ()
    """Differences at places where the user's own graph differs from itself."""

    varying: tuple[str, ...] = ()
    """Every place where runs of the user's own graph were seen to differ."""

    @property
    def difference(self) -> Difference | None:
        """The first difference, one that the user's own graph does not have with itself before any other."""
        return next(iter((*self.differences, *self.own)), None)

    @property
    def unstable(self) -> bool:
        """Whether there are differences, but only where the user's own graph differs from itself."""
        return bool(self.own) and not self.differences


def compare_side_by_side(workflow: Workflow, toggles: Sequence[Optimization[Any]], clock: Clock) -> Comparison:
    """Run a workflow plainly and optimized, each with a memory of its own, and find every difference.

    As long as there is a difference that the plain graph was not seen to have with itself, it is run again, three
    times at the most, the first included.

    Args:
        workflow: Declared, or a user's graph.
        toggles: What the optimized graph is optimized with.
        clock: The time that both run in.

    Raises:
        RunFailedError: The user's own graph fails, so that there is nothing to compare with.
        InputError: The resume values do not fit the interrupts.
    """
    plain, optimized, decisions = _graphs(workflow, toggles)
    with use_clock(clock):
        baseline = _observe(plain, workflow, clock)
        failure = baseline.turns[-1].failure
        if failure is not None:
            place = f"node {failure.node!r}" if failure.node else "the graph"
            raise RunFailedError(f"{place} failed without any toggle: {failure.type}: {failure.message}")
        seen = _observe(optimized, workflow, clock)
    merging = any(toggle.name in _MERGING for toggle in toggles)
    baselines = [baseline]
    found = _compared(baselines, seen, decisions, merging=merging)
    while found.differences and len(baselines) < _MOST_RUNS:
        with use_clock(clock):
            baselines.append(_observe(_own(workflow), workflow, clock))
        found = _compared(baselines, seen, decisions, merging=merging)
    return Comparison(baseline, decisions, tuple(found.differences), tuple(found.own), found.varying)


def _compared(
    baselines: Sequence[Observation], seen: Observation, decisions: Sequence[Decision], *, merging: bool
) -> Places:
    concurrent = frozenset[str]().union(*map(_concurrent, baselines))
    if merging and any(_merged(each, seen) for each in baselines):
        # What was asked once for two is streamed once, to the node that asked first.
        baselines = [replace(_without_messages(each), model_requests=()) for each in baselines]
        seen = replace(_without_messages(seen), model_requests=())
    return compare(baselines, seen, allow=Allowance.of(decisions, concurrent))


def _graphs(
    workflow: Workflow, toggles: Sequence[Optimization[Any]]
) -> tuple[AnyPregel, AnyPregel, tuple[Decision, ...]]:
    plain, plan = _own(workflow), plan_of(workflow, _memory(workflow))
    if plan is None:
        decisions = tuple(map(unplanned, toggles))
        return plain, activated(_own(workflow), toggles), decisions
    made = built(plan, toggles, strict=is_strict(None))
    _isolate(made.graph)
    return plain, activated(made.graph, made.toggles), made.decisions


def _own(workflow: Workflow) -> AnyPregel:
    """The graph as its author compiles it."""
    if not isinstance(workflow, GraphWorkflow):
        return copy.copy(workflow.builder).compile(checkpointer=_memory(workflow))
    graph = own_graph(workflow, _memory(workflow))
    _isolate(graph)
    return graph


def _memory(workflow: Workflow) -> InMemorySaver | None:
    """In place of what the workflow opens for a run, which is not for comparing."""
    return InMemorySaver() if workflow.checkpointer else None


def _isolate(graph: AnyPregel) -> None:
    """Give a graph its own memory: what one run leaves behind must not reach the other, nor the user's own."""
    if isinstance(graph.checkpointer, BaseCheckpointSaver):
        graph.checkpointer = InMemorySaver()
    if isinstance(graph.store, InMemoryStore):
        graph.store = copy.deepcopy(graph.store)
    if isinstance(graph.cache, BaseCache):
        graph.cache = InMemoryCache()


def _observe(graph: AnyPregel, workflow: Workflow, clock: Clock) -> Observation:
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if isinstance(clock, VirtualClock):
        loop_factory = clock.new_event_loop
    config, context = RunnableConfig(), None
    resume: tuple[Any, ...] = ()
    if isinstance(workflow, GraphWorkflow):
        config, context, resume = workflow.config, workflow.context, workflow.resume
    # Both have a saver in memory, which could do either.
    with Observer(graph, mode="astream", config=config, context=context, loop_factory=loop_factory) as observer:
        turn = observer.run(workflow.input)
        while resume and turn.failure is None:
            if turn.interrupts:
                answered = len(turn.interrupts)
                answers = resume
                turn = observer.resume(lambda interrupts: resume_value(interrupts, answers))  # noqa: B023
                resume = resume[answered:]
            else:
                turn, resume = observer.run(None), resume[1:]
        return observer.finish()


def _merged(baseline: Observation, seen: Observation) -> bool:
    """Whether the same was asked, but some of it once instead of several times."""
    before, after = (Counter(request.digest for request in each.model_requests) for each in (baseline, seen))
    return before.keys() == after.keys() and before != after and before >= after


def _without_messages(observation: Observation) -> Observation:
    turns = (
        replace(turn, events=tuple(event for event in turn.events if event.mode != "messages"))
        for turn in observation.turns
    )
    return replace(observation, turns=tuple(turns))


def _concurrent(baseline: Observation) -> frozenset[str]:
    """Nodes that ran at the same time as others, or several times at once: two tasks of one superstep."""
    tasks: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for number, turn in enumerate(baseline.turns):
        for event in turn.events:
            told, position = cast("Any", event.body), cast("Any", event.position)
            if event.mode == "debug" and event.node is not None and told["type"] == "task":
                tasks[number, event.namespace, position["step"]].append(event.node)
    return frozenset(
        ".".join([*namespace, node]) for (_, namespace, _), nodes in tasks.items() if len(nodes) > 1 for node in nodes
    )
