"""Copies of LangGraph's specs of nodes."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

__all__ = ["copied"]


def copied(spec: Any) -> Any:
    """A copy of a node's spec; `copy.copy` takes several times as long, which counts where each request compiles."""
    cls: Any = type(spec)
    names = _slots(cls)
    if names is None:
        return copy.copy(spec)
    clone = cls.__new__(cls)
    for name in names:
        object.__setattr__(clone, name, getattr(spec, name))
    return clone


@cache
def _slots(cls: type[Any]) -> tuple[str, ...] | None:
    """Everything that an instance of a dataclass holds; None where it may hold more than its fields."""
    is_own = any(hasattr(base, "__copy__") or "__reduce__" in vars(base) for base in cls.__mro__[:-1])
    if is_own or not is_dataclass(cls) or cls.__dictoffset__ or "__weakref__" in vars(cls):
        return None
    names = tuple(each.name for each in fields(cls))
    slots = {name for base in cls.__mro__ for name in vars(base).get("__slots__", ())}
    return names if slots == set(names) else None
