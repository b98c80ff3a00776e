"""Which differences between a baseline and an optimized graph are documented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiflow.optimizations.base import Decision

__all__ = ["Allowance"]

_OVERLAPPING_TOGGLES = frozenset({"parallel"})


@dataclass(frozen=True, slots=True)
class Allowance:
    """The differences that are allowed: by default none, which is what preset ``safe`` promises.

    An answer, a state, a checkpoint, an error, an interrupt or an effect outside is never allowed to differ.
    """

    overlapped: frozenset[str] = frozenset()
    """Nodes, dotted through subgraphs, whose work the optimized graph may start before their turn.

    What such a node's work itself emits (tokens, custom items, events of its callbacks) may come before or after
    what other nodes emit, and its start event shows the state that it started from; so may its log records.
    Where the run fails, the work of overlapped nodes that would have come later may have begun: then it may have
    asked models, and emitted.
    """

    concurrent: frozenset[str] = frozenset()
    """Nodes that the baseline itself runs at the same time as others: their events have no order anywhere."""

    @classmethod
    def of(cls, decisions: Iterable[Decision], concurrent: Iterable[str] = ()) -> Allowance:
        """What the decisions of the toggles documented.

        Args:
            decisions: Of every toggle that rewrote the graph.
            concurrent: Nodes that run at the same time as others in the baseline.
        """
        overlapped = (
            decision.node
            for decision in decisions
            if decision.action == "applied" and decision.toggle in _OVERLAPPING_TOGGLES
        )
        return cls(frozenset(overlapped) - {"*"}, frozenset(concurrent))

    def overlaps(self, namespace: Iterable[str], node: str | None) -> bool:
        """Whether a node, or a graph around it, is overlapped."""
        return _any_prefix(self.overlapped, namespace, node)

    def unordered(self, namespace: Iterable[str], node: str | None) -> bool:
        """Whether a node, or a graph around it, runs concurrently in the baseline too."""
        return _any_prefix(self.concurrent, namespace, node)


def _any_prefix(nodes: frozenset[str], namespace: Iterable[str], node: str | None) -> bool:
    path = [*namespace, *([] if node is None else [node])]
    return any(".".join(path[: end + 1]) in nodes for end in range(len(path)))
