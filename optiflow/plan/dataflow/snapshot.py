"""Gives a value back as it was, even if a node has changed it in place since; the very same object if not."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = ["Snapshot", "snapshot"]

_MOST = 2000
"""Parts that are taken down; what is beyond is taken for unchanged."""

_DEPTH = 16

_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})
"""What is never looked into, most often met: an event for each token of an answer is taken down."""


class Snapshot:
    """A list, tuple, mapping or model, and what it was made of."""

    __slots__ = ("_inner", "_keys", "_parts", "_value")

    def __init__(self, value: Any, keys: list[Any] | None, parts: list[Any], inner: dict[int, Snapshot]) -> None:
        self._value = value
        self._keys = keys
        self._parts = parts
        self._inner = inner
        """Of those parts that have parts themselves, by their place."""

    def restored(self) -> Any:
        """The value: the object itself if nothing in it has changed, otherwise one that is like it was."""
        was = self._parts
        if self._inner:
            was = [self._inner[place].restored() if place in self._inner else part for place, part in enumerate(was)]
        keys, parts = _parts(self._value)
        if _identical(parts, was) and (keys is None or self._keys is None or _identical(keys, self._keys)):
            return self._value
        return _remade(self._value, self._keys, was)


def snapshot(value: Any, apart: Any = None) -> Snapshot:
    """Take down what a value is made of: lists, tuples, mappings and pydantic models, such as messages, within a bound.

    Args:
        value: A list, tuple, mapping or model; nothing of it is called.
        apart: An object that is left as it is.
    """
    left = _MOST

    def take(value: Any, depth: int) -> Snapshot | None:
        nonlocal left
        keys, parts = _parts(value)
        left -= len(parts)
        if left < 0:
            return None
        inner = {}
        if depth < _DEPTH:
            for place, part in enumerate(parts):
                if type(part) not in _LEAVES and part is not apart and _has_parts(part):
                    taken = take(part, depth + 1)
                    if taken is not None:
                        inner[place] = taken
        return Snapshot(value, keys, parts, inner)

    return take(value, 0) or Snapshot(value, *_parts(value), {})


def _has_parts(value: Any) -> bool:
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        return len(value) <= _MOST
    return issubclass(kind, BaseModel)


def _parts(value: Any) -> tuple[list[Any] | None, list[Any]]:
    """The keys of a mapping or model, and the parts."""
    kind = type(value)
    if kind is list or kind is tuple:
        return None, list(value)
    named = value if kind is dict else object.__getattribute__(value, "__dict__")
    return list(named), list(named.values())


def _identical(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _remade(value: Any, keys: list[Any] | None, parts: list[Any]) -> Any:
    kind = type(value)
    if keys is None:
        return kind(parts)
    made = dict(zip(keys, parts, strict=True))
    if kind is dict:
        return made
    twin = object.__new__(kind)
    object.__setattr__(twin, "__dict__", made)
    for slot in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
        object.__setattr__(twin, slot, getattr(value, slot))
    return twin
