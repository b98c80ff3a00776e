"""Watches the nodes of a plan while its graph runs, without changing anything that shows."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph._internal._constants import PULL
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph.pregel._write import ChannelWrite, ChannelWriteTupleEntry

from optiflow.monitor.observation import NodeObservation
from optiflow.plan.observation.outside import Touched, listen, noting
from optiflow.plan.observation.tracking import Tracking, track

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["Watcher", "watched"]

_Mapper = Callable[[Any], Sequence[tuple[str, Any]] | None]


class _Seen:
    """What one node has done so far."""

    def __init__(self) -> None:
        self.runs = 0
        self.unwatched = False
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.touched = Touched()

    def observation(self) -> NodeObservation:
        return NodeObservation(
            reads=None if self.unwatched else tuple(sorted(self.reads)),
            writes=tuple(sorted(self.writes)),
            outside=tuple(self.touched.outside),
            files_read=tuple(self.touched.files_read),
        )


class Watcher:
    """What was seen of the nodes in one run. Safe for threads: each thing is noted by one operation."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def of(self, node: str) -> _Seen:
        """Where a node's doings are noted."""
        return self._seen.setdefault(node, _Seen())

    @property
    def observed(self) -> dict[str, NodeObservation]:
        """What each node that ran did, by its name, dotted through subgraphs."""
        return {name: seen.observation() for name, seen in self._seen.items() if seen.runs}


def watched(plan: GraphPlan, watcher: Watcher, prefix: str = "") -> GraphPlan:
    """The plan whose graph tells the watcher what its nodes do, those of subgraphs included.

    Reads are watched where there is something to hold them against, that is where they are declared or inferred.

    Args:
        plan: The plan, which is not changed.
        watcher: Who is told.
        prefix: Dotted path to this graph in its parents.
    """
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        if sub is not None:
            plan = plan.with_node(replace(node, subgraph=watched(sub, watcher, f"{prefix}{name}.")))
    return plan.with_finisher(_Watching(watcher, prefix, plan.nodes, frozenset(plan.channels)))


@dataclass(frozen=True)
class _Watching:
    watcher: Watcher
    prefix: str
    nodes: Mapping[str, NodePlan] = field(repr=False)
    keys: frozenset[str]

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        listen()
        for name, plan in self.nodes.items():
            node = compiled.nodes[name]
            work = node.node
            if isinstance(work, RunnableSeq):
                seen = self.watcher.of(self.prefix + name)
                twin = copy.copy(work)
                first = _Watched(work.steps[0], seen, plan.visible if plan.effects.reads is not None else None)
                twin.steps = [first, *(self._noting(step, seen) for step in work.steps[1:])]
                # PregelNode.node is a cached property: what sits in the instance wins over the computation.
                node.__dict__["node"] = twin

    def _noting(self, step: Runnable[Any, Any], seen: _Seen) -> Runnable[Any, Any]:
        if not isinstance(step, ChannelWrite):
            return step

        keys = self.keys

        def noted(mapper: _Mapper) -> _Mapper:
            def updates(value: Any) -> Sequence[tuple[str, Any]] | None:
                written = mapper(value)
                if written:
                    seen.writes.update([key for key, _ in written if key in keys])
                return written

            return updates

        return ChannelWrite(
            [
                entry._replace(mapper=noted(entry.mapper)) if isinstance(entry, ChannelWriteTupleEntry) else entry
                for entry in step.writes
            ],
            tags=step.tags,
        )


class _Watched(Runnable[Any, Any]):
    """A node's own work; LangGraph runs it in a context of its own, so what is set there needs no resetting."""

    def __init__(self, inner: Runnable[Any, Any], seen: _Seen, visible: frozenset[str] | None) -> None:
        self._inner, self._seen = inner, seen
        # Any other Runnable shows its input to callback handlers, which look at all of it.
        alone = isinstance(inner, RunnableCallable) and not inner.trace and not inner.explode_args
        self._visible = visible if alone else None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        tracking = self._begin(input, config)
        try:
            return tracking.own(self._inner.invoke(tracking.given, config, **kwargs))
        finally:
            tracking.end()

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        tracking = self._begin(input, config)
        try:
            return tracking.own(await self._inner.ainvoke(tracking.given, config, **kwargs))
        finally:
            tracking.end()

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        tracking = self._begin(input, config)
        try:
            async for chunk in self._inner.astream(tracking.given, config, **kwargs):
                yield tracking.own(chunk)
        finally:
            tracking.end()

    def _begin(self, state: Any, config: RunnableConfig | None) -> Tracking:
        seen = self._seen
        noting(seen.touched)
        seen.runs += 1
        tracking = None
        # What a ``Send`` brings is not the state, and may be shared.
        if self._visible is not None and _is_given_the_state(config):
            tracking = track(state, self._visible, seen.reads)
        seen.unwatched = seen.unwatched or tracking is None
        return tracking or _Untracked(state)


class _Untracked:
    __slots__ = ("given",)

    def __init__(self, given: Any) -> None:
        self.given = given

    def end(self) -> None:
        pass

    def own(self, output: Any) -> Any:
        return output


def _is_given_the_state(config: RunnableConfig | None) -> bool:
    path = ((config or {}).get("metadata") or {}).get("langgraph_path")
    return bool(path and path[0] == PULL)
