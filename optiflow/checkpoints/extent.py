"""Whether a value is so small that encoding it takes next to no time, found out in less."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

__all__ = ["is_small"]

_MOST = 2000
"""What a small value comes to: parts, pieces of text and objects together."""

_PIECE = 256
"""Characters or bytes that cost as much as a part."""

_OBJECT = 20
"""An object costs as much as so many parts, besides those that it has."""

_TEXTS = (str, bytes, bytearray)
_LISTS = (list, tuple, set, frozenset)
_SMALL_MODULES = frozenset({"datetime", "decimal", "uuid", "zoneinfo"})
_ATOMS = frozenset({int, float, bool, complex, type(None)})


def is_small(values: Iterable[Any]) -> bool:
    """Whether values are known to be small; no code of theirs is run, and little of a large one is looked at."""
    left = _MOST
    parts = list(values)
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind in _ATOMS:
            continue
        if kind in _TEXTS:
            left -= len(part) // _PIECE
        elif kind is dict:
            left -= len(part)
            if left >= 0:
                parts += part.values()
        elif kind in _LISTS:
            left -= len(part)
            if left >= 0:
                parts += part
        elif kind.__module__ in _SMALL_MODULES:
            left -= 1
        elif BaseModel in kind.__mro__ or "__dataclass_fields__" in vars(kind):
            held = _held(part)
            if held is None:
                return False
            left -= _OBJECT
            parts.append(held)
        else:
            return False
        if left < 0:
            return False
    return True


def _held(value: object) -> dict[str, Any] | None:
    """What an object of Python's has; None for one that keeps it elsewhere."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return held if type(held) is dict else None
