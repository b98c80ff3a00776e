"""Where two JSON values differ first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ABSENT", "Difference", "difference", "first", "sequence_difference"]

_SHOWN = 100
"""Characters of a value that are worth reading."""


class _Absent:
    def __repr__(self) -> str:
        return "(nothing)"


ABSENT = _Absent()
"""Stands in a `Difference` for what is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two observations disagree."""

    path: str
    """Where: what was observed, and the way into its value."""
    baseline: Any
    """What the baseline has there."""
    optimized: Any
    """What the optimized graph has there."""

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.baseline)} became {_shown(self.optimized)}"


def difference(path: str, baseline: Any, optimized: Any) -> Difference | None:
    """The first difference of two JSON values, types and the order of keys included."""
    if type(baseline) is not type(optimized):
        return Difference(path, baseline, optimized)
    if isinstance(baseline, dict):
        for key in [*baseline, *(key for key in optimized if key not in baseline)]:
            found = difference(f"{path}.{key}", baseline.get(key, ABSENT), optimized.get(key, ABSENT))
            if found:
                return found
        return (
            None
            if list(baseline) == list(optimized)
            else Difference(f"{path} (order of keys)", list(baseline), list(optimized))
        )
    if isinstance(baseline, list):
        return sequence_difference(path, baseline, optimized)
    return None if baseline == optimized else Difference(path, baseline, optimized)


def sequence_difference(path: str, baseline: Sequence[Any], optimized: Sequence[Any]) -> Difference | None:
    """The first difference of two sequences of JSON values."""
    for position in range(max(len(baseline), len(optimized))):
        ours = baseline[position] if position < len(baseline) else ABSENT
        theirs = optimized[position] if position < len(optimized) else ABSENT
        if found := difference(f"{path}[{position}]", ours, theirs):
            return found
    return None


def first(differences: Iterator[Difference | None]) -> Difference | None:
    """The first of several comparisons that found something."""
    return next((found for found in differences if found), None)


def _shown(value: Any) -> str:
    text = repr(value) if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
