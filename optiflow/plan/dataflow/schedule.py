"""Which nodes may start ahead of their turn, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph, StateGraph

__all__ = ["WINDOW", "Schedule", "Stage"]

WINDOW = 128
"""How many nodes ahead of the running one are looked at: bounds the bookkeeping on very long chains."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the schedule knows of one node."""

    name: str
    """The node's name."""

    writes: frozenset[str]
    """State keys that it may write."""

    reads: frozenset[str] = frozenset()
    """State keys that it reads; meaningful where ``early``."""

    early: bool = False
    """Whether its work may start before its turn."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """Straight chains of nodes, and what each may overlap with.

    A node with exactly one successor, by a static edge, hands over to it whatever happens: while it runs, the nodes
    down its chain are certain to come, so those that need nothing from it can already work.
    """

    stages: Mapping[str, Stage]
    """Every node with known writes that is part of a chain."""

    successor: Mapping[str, str]
    """Node -> the one node that is certain to run next, where both are stages."""

    foldable: frozenset[str]
    """State keys whose reducer is a pure function: their value can be computed ahead of the superstep."""

    fleeting: frozenset[str]
    """State keys whose value may change as supersteps pass, without a write."""

    keys: frozenset[str]
    """Every state key."""

    edges: frozenset[tuple[str, str]]
    """The static edges that the schedule relies on."""

    max_concurrency: int = 32
    """How many nodes of a run may work at once."""

    def path(self, name: str) -> Iterator[str]:
        """The nodes that follow ``name`` with certainty, nearest first, at most `WINDOW` of them."""
        seen = {name}
        for _ in range(WINDOW):
            following = self.successor.get(name)
            if following is None or following in seen:
                return
            yield following
            seen.add(following)
            name = following

    def needs(self, name: str, before: str) -> frozenset[str]:
        """Keys that ``name`` reads and ``before`` may write."""
        return self.stages[name].reads & self.stages[before].writes

    @cached_property
    def gains(self) -> frozenset[str]:
        """Nodes that can ever start before the node in front of them has finished and been committed."""
        gaining: set[str] = set()
        before: dict[str, list[str]] = {}
        for source, target in self.successor.items():
            before.setdefault(target, []).append(source)
        # A node that needs its predecessor gains only where the predecessor itself is ahead of its turn.
        waiting = [name for name, stage in self.stages.items() if stage.early]
        while True:
            added = [name for name in waiting if any(self._ahead(name, p, gaining) for p in before.get(name, ()))]
            if not added:
                return frozenset(gaining)
            gaining.update(added)
            waiting = [name for name in waiting if name not in gaining]

    def _ahead(self, name: str, before: str, gaining: set[str]) -> bool:
        needed = self.needs(name, before)
        return not needed or (before in gaining and needed <= self.foldable)

    @cached_property
    def wrapped(self) -> frozenset[str]:
        """Nodes that take part at run time: those that can be ahead, and those during which others can be."""
        return self.gains | {name for name in self.stages if any(n in self.gains for n in self.path(name))}

    def fits(self, builder: StateGraph[Any, Any, Any, Any]) -> bool:
        """Whether the graph has the very edges that the schedule was made for.

        A builder subclass may add some while it compiles.
        """
        return self.edges == builder.edges and builder.branches.keys().isdisjoint(self.successor)

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        """Make the compiled graph follow this schedule."""
        from optiflow.plan.dataflow.node import install

        install(self, compiled)
