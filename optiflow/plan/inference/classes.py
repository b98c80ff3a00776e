"""What the analysis asks of functions and classes themselves."""

from __future__ import annotations

import dis
import functools
import inspect
import sysconfig
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from pydantic import BaseModel

from optiflow.plan.schema import hidden_readers

__all__ = ["changing_attributes", "filled_fields", "inert", "is_message", "is_users", "is_users_file", "only_stores"]

_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})


def is_users(function: Any) -> bool:
    """Whether a function is the application's own, not a library's."""
    return isinstance(function, FunctionType) and is_users_file(function.__code__.co_filename)


@functools.lru_cache(maxsize=1024)
def is_users_file(file: str) -> bool:
    """Whether a source file is the application's own, not a library's."""
    return not file.startswith(_LIBRARIES) and "site-packages" not in Path(file).parts


@functools.lru_cache(maxsize=256)
def changing_attributes(cls: Any) -> frozenset[str]:
    """Attributes that the class's own methods assign after ``__init__``."""
    changing: set[str] = set()
    for base in cls.__mro__:
        for name, method in vars(base).items():
            function = getattr(method, "fget", None) or getattr(method, "__func__", method)
            if name not in ("__init__", "__post_init__", "__new__") and is_users(function):
                changing.update(i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR")
    return frozenset(changing)


def only_stores(cls: type) -> bool:
    """Whether making an instance stores its fields and does nothing else."""
    if issubclass(cls, BaseModel) or is_dataclass(cls):
        return hidden_readers(cls) is None
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and not is_users(inspect.getattr_static(cls, "__new__"))


def filled_fields(cls: type) -> frozenset[str]:
    """Fields that an instance has, and LangGraph writes to the state, without being given.

    As LangGraph reads an update from an object: of a pydantic model, what differs from a default of None; of any
    other object, every attribute that it has.
    """
    if issubclass(cls, BaseModel):
        return frozenset(name for name, info in cls.model_fields.items() if info.default is not None)
    if is_dataclass(cls):
        return frozenset(field.name for field in fields(cls))
    return frozenset()


def is_message(cls: type | None) -> bool:
    """Whether a class is one of LangChain's messages."""
    return cls is not None and cls.__module__.startswith("langchain_core.messages")


def inert(cls: type) -> bool:
    """Whether every operation on an instance of a class runs only known code."""
    return cls.__module__.startswith(("langchain_core.messages", "langchain_core.documents"))
