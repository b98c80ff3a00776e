"""What was seen of one run: its model calls and its nodes, times in seconds of the run's clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["CachedTokens", "ModelCall", "NodeObservation", "NodeSpan", "provider_seconds", "provider_total_seconds"]


@dataclass(frozen=True, slots=True)
class CachedTokens:
    """Those tokens of a prompt that the provider's prompt cache had or took, as the provider reports them."""

    read: int = 0
    """Tokens that it had."""

    write: int = 0
    """Tokens that it took, however long they are kept."""

    write_5m: int = 0
    """Those of them that it keeps for five minutes, where the provider says so."""

    write_1h: int = 0
    """Those of them that it keeps for an hour, where the provider says so."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.read or self.write)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a model; a retry is a call of its own."""

    node: str
    """Name of the node that asked; empty outside of any node."""

    path: str
    """The node's name dotted through subgraphs, e.g. ``research.summarize``."""

    model: str
    """The model's name as the provider knows it."""

    prompt_sha256: str
    """Digest of all that was asked: messages without their ids, tools, stop sequences and parameters."""

    started_s: float
    """When it was asked, seconds of the run's clock since the run started."""

    ended_s: float
    """When the answer was complete or the failure known, s."""

    prompt_tokens: int = 0
    """Tokens of the prompt as the provider reports them; 0 where it reports none."""

    completion_tokens: int = 0
    """Tokens of the answer as the provider reports them; 0 where it reports none."""

    error: str | None = None
    """Type and first line of what went wrong, if anything did."""

    cached: CachedTokens = CachedTokens()
    """Those of the prompt's tokens that the provider's prompt cache had or took."""


@dataclass(frozen=True, slots=True)
class NodeSpan:
    """One execution of a node; a retry is an execution of its own."""

    node: str
    """The node's name."""

    namespace: str
    """Names of the nodes around it, dotted from the outside in; empty in the outermost graph."""

    started_s: float
    """Start, seconds of the run's clock since the run started."""

    ended_s: float
    """End, s."""

    error: str | None = None
    """Type and first line of what was raised, if anything was; an interrupt of the graph counts."""


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """What one node really did with the state and the world, all its executions in a run together."""

    reads: tuple[str, ...] | None
    """State keys that it read, sorted; None where that could not be watched."""

    writes: tuple[str, ...]
    """State keys that it wrote, sorted."""

    outside: tuple[str, ...] = ()
    """What it did outside the state, in order, e.g. ``opened 'notes.txt' for writing``; each thing once."""

    files_read: tuple[str, ...] = ()
    """Files that it read, in order; those of Python and of installed packages don't count."""


def provider_seconds(calls: Iterable[ModelCall]) -> float:
    """Time in which at least one call was in flight, s: the length of the union of the calls' intervals."""
    total, reached = 0.0, float("-inf")
    for call in sorted(calls, key=lambda call: call.started_s):
        total += max(0.0, call.ended_s - max(call.started_s, reached))
        reached = max(reached, call.ended_s)
    return total


def provider_total_seconds(calls: Iterable[ModelCall]) -> float:
    """Duration of all calls added up, s, overlapping or not."""
    return sum(call.ended_s - call.started_s for call in calls)
