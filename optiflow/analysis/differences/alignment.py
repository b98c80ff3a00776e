"""Which items of two lists belong together, where items were changed, added or left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from optiflow.analysis.differences.difference import canonical

__all__ = ["Alignment", "align"]

_NUMBERED_ID = re.compile(r'"#\d+"')
"""Ids are numbered as they are met: one item more shifts all that come after it."""

_MOST_PAIRS = 4096
"""Beyond so many possible pairs of changed items these are paired in their order."""

_MOST_LEAVES = 256
_PAIRED = 0.01
"""Two items that have nothing in common are one that was changed rather than one left out and another added."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Another list in the positions of a first one."""

    matched: dict[int, Any]
    """The other's item, by position in the first; none where the other left it out."""
    inserted: dict[int, list[Any]]
    """Items that only the other has, by the position in the first that they come before."""


def align(one: Sequence[Any], other: Sequence[Any]) -> Alignment:
    """Find the items of another list that belong to those of a first one; order counts.

    Equal items belong together first; of what lies between them, those that have most in common.

    Args:
        one: JSON values.
        other: JSON values.
    """
    alignment = Alignment({}, {})
    ours, theirs = ([_NUMBERED_ID.sub('"#"', canonical(item)) for item in items] for items in (one, other))
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs).get_opcodes():
        pairs = list(zip(range(i1, i2), range(j1, j2), strict=False))
        if kind == "replace" and len(pairs) * max(i2 - i1, j2 - j1) > 1:
            pairs = [(i1 + left, j1 + right) for left, right in _paired(one[i1:i2], other[j1:j2])]
        alignment.matched.update((left, other[right]) for left, right in pairs)
        before = i1
        partners = {right: left for left, right in pairs}
        for right in range(j1, j2):
            if right in partners:
                before = partners[right] + 1
            else:
                alignment.inserted.setdefault(before, []).append(other[right])
    return alignment


def _paired(one: Sequence[Any], other: Sequence[Any]) -> list[tuple[int, int]]:
    """The pairs, in order, with most in common altogether; of equally good ones the earliest."""
    if len(one) * len(other) > _MOST_PAIRS:
        return list(zip(range(len(one)), range(len(other)), strict=False))
    ours, theirs = ([_leaves(item) for item in items] for items in (one, other))
    alike = [[_alike(left, right) for right in theirs] for left in ours]
    best = [[0.0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in reversed(range(len(one))):
        for j in reversed(range(len(other))):
            best[i][j] = max(best[i + 1][j + 1] + alike[i][j], best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        if best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _alike(one: frozenset[Any], other: frozenset[Any]) -> float:
    return _PAIRED + 2 * len(one & other) / (len(one) + len(other) or 1)


def _leaves(value: Any) -> frozenset[Any]:
    """The first values within, each with the way to it."""
    found = _walk(value, ())
    return frozenset(leaf for leaf, _ in zip(found, range(_MOST_LEAVES), strict=False))


def _walk(value: Any, way: tuple[Any, ...]) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*way, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk(item, (*way, position))
    else:
        yield way, type(value), value
