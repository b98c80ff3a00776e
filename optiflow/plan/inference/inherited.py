"""``super().method(...)``: the method that it finds."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from optiflow.plan.guards.reads import MISSING, Inherited
from optiflow.plan.inference.values import Value, plain_class

__all__ = ["inherited", "is_super", "stores"]


def is_super(node: ast.expr, frame: Any) -> bool:
    """Whether an expression is ``super()`` in a method, without arguments and with the builtin's own meaning."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "super"
        and not node.args
        and not node.keywords
        and "super" not in frame.env
        and "super" not in frame.function.__globals__
        and not frame.outer
    )


def inherited(name: str, frame: Any) -> tuple[Value, Inherited] | None:
    """The instance, and where its class inherits a name from, after the class of the method; None if unknown."""
    code = frame.function.__code__
    if "__class__" not in code.co_freevars or not code.co_argcount:
        return None
    cell = (frame.function.__closure__ or ())[code.co_freevars.index("__class__")]
    owner = frame.env.get(code.co_varnames[0])
    cls = None if owner is None else plain_class(owner.typ)
    if owner is None or cls is None:
        return None
    place = Inherited(cls, cell.cell_contents, name)
    return None if place.value() is MISSING else (owner, place)


def stores(method: Any) -> bool:
    """Whether an inherited ``__init__`` is that of ``object`` or of a builtin exception: it stores its arguments."""
    owner = getattr(method, "__objclass__", None)
    return (
        not isinstance(method, FunctionType)
        and isinstance(owner, type)
        and (owner is object or issubclass(owner, BaseException))
        and method.__name__ == "__init__"
    )
