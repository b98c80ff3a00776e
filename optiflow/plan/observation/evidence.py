"""What recorded runs say about the effects that nodes are held to have.

Observation only ever takes away: a node that did what its effects rule out counts as unknown, while a node of which
nothing is known stays so, however many runs have shown nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from optiflow.plan.effects import Effects

if TYPE_CHECKING:
    from optiflow.monitor.observation import NodeObservation
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Evidence", "Recorded", "evidence", "informed", "refuted"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record of one run keeps of its nodes."""

    record_id: str
    """The record's id."""

    nodes: Mapping[str, NodeObservation]
    """What each node did, by its name, dotted through subgraphs."""

    taken: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each node of the outermost graph with a router behind it: which node came next, and how often."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the records say about one node whose effects were thought to be known."""

    node: str
    """The node's name, dotted through subgraphs."""

    confirmed: int
    """How many recorded runs agree with all of its effects."""

    refutation: str | None
    """Which record contradicts them, and how; None: none does."""

    def __str__(self) -> str:
        if self.refutation is not None:
            return self.refutation
        return f"confirmed by {self.confirmed} recorded run{'s' if self.confirmed > 1 else ''}"


def evidence(plan: GraphPlan, recorded: Sequence[Recorded], prefix: str = "") -> tuple[Evidence, ...]:
    """What the records say about the nodes of a plan, those of subgraphs included.

    Args:
        plan: The plan, with the effects that are held to be true.
        recorded: What the records of earlier runs of the same code keep.
        prefix: Dotted path to this graph in its parents.

    Returns:
        One piece of evidence for each node that the records say anything of.
    """
    found: list[Evidence] = []
    for name, node in plan.nodes.items():
        piece = _weigh(prefix + name, node.effects, recorded) if _is_seen(prefix + name, recorded) else None
        if piece is not None:
            found.append(piece)
        sub = plan.subplan(name)
        if sub is not None:
            found += evidence(sub, recorded, f"{prefix}{name}.")
    return tuple(found)


def informed(plan: GraphPlan, recorded: Sequence[Recorded]) -> GraphPlan:
    """The plan with what the records say: nodes that one contradicts count as unknown, and which branches were taken.

    Args:
        plan: The plan, which is not changed.
        recorded: What the records of earlier runs of the same code keep.
    """
    if not recorded:
        return plan
    taken: dict[str, Counter[str]] = {}
    for record in recorded:
        for router, targets in record.taken.items():
            taken.setdefault(router, Counter()).update(targets)
    return replace(refuted(plan, recorded), taken=taken)


def refuted(plan: GraphPlan, recorded: Sequence[Recorded], prefix: str = "") -> GraphPlan:
    """The plan in which nodes that a record contradicts count as unknown.

    Args:
        plan: The plan, which is not changed.
        recorded: What the records of earlier runs of the same code keep.
        prefix: Dotted path to this graph in its parents.
    """
    for name, node in plan.nodes.items():
        piece = _weigh(prefix + name, node.effects, recorded) if _is_seen(prefix + name, recorded) else None
        if piece is not None and piece.refutation is not None:
            plan = plan.with_node(replace(node, declared=Effects.unknown(piece.refutation)))
        sub = plan.subplan(name)
        if sub is not None:
            weighed = refuted(sub, recorded, f"{prefix}{name}.")
            if weighed is not sub:
                plan = plan.with_node(replace(node, subgraph=weighed))
    return plan


def _is_seen(name: str, recorded: Iterable[Recorded]) -> bool:
    """Effects are only asked for where there is something to hold them against: finding them takes time."""
    return any(name in record.nodes for record in recorded)


def _weigh(name: str, effects: Effects, recorded: Iterable[Recorded]) -> Evidence | None:
    confirmed, refutation = 0, None
    for record in recorded:
        seen = record.nodes.get(name)
        if seen is None:
            continue
        contradiction = _contradiction(effects, seen)
        if contradiction is not None:
            refutation = refutation or f"refuted by observation in record {record.record_id[:12]}: it {contradiction}"
        elif effects.known and seen.reads is not None:
            confirmed += 1
    return Evidence(name, confirmed, refutation) if confirmed or refutation else None


def _contradiction(effects: Effects, seen: NodeObservation) -> str | None:
    if seen.outside and not effects.touches_outside:
        return seen.outside[0]
    for verb, known, done in (("read", effects.reads, seen.reads), ("wrote", effects.writes, seen.writes)):
        more = [] if known is None or done is None else [repr(key) for key in done if key not in known]
        if more:
            return f"{verb} {', '.join(more)}"
    return None
