"""Effects that were inferred before, kept by code: an application may build the same graph anew for every request.

A function that is made anew has the same code, and mostly closes over the same objects. Then its effects are those of
the one before, with the reads of its own variables and defaults taken from the new function.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from optiflow.plan.effects import Effects
from optiflow.plan.guards.content import SCALARS
from optiflow.plan.guards.reads import Cell, FunctionPart, Read

__all__ = ["forget", "kept_effects"]

_MOST = 512
"""How many outcomes are kept."""

_LASTING = (*SCALARS, FunctionType, BuiltinFunctionType, ModuleType, type)
"""Types of which an instance may be kept alive: it is small, or is there for good."""


@dataclass(frozen=True, slots=True)
class _Kept:
    function: FunctionType
    effects: Effects


_kept: OrderedDict[Hashable, _Kept | None] = OrderedDict()
"""Outcomes by what they depend on, the least recently used first; None: seen once, and not kept."""

_lock = threading.Lock()


def kept_effects(function: FunctionType, more: Hashable, infer: Callable[[], Effects]) -> Effects:
    """The effects of a function, inferred only where no other with its code and its variables has been.

    Args:
        function: A node's function.
        more: What else its effects depend on.
        infer: Infers them.
    """
    variables = _variables(function)
    key = (function.__code__, more, variables)
    with _lock:
        known = key in _kept
        kept = _kept.get(key)
        if known:
            _kept.move_to_end(key)
    if kept is not None and all(read.change() is None for read in kept.effects.seen):
        return replace(
            kept.effects, seen=tuple(_of_another(read, kept.function, function) for read in kept.effects.seen)
        )
    effects = infer()
    # What is made for one request and closed over is not kept alive for the next, which has another.
    lasting = known or all(isinstance(value, _LASTING) for value in _objects(function))
    with _lock:
        _kept[key] = _Kept(function, effects) if lasting else None
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return effects


def forget() -> None:
    """Forget everything that is kept."""
    with _lock:
        _kept.clear()


def _objects(function: FunctionType) -> list[Any]:
    cells = [Cell(cell).value() for cell in function.__closure__ or ()]
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _variables(function: FunctionType) -> tuple[Hashable, ...]:
    """What tells functions of one code apart: scalars by type and value, other objects by identity."""
    return (
        id(function.__globals__),
        *(function.__kwdefaults__ or ()),
        *((type(each), each) if type(each) in SCALARS else id(each) for each in _objects(function)),
    )


def _of_another(read: Read, before: FunctionType, function: FunctionType) -> Read:
    """The same read by another function of the same code."""
    place = read.place
    if isinstance(place, FunctionPart) and place.function is before:
        return replace(read, place=replace(place, function=function))
    if isinstance(place, Cell):
        for own, other in zip(before.__closure__ or (), function.__closure__ or (), strict=False):
            if own is place.cell:
                return replace(read, place=Cell(other))
    return read
