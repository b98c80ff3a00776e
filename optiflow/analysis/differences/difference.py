"""One place where two values differ, and whether two JSON values are the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["ABSENT", "Difference", "canonical", "same"]

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


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, types and the order of keys included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def canonical(value: Any) -> str:
    """A JSON value as text, equal for two values that are the `same` and only for these."""
    return json.dumps(value)


def _shown(value: Any) -> str:
    text = repr(value) if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
