"""A node that, in its turn, hands over what it did ahead of it, and lets others start during it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig

from optiflow.plan.dataflow import seam
from optiflow.plan.dataflow.lookahead import Early, Lookahead

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph
    from langgraph.pregel._read import PregelNode

    from optiflow.plan.dataflow.schedule import Schedule

__all__ = ["ScheduledNode", "install"]


class ScheduledNode(Runnable[Any, Any]):
    """Stands in for a compiled node's work; everything around it (policies, events, writes) stays LangGraph's."""

    def __init__(self, name: str, schedule: Schedule, nodes: Mapping[str, PregelNode]) -> None:
        self.name = name
        self._node = name
        self._schedule = schedule
        self._nodes = nodes

    @property
    def _inner(self) -> Runnable[Any, Any]:
        # Put together on first use, as LangGraph does it; a node of a StateGraph always has something to do.
        return cast("Runnable[Any, Any]", self._nodes[self._node].node)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node in its turn, in a synchronous run."""
        arrival = self._arrive(config, sync=True)
        if arrival is None:
            return self._inner.invoke(input, config, **kwargs)
        seat, lookahead, early = arrival
        try:
            if early is not None:
                concurrent.futures.wait([early.future])
                if self._commit(seat, early, config):
                    return None
                lookahead.rerun()
            return self._inner.invoke(input, config, **kwargs)
        finally:
            lookahead.leave()

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node in its turn, in an asynchronous run."""
        arrival = self._arrive(config, sync=False)
        if arrival is None:
            return await self._inner.ainvoke(input, config, **kwargs)
        seat, lookahead, early = arrival
        try:
            if early is not None:
                await _finished(early)
                if self._commit(seat, early, config):
                    return None
                lookahead.rerun()
            return await self._inner.ainvoke(input, config, **kwargs)
        finally:
            lookahead.leave()

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Run the node in its turn, in an asynchronous run whose tokens are streamed."""
        arrival = self._arrive(config, sync=False)
        if arrival is None:
            async for chunk in self._inner.astream(input, config, **kwargs):
                yield chunk
            return
        seat, lookahead, early = arrival
        try:
            if early is not None:
                await _finished(early)
                if self._commit(seat, early, config):
                    return
                lookahead.rerun()
            async for chunk in self._inner.astream(input, config, **kwargs):
                yield chunk
        finally:
            lookahead.leave()

    def _arrive(self, config: RunnableConfig | None, *, sync: bool) -> tuple[seam.Seat, Lookahead, Early | None] | None:
        seat = None if config is None else seam.current_seat(config)
        if seat is None:
            return None
        lookahead = seam.attached(seat.loop, self._schedule, lambda: Lookahead(self._schedule, self._nodes))
        return seat, lookahead, lookahead.arrive(self._node, seat, sync=sync)

    def _commit(self, seat: seam.Seat, early: Early, config: RunnableConfig | None) -> bool:
        node = self._nodes[self._node]
        if config is None or not early.holds(seam.values(seat.loop.channels, node.channels)):
            return False
        early.output.release()
        if early.error is not None:
            raise early.error
        seam.send(config, early.task)
        return True


async def _finished(early: Early) -> None:
    try:
        await asyncio.wait([early.future])
    except asyncio.CancelledError:
        early.abandon()
        raise


def install(schedule: Schedule, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
    """Make the freshly compiled graph follow the schedule; one of another shape is left as it is."""
    if not schedule.fits(compiled.builder):
        return
    # The lookahead prepares tasks from nodes that still do their own work.
    nodes = {name: copy.copy(compiled.nodes[name]) for name in schedule.wrapped}
    for name in schedule.wrapped:
        # PregelNode.node is a cached property: what sits in the instance wins over the computation.
        compiled.nodes[name].__dict__["node"] = ScheduledNode(name, schedule, nodes)
