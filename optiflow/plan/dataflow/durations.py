"""How long nodes take, and whether an early start of one is worth its price."""

from __future__ import annotations

__all__ = ["BRIEF_S", "LONG_S", "Durations"]

BRIEF_S = 0.002
"""Seconds: a node that takes less gains nothing by an early start, which costs some 0.3 ms of processor time."""

LONG_S = 0.1
"""Seconds: a node that takes as long is worth an early start even on a busy event loop."""

_WEIGHT = 0.3
"""Weight of the newest duration in the running mean."""


class Durations:
    """Running means by node, in seconds. Safe for threads: each figure is replaced by one operation."""

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._brief: set[str] = set()
        self._not_long: set[str] = set()

    def note(self, name: str, seconds: float) -> None:
        """A node has taken this long."""
        before = self._means.get(name, seconds)
        self._means[name] = mean = before + _WEIGHT * (seconds - before)
        for nodes, limit in ((self._brief, BRIEF_S), (self._not_long, LONG_S)):
            if mean < limit:
                nodes.add(name)
            else:
                nodes.discard(name)

    def not_worth(self, *, crowded: bool) -> set[str]:
        """The nodes that are known to gain too little by an early start; one that has not run yet is taken to last.

        Args:
            crowded: Whether their event loop is busy, so that what is gained has to be worth what others lose.
        """
        return self._not_long if crowded else self._brief
