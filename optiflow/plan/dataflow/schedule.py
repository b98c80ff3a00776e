"""Which nodes may start ahead of their turn, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from optiflow.plan.dataflow.durations import Durations
from optiflow.plan.dataflow.tally import Tally

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph, StateGraph
    from langgraph.pregel._read import PregelNode

    from optiflow.plan.dataflow.lookahead import Lookahead
    from optiflow.plan.guards.reads import Read

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

    waits: bool = True
    """Whether its work is more than computing."""

    seen: tuple[Read, ...] = ()
    """What its code reads outside of its state."""

    settings: frozenset[str] | None = frozenset()
    """Entries of the run's configuration that it reads; None: any."""

    classes: Mapping[str, tuple[type, ...]] = field(default_factory=dict)
    """State key -> the class of the application's that it is annotated with, for which the code was followed."""

    vouched: bool = False
    """Whether the application answers for the node, so that values need not be plain data."""

    observed: bool = False
    """Whether others than the run's own handlers are told of its work."""

    unsteady: str | None = None
    """What it reads that whoever it tells of its work might change; None: nothing."""


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

    tally: Tally = field(default_factory=Tally)
    """What came of early work in all runs of the graph."""

    durations: Durations = field(default_factory=Durations)
    """How long nodes have taken in runs of the graph."""

    busy: WeakSet[Lookahead] = field(default_factory=WeakSet)
    """Of the runs of the graph, those in which something has been started and waits for its turn."""

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

    def promises(self, name: str, *, crowded: bool) -> bool:
        """Whether anything that could start while a node runs might be worth an early start."""
        ahead = self._ahead_of.get(name)
        if ahead is None:
            ahead = self._ahead_of.setdefault(name, self.gains.intersection(self.path(name)))
        return not ahead <= self.durations.not_worth(crowded=crowded)

    @cached_property
    def _ahead_of(self) -> dict[str, frozenset[str]]:
        return {}

    def needs(self, name: str, before: str) -> frozenset[str]:
        """Keys that ``name`` reads and ``before`` may write."""
        return self.stages[name].reads & self.stages[before].writes

    @cached_property
    def _before(self) -> Mapping[str, list[str]]:
        before: dict[str, list[str]] = {}
        for source, target in self.successor.items():
            before.setdefault(target, []).append(source)
        return before

    @cached_property
    def possible(self) -> frozenset[str]:
        """Nodes that can ever start before the node in front of them has finished and been committed."""
        possible: set[str] = set()
        # A node that needs its predecessor can only be ahead where the predecessor itself is ahead of its turn.
        todo = [name for name, stage in self.stages.items() if stage.early]
        while todo:
            name = todo.pop()
            if name in possible or not any(self._ahead(name, p, possible) for p in self._before.get(name, ())):
                continue
            possible.add(name)
            following = self.successor.get(name)
            if following is not None and self.stages[following].early:
                todo.append(following)
        return frozenset(possible)

    @cached_property
    def gains(self) -> frozenset[str]:
        """Those of the possible nodes that wait for something, and those that such a node needs."""
        useful = {name for name in self.possible if self.stages[name].waits}
        computing = self.possible - useful
        todo = list(useful) if computing else []
        while todo:
            name = todo.pop()
            for earlier in self._reaching([name]):
                if earlier in computing and earlier not in useful and self.needs(name, earlier):
                    useful.add(earlier)
                    todo.append(earlier)
        return frozenset(useful)

    def _reaching(self, names: Iterable[str]) -> set[str]:
        """The nodes from which the chains lead to one of these."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            for earlier in self._before.get(todo.pop(), ()):
                if earlier not in found:
                    found.add(earlier)
                    todo.append(earlier)
        return found

    def _ahead(self, name: str, before: str, possible: set[str]) -> bool:
        needed = self.needs(name, before)
        return not needed or (before in possible and needed <= self.foldable)

    @cached_property
    def wrapped(self) -> frozenset[str]:
        """Nodes that take part at run time: those that can be ahead, and those during which others can be."""
        return self.gains | self._reaching(self.gains)

    def fits(self, builder: StateGraph[Any, Any, Any, Any]) -> bool:
        """Whether the graph has the very edges that the schedule was made for.

        A builder subclass may add some while it compiles.
        """
        return self.edges == builder.edges and builder.branches.keys().isdisjoint(self.successor)

    def lookahead(self, nodes: Mapping[str, PregelNode]) -> Lookahead:
        """What keeps the early work of one run."""
        from optiflow.plan.dataflow.lookahead import Lookahead

        return Lookahead(self, nodes)

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        """Make the compiled graph follow this schedule."""
        from optiflow.plan.dataflow.node import install

        install(self, compiled)
