"""Whether a node could make a blocking call that is known, at a glance.

Following a node's code takes a tenth of a millisecond and more; most async nodes name no blocking call, and a program
may compile a graph for each request.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from optiflow.plan.inference.classes import is_users

__all__ = ["may_block"]

_CALLS = ("sleep", "get", "head", "invoke", "post", "put", "patch", "delete", "request", "send", "open", "urlopen")
_HIDING = ("getattr", "eval", "exec", "globals", "vars", "import_module", "__import__")

_NAMES = frozenset({*_CALLS, *_HIDING})
"""Names by which code comes to what blocks."""

MOST_FUNCTIONS = 100
"""Functions that are looked at."""


def may_block(function: Any) -> bool:
    """Whether a function, or one of the program's own that it reaches, could make a blocking call that is known.

    Args:
        function: The user's async callable.

    Returns:
        False only where none of them names such a call, nor holds one by another name.
    """
    waiting, seen = [function], set[FunctionType]()
    while waiting:
        target = waiting.pop()
        if type(target) is not FunctionType or len(seen) == MOST_FUNCTIONS:
            return True
        if target in seen:
            continue
        seen.add(target)
        names = _names(target.__code__)
        if not _NAMES.isdisjoint(names):
            return True
        space = target.__globals__
        try:
            held = [cell.cell_contents for cell in target.__closure__ or ()]
        except ValueError:  # a variable that has no value yet
            return True
        held += [*(target.__defaults__ or ()), *(target.__kwdefaults__ or {}).values()]
        for value in (*held, *(space[name] for name in names if name in space)):
            follow = _is_followed(value)
            if follow is None:
                return True
            if follow:
                waiting.append(value)
    return False


def _is_followed(value: Any) -> bool | None:
    """Whether a value is a function of the program's own; None for what may hide one, or what blocks."""
    kind = type(value)
    if kind is FunctionType:
        # Another package's is known by its name, which is looked for; a decorator's keeps what it wraps in a cell.
        return True if is_users(value) else None if value.__name__ in _NAMES else False
    if kind is BuiltinFunctionType:
        return None if value.__name__ in _NAMES else False
    if kind in (ModuleType, str, int, float, bool, bytes, type(None)):
        return False
    if kind in (MethodType, functools.partial) or isinstance(value, Collection):
        return None
    return None if _is_own(value if isinstance(value, type) else kind) else False


@functools.lru_cache(maxsize=256)
def _is_own(kind: type[Any]) -> bool:
    """Whether a class has methods that the program wrote."""
    methods = (value for base in kind.__mro__ for value in vars(base).values())
    return any(type(value) is FunctionType and is_users(value) for value in methods)


@functools.lru_cache(maxsize=4096)
def _names(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in a function's code, and in what is defined within it."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(*inner)
