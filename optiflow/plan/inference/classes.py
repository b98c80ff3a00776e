"""What the analysis asks of functions and classes themselves."""

from __future__ import annotations

import dis
import functools
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from optiflow.plan.inference.hidden import hidden_code
from optiflow.plan.inference.operations import inert
from optiflow.plan.inference.vouching import is_users, is_users_file, name_of_class

__all__ = ["changing_attributes", "filled_fields", "inert", "is_message", "is_users", "is_users_file", "only_stores"]


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
    data_class = issubclass(cls, BaseModel) or is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    return data_class and hidden_code(cls).first is None


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
    return cls is not None and (name_of_class(cls) or "").startswith("langchain_core.messages.")
