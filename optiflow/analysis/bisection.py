"""Delta debugging: the smallest set to blame, by probes that may lie now and then."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Answer", "Prober", "Step", "ddmin"]

Answer = Literal["PASS", "FAIL", "UNRESOLVED"]
"""What a probe says of a set: it is good, it is bad, or nobody can tell."""


@dataclass(frozen=True, slots=True)
class Step:
    """One set that was probed."""

    items: frozenset[str]
    answer: Answer
    probes: int
    """How often it was asked."""


@dataclass
class Prober:
    """Asks until one answer is ahead of the other, and never asks the same twice."""

    probe: Callable[[frozenset[str]], Answer]
    """One probe of a set."""

    lead: int = 3
    """By how many answers one must be ahead. A probe that lies with probability p is believed wrongly with
    1 / (1 + ((1 - p) / p) ** lead), Wald's sequential test: 0.14 % for a tenth of lies and a lead of three."""

    most: int = 25
    """Probes of one set before it counts as unresolved."""

    log: list[Step] = field(default_factory=list)
    """Every set that was probed, in order."""

    _known: dict[frozenset[str], Answer] = field(default_factory=dict)

    def __call__(self, items: frozenset[str]) -> Answer:
        """What holds of a set."""
        if items not in self._known:
            self._known[items], asked = self._ask(items)
            self.log.append(Step(items, self._known[items], asked))
        return self._known[items]

    def _ask(self, items: frozenset[str]) -> tuple[Answer, int]:
        score = unresolved = 0
        for asked in range(1, self.most + 1):
            answer = self.probe(items)
            score += {"FAIL": 1, "PASS": -1, "UNRESOLVED": 0}[answer]
            unresolved += answer == "UNRESOLVED"
            if abs(score) >= self.lead:
                return ("FAIL" if score > 0 else "PASS"), asked
            if unresolved >= self.lead and score == 0:
                return "UNRESOLVED", asked
        return "UNRESOLVED", self.most


def ddmin(items: Sequence[str], ask: Callable[[frozenset[str]], Answer]) -> tuple[str, ...]:
    """A smallest set that fails: without any one of its members it does not.

    Zeller and Hildebrandt (2002), "Simplifying and Isolating Failure-Inducing Input", the algorithm ddmin. An
    unresolved set is treated as one that does not fail.

    Args:
        items: A set that fails, in the order in which it is cut up.
        ask: What holds of a set; the empty one must pass.

    Returns:
        The members, in their order.
    """
    left = list(items)
    pieces = 2
    while len(left) >= 2:
        size, rest = divmod(len(left), pieces)
        bounds = [0]
        for place in range(pieces):
            bounds.append(bounds[-1] + size + (place < rest))
        chunks = [left[start:end] for start, end in itertools.pairwise(bounds)]
        smaller = next((chunk for chunk in chunks if ask(frozenset(chunk)) == "FAIL"), None)
        if smaller is not None:
            left, pieces = smaller, 2
            continue
        others = ([item for item in left if item not in chunk] for chunk in chunks) if pieces > 2 else iter(())
        smaller = next((other for other in others if ask(frozenset(other)) == "FAIL"), None)
        if smaller is not None:
            left, pieces = smaller, max(pieces - 1, 2)
        elif pieces < len(left):
            pieces = min(2 * pieces, len(left))
        else:
            break
    return tuple(left)
