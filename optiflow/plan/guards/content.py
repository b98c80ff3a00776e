"""The content of plain data, taken down to be compared later.

Plain is what no code of the application's can hide in: builtins by exact type, LangChain's messages and documents, and
data classes that were looked at. Reading, comparing, printing or iterating over such a value runs no code but Python's.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
import uuid
import zoneinfo
from collections.abc import Callable, Collection
from functools import lru_cache
from types import EllipsisType, GetSetDescriptorType, MemberDescriptorType, NoneType
from typing import Any

from optiflow.plan.inference.classes import inert

__all__ = ["CONTAINERS", "LEAVES", "MOST", "SCALARS", "Content", "alike", "is_plain", "take_down"]

SCALARS = frozenset({NoneType, bool, int, float, complex, str, bytes})
"""Types whose values can't change, and that are compared by value."""

LEAVES = SCALARS | {
    range, EllipsisType, datetime.date, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo,
    decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, pathlib.PurePosixPath, pathlib.PosixPath,
    pathlib.PureWindowsPath, pathlib.WindowsPath,
}  # fmt: skip
"""Exact types whose values can't change, can be compared, and hold nothing else."""

_SHOWN = frozenset({float, complex, decimal.Decimal, range})
"""Types whose equal values may look different."""
_TIMES = frozenset({datetime.datetime, datetime.time})
_ZONES = frozenset({NoneType, datetime.timezone, zoneinfo.ZoneInfo})
_SEQUENCES = frozenset({list, tuple})
_SETS = frozenset({set, frozenset})
CONTAINERS = _SEQUENCES | _SETS | {dict, bytearray}
"""Exact types that are looked into."""

MOST = 3072
"""How many values are looked at before a value counts as too large: bounds the time for it to about a millisecond."""

_DEEPEST = 40


class _UnplainError(Exception):
    """The value holds what is not plain, or too much."""


class Content:
    """The content of one value at one moment."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def holds(self, value: Any) -> bool:
        """Whether a value has this content, types and order included."""
        try:
            return self._parts is value or _same(self._parts, value)
        except (RuntimeError, ValueError):  # another thread changes it just now
            return False


def take_down(value: Any, known: Collection[type] = (), *, objects: bool = False, most: int = MOST) -> Content | None:
    """Take down the content of a value.

    Args:
        value: Anything.
        known: Classes of the application's whose code was followed, so that instances of exactly these may have some.
        objects: Whether containers may hold any objects, which are then compared by identity.
        most: How many values may be looked at.

    Returns:
        None where the value is not plain, or is larger than that.
    """
    try:
        return Content(_Taking(known, objects, most).of(value, 0))
    except (_UnplainError, RuntimeError):  # the latter where another thread changes it just now
        return None


def is_plain(value: Any) -> bool:
    """Whether a value is plain data, and small enough to be looked at."""
    return type(value) in LEAVES or take_down(value) is not None


class _Taking:
    """Takes one value down."""

    def __init__(self, known: Collection[type], objects: bool, most: int) -> None:
        self._known = known
        self._objects = objects
        self._left = most

    def of(self, value: Any, depth: int) -> Any:
        """A leaf itself, or the structure of anything else."""
        cls = type(value)
        if cls in LEAVES:
            return value
        if cls in CONTAINERS:
            if not value:
                return _EMPTY[cls]
            self._left -= len(value) if cls is not bytearray else len(value) // 64
            if self._left < 0 or depth > _DEEPEST:
                raise _UnplainError
        if cls is dict:
            return _Mapping(self._all(tuple(value), depth), self._all(tuple(value.values()), depth))
        if cls in _SEQUENCES:
            return _Sequence(cls, self._all(tuple(value), depth))
        if cls in _SETS:
            if not LEAVES.issuperset(map(type, value)):
                # Objects in a set are hashed and compared by code of their own.
                raise _UnplainError
            # The order of a set shows where it is iterated, so it is compared as well.
            return _Sequence(cls, tuple(value))
        if cls is bytearray:
            return _Bytes(bytes(value))
        if cls in _TIMES:
            if type(value.tzinfo) not in _ZONES:
                raise _UnplainError
            return value
        return self._instance(value, cls, depth)

    def _all(self, values: tuple[Any, ...], depth: int) -> tuple[Any, ...]:
        # Most containers hold scalars only: one pass at the speed of C.
        if LEAVES.issuperset(map(type, values)):
            return values
        return tuple([value if type(value) in LEAVES else self.of(value, depth + 1) for value in values])

    def _instance(self, value: Any, cls: type, depth: int) -> Any:
        if cls in self._known or inert(cls):
            return _Instance(cls, self._all(_parts(value, cls), depth + 1))
        if self._objects and depth:
            return _Object(value)
        raise _UnplainError


def _parts(value: Any, cls: Any) -> tuple[Any, ...]:
    """All that an instance stores: its attributes, its slots, and for a tuple its items."""
    parts: list[Any] = [tuple(tuple.__iter__(value))] if isinstance(value, tuple) else []
    for read in _slots(cls):
        try:
            parts.append(read(value))
        except AttributeError:  # a slot without a value
            parts.append(Ellipsis)
    return tuple(parts)


@lru_cache(maxsize=256)
def _slots(cls: Any) -> tuple[Callable[[Any], Any], ...]:
    """How each part that an instance stores is read, without any code of the class."""
    return tuple(
        member.__get__
        for base in cls.__mro__
        for name, member in vars(base).items()
        if type(member) is MemberDescriptorType or (name == "__dict__" and type(member) is GetSetDescriptorType)
    )


class _Parts:
    """The structure of one container or instance."""

    __slots__ = ("cls",)

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def same(self, value: Any) -> bool:
        raise NotImplementedError


class _Sequence(_Parts):
    __slots__ = ("items",)

    def __init__(self, cls: type, items: tuple[Any, ...]) -> None:
        super().__init__(cls)
        self.items = items

    def same(self, value: Any) -> bool:
        return len(value) == len(self.items) and _all_same(self.items, value)


class _Mapping(_Parts):
    __slots__ = ("keys", "values")

    def __init__(self, keys: tuple[Any, ...], values: tuple[Any, ...]) -> None:
        super().__init__(dict)
        self.keys, self.values = keys, values

    def same(self, value: Any) -> bool:
        return len(value) == len(self.keys) and _all_same(self.keys, value) and _all_same(self.values, value.values())


class _Bytes(_Parts):
    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        super().__init__(bytearray)
        self.content = content

    def same(self, value: Any) -> bool:
        return bool(value == self.content)


class _Object(_Parts):
    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        super().__init__(type(it))
        self.it = it

    def same(self, value: Any) -> bool:
        return value is self.it


class _Instance(_Parts):
    __slots__ = ("parts",)

    def __init__(self, cls: type, parts: tuple[Any, ...]) -> None:
        super().__init__(cls)
        self.parts = parts

    def same(self, value: Any) -> bool:
        parts = _parts(value, self.cls)
        return len(parts) == len(self.parts) and _all_same(self.parts, parts)


class _Nothing(_Parts):
    __slots__ = ()

    def same(self, value: Any) -> bool:
        return not value


_EMPTY: dict[type, _Nothing] = {cls: _Nothing(cls) for cls in CONTAINERS}
"""The content of empty containers."""


def _all_same(parts: tuple[Any, ...], values: Any) -> bool:
    return not any(part is not value and not _same(part, value) for part, value in zip(parts, values, strict=True))


def _same(part: Any, value: Any) -> bool:
    if isinstance(part, _Parts):
        return type(value) is part.cls and part.same(value)
    return alike(part, value)


def alike(one: Any, other: Any) -> bool:
    """Whether two values that hold nothing else are the same to whoever looks.

    By type, zeros by their sign, and ranges by their ends.
    """
    if type(one) is not type(other) or not one == other:  # noqa: SIM201 - only equality is asked of the values
        return False
    return type(one) not in _SHOWN or repr(one) == repr(other)
