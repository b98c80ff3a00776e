"""What the analysis of one node has found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optiflow.plan.guards.reads import Kind, Place, Read

__all__ = ["Findings", "NodeState", "UnknownCodeError"]


class UnknownCodeError(Exception):
    """The code may do what the analysis can't follow; the text says where and what."""


@dataclass(frozen=True)
class NodeState:
    """What a node is given to see."""

    keys: frozenset[str]
    """The state keys of its input schema."""

    types: Mapping[str, Any]
    """Key -> type, where annotated."""

    attributes: bool
    """Whether the keys are attributes (pydantic model, dataclass), not items."""

    computed: frozenset[str] = frozenset()
    """Attributes that the schema's own code computes."""


@dataclass
class Findings:
    """Reads, and effects on the outside; what is unknown ends the analysis at once."""

    state: NodeState
    reads: set[str] = field(default_factory=set)
    whole: str | None = None
    """Why the node reads everything."""

    outside: str | None = None
    """What the node touches."""

    varies: bool = False
    """Whether the code asks the clock or makes a UUID, so that calling it twice gives two outcomes."""

    speaks: bool = False
    """Whether the code prints or logs."""

    settings: set[str] | None = field(default_factory=set)
    """Entries of the run's configuration that are read; None: any."""

    waits: bool = False
    """Whether the node waits for anything: a model, a timer, another task."""

    sleeps: bool = False
    """Whether the node waits for a timer."""

    asks: bool = False
    """Whether the node asks a model, or waits for anything else than a timer."""

    observed: bool = False
    """Whether handlers and listeners of its own, besides the run's, are told of the node's work."""

    clock: str | None = None
    """Where the code reads a clock whose order with other nodes shows."""

    seen: dict[tuple[object, ...], Read] = field(default_factory=dict)
    """What the code reads outside of its state, by place."""

    def see(self, place: Place, kind: Kind, label: str, obj: Any, *, steady: bool = True) -> None:
        """The code reads a place outside of its state, and was followed for what is there."""
        if place.key not in self.seen:
            read = Read.of(place, kind, label, obj, steady=steady)
            if read is None:
                raise UnknownCodeError(f"{label!r} is too large, or holds what can't be compared")
            self.seen[place.key] = read

    def read(self, *keys: str) -> None:
        """The node reads these keys."""
        self.reads.update(keys)

    def read_whole(self, why: str) -> None:
        """The node reads, or may read, every key."""
        self.whole = self.whole or f"{why} reads the whole state"
        self.reads |= self.state.keys

    def configure(self, names: frozenset[str] | None) -> None:
        """The code reads these entries of the run's configuration; None: any."""
        self.settings = None if names is None or self.settings is None else self.settings | names

    def touch(self, what: str) -> None:
        """The node touches the world outside the state."""
        self.outside = self.outside or what
