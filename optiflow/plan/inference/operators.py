"""What operators do to a value: nothing, for plain ones; whatever the class says, for others."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast, get_args

from optiflow.plan.guards.content import is_plain
from optiflow.plan.inference.classes import is_users
from optiflow.plan.inference.runnables import is_runnable
from optiflow.plan.inference.static import class_attribute, is_plain_metaclass
from optiflow.plan.inference.values import Value, plain_class

__all__ = [
    "ANY",
    "ARITHMETIC",
    "AWAITING",
    "COMPARISON",
    "FORMATTING",
    "HASHING",
    "ITEM",
    "ITERATION",
    "MEMBERSHIP",
    "TRUTH",
    "hidden_operator",
    "is_inert",
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
ITEM = ("__getitem__", "__setitem__", "__delitem__", "__missing__", "__index__")
ITERATION = ("__iter__", "__aiter__", "__next__", "__anext__", "__getitem__", "__len__")
MEMBERSHIP = ("__contains__", "__iter__", "__getitem__")
TRUTH = ("__bool__", "__len__")
HASHING = ("__hash__", "__eq__")
AWAITING = ("__await__",)
ANY = (
    *ARITHMETIC, *COMPARISON, *FORMATTING, *ITEM, *ITERATION, *MEMBERSHIP, *TRUTH, *HASHING, *AWAITING,
    *("__int__", "__float__", "__complex__", "__bytes__", "__reversed__", "__round__", "__instancecheck__"),
    *("__subclasscheck__", "__dir__", "__sizeof__", "__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__"),
    *("__fspath__", "__trunc__", "__floor__", "__ceil__", "__length_hint__", "__get__"),
)  # fmt: skip


def hidden_operator(value: Value, methods: tuple[str, ...]) -> str | None:
    """Name the operator of a value that runs code of its own, or None where none is known to.

    Args:
        value: The operand.
        methods: The methods that Python may call for the operator.
    """
    if value.kind == "object":
        if is_plain(value.obj):
            return None
        classes: Iterable[type] = (type(value.obj),)
    else:
        classes = _classes_in(value.typ)
    for cls in classes:
        own = _own_operators(cast(Hashable, cls))
        for name in methods if own else ():
            if name in own:
                return f"{cls.__name__}.{name}"
    # Of a library's object, too, nobody knows what an operator does; only whether it is there can be asked of all.
    if value.kind != "object" or methods is TRUTH or is_inert(value.obj):
        return None
    return f"an operator of {type(value.obj).__name__}"


def is_inert(obj: Any) -> bool:
    """Whether an object is a function, a module, a class or a Runnable: what is compared and shown as itself."""
    return (
        isinstance(obj, FunctionType | BuiltinFunctionType | ModuleType)
        or is_runnable(obj)
        or (isinstance(obj, type) and is_plain_metaclass(type(obj)))
    )


def _classes_in(typ: Any, depth: int = 0) -> Iterator[type]:
    """The classes of a value and of what it holds, as far as its type says."""
    cls = plain_class(typ)
    if cls is not None:
        yield cls
    for argument in get_args(typ) if depth < _DEEPEST else ():
        yield from _classes_in(argument, depth + 1)


_DEEPEST = 4


@functools.lru_cache(maxsize=256)
def _own_operators(cls: Any) -> frozenset[str]:
    """The operators for which a class of the application has code of its own."""
    found = set()
    for name in ANY:
        method = class_attribute(cls, name)
        # Dataclasses and named tuples make their methods of strings, to compare and print what they store.
        if is_users(method) and method.__code__.co_filename != "<string>":
            found.add(name)
    return frozenset(found)
