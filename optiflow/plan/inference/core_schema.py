"""Functions that pydantic's core calls when it validates or dumps, as its schema of a class names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Found", "functions_of"]

_NOT_RUN = frozenset({"metadata", "ref", "config", "members"})
"""Entries of a schema that are for JSON schemas, or only say what there is."""

_CLOCK = frozenset({"now_op", "now_utc_offset"})


@dataclass
class Found:
    """What a schema names."""

    functions: list[Any] = field(default_factory=list)
    classes: list[type] = field(default_factory=list)
    """Classes of which instances are made or looked for."""
    computed: list[tuple[type, str]] = field(default_factory=list)
    """Computed fields: class and name."""
    defaults: list[Any] = field(default_factory=list)
    """Values that are copied, compared or handed out."""
    refused: str | None = None


def functions_of(schema: dict[str, Any]) -> Found:
    """Walk a core schema."""
    found = Found()
    _walk(schema, found, set(), None)
    return found


def _walk(part: Any, found: Found, seen: set[int], owner: type | None) -> None:
    if isinstance(part, dict):
        if id(part) in seen:
            return
        seen.add(id(part))
        cls = part.get("cls")
        if isinstance(cls, type):
            owner = cls if part.get("type") in ("model", "dataclass") else owner
        if part.get("type") == "computed-field" and owner is not None:
            found.computed.append((owner, part["property_name"]))
        if _CLOCK & part.keys():
            found.refused = found.refused or "a field is compared with the clock"
        for name, value in part.items():
            if name == "default":
                found.defaults.append(value)
            elif name == "expected":
                found.defaults += value
            elif name == "cls" and isinstance(value, type):
                if value not in found.classes:
                    found.classes.append(value)
            elif name not in _NOT_RUN:
                _walk(value, found, seen, owner)
    elif isinstance(part, list | tuple):
        for value in part:
            _walk(value, found, seen, owner)
    elif callable(part):
        found.functions.append(part)
