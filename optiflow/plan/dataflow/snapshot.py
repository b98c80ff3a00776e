"""Gives a value back as it was, even if a node has changed it in place since; the very same object if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

__all__ = ["Snapshot", "snapshot"]

_MOST = 2000
"""Parts that are taken down; what is beyond is taken for unchanged."""

_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A value and what it was made of."""

    value: Any
    parts: tuple[tuple[Any, Snapshot], ...] | None = None
    """Key and part, of a list, tuple, mapping or model; None for anything else."""

    def restored(self) -> Any:
        """The value: the object itself if nothing in it has changed, otherwise one that is like it was."""
        if self.parts is None:
            return self.value
        was = [part.restored() for _, part in self.parts]
        now = _parts(self.value)
        if len(now) == len(was) and all(
            key is known and part is before
            for (key, part), (known, _), before in zip(now, self.parts, was, strict=True)
        ):
            return self.value
        return _remade(self.value, [key for key, _ in self.parts], was)


def snapshot(value: Any, apart: Any = None) -> Snapshot:
    """Take down what a value is made of: lists, tuples, mappings and pydantic models, such as messages, within a bound.

    Args:
        value: The value; nothing of it is called.
        apart: An object that is left as it is.
    """
    left = _MOST

    def take(value: Any, depth: int) -> Snapshot:
        nonlocal left
        if depth > _DEPTH or value is apart or not _has_parts(value):
            return Snapshot(value)
        parts = _parts(value)
        left -= len(parts)
        if left < 0:
            return Snapshot(value)
        return Snapshot(value, tuple((key, take(part, depth + 1)) for key, part in parts))

    return take(value, 0)


def _has_parts(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple, dict):
        return len(value) <= _MOST
    return issubclass(kind, BaseModel)


def _parts(value: Any) -> list[tuple[Any, Any]]:
    kind = type(value)
    if kind in (list, tuple):
        return [(None, part) for part in value]
    return list((value if kind is dict else object.__getattribute__(value, "__dict__")).items())


def _remade(value: Any, keys: list[Any], parts: list[Any]) -> Any:
    kind = type(value)
    if kind in (list, tuple):
        return kind(parts)
    made = dict(zip(keys, parts, strict=True))
    if kind is dict:
        return made
    twin = object.__new__(kind)
    object.__setattr__(twin, "__dict__", made)
    for slot in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(twin, slot, getattr(value, slot))
    return twin
