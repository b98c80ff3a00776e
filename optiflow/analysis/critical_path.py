"""The shortest time in which a workflow's data dependencies let it finish."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

__all__ = ["Execution", "critical_path"]


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a node, as it came in program order."""

    node: str
    duration_s: float
    """Its own length in seconds, were nothing to wait for."""
    reads: frozenset[str] | None
    """State keys read; None: everything."""
    writes: frozenset[str] | None
    """State keys written; None: everything."""


def critical_path(executions: Sequence[Execution], deciding: Collection[str] = frozenset()) -> float:
    """Length in seconds of the longest chain of executions, each of which needs the one before.

    An execution needs every earlier one that writes what it reads (all of them: a reducer may have merged their
    writes), and every earlier one of a node that decides where the graph goes next.

    Args:
        executions: In the order in which a strictly sequential run makes them.
        deciding: Nodes behind which the graph branches.
    """
    ends: list[float] = []
    for index, execution in enumerate(executions):
        start = max(
            (ends[before] for before in range(index) if _needs(execution, executions[before], deciding)),
            default=0.0,
        )
        ends.append(start + execution.duration_s)
    return max(ends, default=0.0)


def _needs(later: Execution, earlier: Execution, deciding: Collection[str]) -> bool:
    if earlier.node in deciding or later.reads is None or earlier.writes is None:
        return True
    return not later.reads.isdisjoint(earlier.writes)
