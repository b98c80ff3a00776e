"""What a node reads, writes and touches, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from optiflow.plan.guards.reads import Read

__all__ = ["Effects", "Source"]

Source = Literal["declared", "inferred", "unknown"]


@dataclass(frozen=True, slots=True)
class Effects:
    """The reads, writes and outside effects of one node.

    A node whose effects are unknown reads everything, writes everything and touches the world: it is never moved.
    """

    reads: frozenset[str] | None
    """State keys read; None: not known, so everything."""

    writes: frozenset[str] | None
    """State keys written; None: not known, so everything."""

    touches_outside: bool
    """Whether it does, or may do, anything besides reading and writing state and asking models."""

    source: Source
    """How this is known."""

    reason: str = ""
    """Why it is not known, or where it was declared."""

    waits: bool = True
    """Whether it may take time for anything but computing; only such a node gains by overlapping with others."""

    speaks: bool = False
    """Whether it prints or logs: that can be held back until its turn, and is lost where the node does not run."""

    varies: bool = False
    """Whether it asks the clock or makes a UUID, so that running it twice gives two outcomes."""

    paces: bool = False
    """Whether it only lets time pass."""

    observed: bool = False
    """Whether handlers and listeners of its own, besides the run's, are told of its work."""

    clock: str | None = None
    """Where it reads a clock, whose order with other nodes shows; None: nowhere."""

    seen: tuple[Read, ...] = ()
    """What its code reads outside of its state: guarded while it is ahead of its turn."""

    settings: frozenset[str] | None = None
    """Entries of the run's configuration, and of its ``configurable``, that it reads; ``context`` is the run's context.
    None: not known, so everything."""

    @classmethod
    def declared(cls, reads: frozenset[str] | set[str], writes: frozenset[str] | set[str], reason: str = "") -> Effects:
        """Effects that the author of the node vouches for; nothing outside is touched."""
        return cls(frozenset(reads), frozenset(writes), touches_outside=False, source="declared", reason=reason)

    @classmethod
    def unknown(cls, reason: str) -> Effects:
        """Nothing is known, for this reason."""
        return cls(None, None, touches_outside=True, source="unknown", reason=reason)

    @property
    def known(self) -> bool:
        """Whether the node may be moved at all."""
        return self.reads is not None and self.writes is not None and not self.touches_outside
