"""A node that, in its turn, hands over what it did ahead of it, and lets others start during it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.constants import START
from langgraph.pregel import Pregel

from optiflow.clock.base import now
from optiflow.plan.dataflow import seam
from optiflow.plan.dataflow.output import Names

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.pregel._read import PregelNode

    from optiflow.plan.dataflow.lookahead import Early, Lookahead
    from optiflow.plan.dataflow.schedule import Schedule

__all__ = ["ScheduledNode", "figures_of", "install"]


class ScheduledNode(Runnable[Any, Any]):
    """Stands in for a compiled node's work; everything around it (policies, events, writes) stays LangGraph's."""

    def __init__(
        self, name: str, schedule: Schedule, nodes: Mapping[str, PregelNode], inside: ScheduledNode | None = None
    ) -> None:
        self.name: str = name
        self.own = nodes[name]
        """The node with its own work, which is what is started ahead."""
        self.schedule = schedule
        """What may overlap, and what came of it."""
        self._nodes = nodes
        self._inside = inside

    @property
    def _inner(self) -> Runnable[Any, Any]:
        # Put together on first use, as LangGraph does it; a node of a StateGraph always has something to do.
        return self._inside or cast("Runnable[Any, Any]", self.own.node)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node in its turn, in a synchronous run."""
        if self._is_alone(sync=True):
            begun = now()
            result = self._inner.invoke(input, config, **kwargs)
            self.schedule.durations.note(self.name, now() - begun)
            return result
        arrival = self._arrive(config, sync=True)
        if arrival is None:
            return self._inner.invoke(input, config, **kwargs)
        seat, lookahead, early = arrival
        with lookahead.turn(self.name, seat):
            if early is not None:
                if lookahead.commit(early, seat):
                    early.output.release(Names(seat.task_id, input))
                concurrent.futures.wait([early.future])
                if lookahead.take(early, seat):
                    early.output.release(Names(seat.task_id, input))
                    return _hand_over(early, config)
            return self._inner.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node in its turn, in an asynchronous run."""
        if self._is_alone(sync=False):
            begun = now()
            result = await self._inner.ainvoke(input, config, **kwargs)
            self.schedule.durations.note(self.name, now() - begun)
            return result
        arrival = self._arrive(config, sync=False)
        if arrival is None:
            return await self._inner.ainvoke(input, config, **kwargs)
        seat, lookahead, early = arrival
        with lookahead.turn(self.name, seat):
            if early is not None:
                if lookahead.commit(early, seat):
                    await early.output.arelease(Names(seat.task_id, input))
                await _finished(early)
                if lookahead.take(early, seat):
                    await early.output.arelease(Names(seat.task_id, input))
                    return _hand_over(early, config)
            return await self._inner.ainvoke(input, config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Run the node in its turn, in an asynchronous run whose tokens are streamed."""
        arrival = self._arrive(config, sync=False)
        if arrival is None:
            async for chunk in self._inner.astream(input, config, **kwargs):
                yield chunk
            return
        seat, lookahead, early = arrival
        with lookahead.turn(self.name, seat):
            if early is not None:
                if lookahead.commit(early, seat):
                    await early.output.arelease(Names(seat.task_id, input))
                await _finished(early)
                if lookahead.take(early, seat):
                    await early.output.arelease(Names(seat.task_id, input))
                    _hand_over(early, config)
                    return
            async for chunk in self._inner.astream(input, config, **kwargs):
                yield chunk

    def _is_alone(self, *, sync: bool) -> bool:
        """Whether nothing was started ahead in any run of the graph, and nothing is to be started during this node."""
        schedule = self.schedule
        return not schedule.busy and not schedule.promises(self.name, crowded=not sync and seam.is_crowded())

    def _arrive(self, config: RunnableConfig | None, *, sync: bool) -> tuple[seam.Seat, Lookahead, Early | None] | None:
        seat = None if config is None else seam.current_seat(config)
        if seat is None:
            return None
        lookahead = seam.attached(seat.loop, self.schedule, lambda: self.schedule.lookahead(self._nodes))
        return seat, lookahead, lookahead.arrive(self.name, seat, sync=sync)


def _hand_over(early: Early, config: RunnableConfig | None) -> None:
    assert config is not None, "without a config there is no early work"
    early.use()
    if early.error is not None:
        raise early.error
    seam.send(config, early.task)


async def _finished(early: Early) -> None:
    try:
        await asyncio.wait([early.future])
    except asyncio.CancelledError:
        early.abandon()
        raise


def figures_of(compiled: Any) -> Mapping[str, int]:
    """What came of early work in all runs of a compiled graph and of the graphs that are its nodes.

    Args:
        compiled: A compiled graph.

    Returns:
        Figures as `Tally.statistics` has them; nothing where no node could start early.
    """
    figures: Counter[str] = Counter()
    schedules: set[Schedule] = set()
    for name, node in compiled.nodes.items():
        work = vars(node).get("node")
        while isinstance(work, ScheduledNode):
            schedules.add(work.schedule)
            work = work._inside
        if name != START and isinstance(node.bound, Pregel):
            figures.update(figures_of(node.bound))
    for schedule in schedules:
        figures.update(schedule.tally.statistics())
    return figures


def install(schedule: Schedule, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
    """Make the freshly compiled graph follow the schedule; one of another shape is left as it is."""
    if not schedule.fits(compiled.builder):
        return
    # PregelNode.node is a cached property: what sits in the instance wins over the computation.
    standing = {name: vars(compiled.nodes[name]).get("node") for name in schedule.wrapped}
    inside = {name: node for name, node in standing.items() if isinstance(node, ScheduledNode)}
    # The lookahead prepares tasks from nodes that still do their own work.
    nodes = {name: inside[name].own if name in inside else copy.copy(compiled.nodes[name]) for name in schedule.wrapped}
    for name in schedule.wrapped:
        vars(compiled.nodes[name])["node"] = ScheduledNode(name, schedule, nodes, inside.get(name))
