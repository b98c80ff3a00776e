"""Operations on instances of a class: which run code of the application's without anybody calling it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import typing
import uuid
from abc import ABC, ABCMeta
from collections.abc import Iterator, Mapping
from types import FunctionType, NoneType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefinedType

from optiflow.plan.inference.knowledge import MUTATORS, data_class_methods, pure_methods
from optiflow.plan.inference.vouching import ABSENT, attribute_of, is_users, members, name_of_class, own_code

__all__ = ["FIXED", "computed_attributes", "hidden_operations", "inert", "metaclass_is_known"]

_METACLASSES = frozenset({type, ABCMeta, enum.EnumMeta, type(BaseModel), type(typing.Protocol)})
FIXED = frozenset(
    {
        NoneType, bool, int, float, complex, str, bytes, PydanticUndefinedType, decimal.Decimal, fractions.Fraction,
        uuid.UUID, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, re.Pattern,
        pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath, pathlib.PureWindowsPath, range,
    }
)  # fmt: skip
"""Exact types whose values can't change, and whose operations are all known."""

_MAKING = frozenset({"__init__", "__post_init__", "model_post_init", "__init_subclass__", "__class_getitem__"})
_ASSUMED = MUTATORS | pure_methods(None) | data_class_methods()
"""Names of methods that the analysis takes for those of text and data wherever it meets them."""


@functools.lru_cache(maxsize=512)
def inert(cls: Any) -> bool:
    """Whether every operation on an instance of a class runs only known code.

    Reading attributes, operators, iterating, formatting, comparing, hashing, copying and pickling. Methods by names of
    the application's own are not meant: what calls one follows it. Remembered by class: who relies on a class of the
    application's guards its attributes.
    """
    name = name_of_class(cls)
    if name is not None:
        return name.startswith(("langchain_core.messages.", "langchain_core.documents.", "langchain_core.outputs."))
    return _stores_by_the_book(cls) and next(hidden_operations(cls), None) is None


def _stores_by_the_book(cls: Any) -> bool:
    """Whether a class is a data class of the application's: a model, a dataclass, a named tuple or an enumeration."""
    if not metaclass_is_known(cls):
        return False
    if isinstance(cls, enum.EnumMeta):
        members_of: Mapping[str, enum.Enum] = cls.__members__
        return all(type(member.value) in FIXED for member in members_of.values())
    bases = set(cls.__mro__) - {object, tuple, typing.Generic, BaseModel, ABC}
    if any(not type.__getattribute__(base, "__flags__") & _HEAP for base in bases):
        # A subclass of a builtin, or of what a C module has.
        return False
    if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls):
        return True
    return issubclass(cls, tuple) and isinstance(attribute_of(cls, "_fields"), tuple)


_HEAP = 1 << 9


def hidden_operations(cls: type) -> Iterator[str]:
    """Names of the application's code that operations on an instance may run without anybody calling it."""
    users = set(own_code(cls))
    for name, value in members(cls):
        if name not in users or name in _MAKING or isinstance(value, enum.Enum):
            continue
        if (name[:2] == "__" == name[-2:]) or name in _ASSUMED or _is_computed(value):
            yield name


def _is_computed(value: Any) -> bool:
    """Whether reading an attribute that a class stores so may run code of the application's."""
    return (
        type(value) not in (FunctionType, staticmethod, classmethod)
        and attribute_of(type(value), "__get__") is not ABSENT
    )


def computed_attributes(cls: Any) -> frozenset[str]:
    """Attributes of instances that code of the application's computes; ``*`` where it may be any."""
    users = set(own_code(cls))
    found = {name for name, value in members(cls) if name in users and _is_computed(value)}
    if users & {"__getattr__", "__getattribute__"}:
        found.add("*")
    return frozenset(found)


def metaclass_is_known(cls: type) -> bool:
    """Whether calling a class, and reading its attributes, is what Python or a known library makes of it."""
    metaclass: Any = type(cls)
    return metaclass in _METACLASSES and not any(
        is_users(value) for base in metaclass.__mro__ for value in vars(base).values()
    )
