"""What operators do to a value: nothing, for plain ones; whatever the class says, for others."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable
from typing import Any, cast

from optiflow.plan.inference.classes import is_plain, is_users
from optiflow.plan.inference.values import Value, plain_class

__all__ = [
    "ANY",
    "ARITHMETIC",
    "COMPARISON",
    "FORMATTING",
    "ITEM",
    "ITERATION",
    "MEMBERSHIP",
    "TRUTH",
    "hidden_operator",
]

_BINARY = (
    "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift", "and", "or",
    "xor",
)  # fmt: skip

ARITHMETIC = (
    *(f"__{side}{name}__" for name in _BINARY for side in ("", "r", "i")),
    *("__neg__", "__pos__", "__abs__", "__invert__"),
)
COMPARISON = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
FORMATTING = ("__format__", "__str__", "__repr__")
ITEM = ("__getitem__", "__setitem__", "__delitem__")
ITERATION = ("__iter__", "__aiter__", "__next__", "__anext__", "__getitem__", "__len__")
MEMBERSHIP = ("__contains__", "__iter__", "__getitem__")
TRUTH = ("__bool__", "__len__")
ANY = (*ARITHMETIC, *COMPARISON, *FORMATTING, *ITEM, *ITERATION, *MEMBERSHIP, "__bool__", "__hash__")


def hidden_operator(value: Value, methods: tuple[str, ...]) -> str | None:
    """Name the operator of a value that runs code of its own, or None where none is known to.

    Args:
        value: The operand.
        methods: The methods that Python may call for the operator.
    """
    if value.kind == "object":
        if is_plain(value.obj):
            return None
        cls: Any = type(value.obj)
    else:
        cls = plain_class(value.typ)
    if cls is None:
        return None
    own = _own_operators(cast(Hashable, cls))
    for name in methods if own else ():
        if name in own:
            return f"{cls.__name__}.{name}"
    # Of a library's object, too, nobody knows what an operator does; only whether it is there can be asked of all.
    return f"an operator of {cls.__name__}" if value.kind == "object" and methods is not TRUTH else None


@functools.lru_cache(maxsize=256)
def _own_operators(cls: Any) -> frozenset[str]:
    """The operators for which a class of the application has code of its own."""
    found = set()
    for name in ANY:
        method = inspect.getattr_static(cls, name, None)
        # Dataclasses and named tuples make their methods of strings, to compare and print what they store.
        if is_users(method) and method.__code__.co_filename != "<string>":
            found.add(name)
    return frozenset(found)
