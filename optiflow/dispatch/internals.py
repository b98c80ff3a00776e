"""Which parts of LangGraph are built upon, and whether they are what they were when this was written."""

from __future__ import annotations

from types import FunctionType
from typing import Any, TypeVar

__all__ = ["rebound"]

CallableT = TypeVar("CallableT")


def rebound(function: CallableT, **names: Any) -> CallableT:
    """The same function with other objects behind some of its module's names.

    What LangGraph does stays written in LangGraph alone, and its modules stay as they are for everybody else.

    Args:
        function: A function written in Python.
        **names: What its code shall find under which global name.
    """
    plain: Any = function
    same = FunctionType(
        plain.__code__, {**plain.__globals__, **names}, plain.__name__, plain.__defaults__, plain.__closure__
    )
    same.__kwdefaults__ = plain.__kwdefaults__
    same.__annotations__ = plain.__annotations__
    same.__qualname__ = plain.__qualname__
    same.__doc__ = plain.__doc__
    return same  # type: ignore[return-value]
