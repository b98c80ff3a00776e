"""Looks into classes without running any code of theirs, metaclasses and descriptors included."""

from __future__ import annotations

import datetime
import functools
import types
from abc import ABCMeta
from enum import EnumMeta
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import Any

from pydantic import BaseModel

from optiflow.plan.guards.content import CONTAINERS, LEAVES
from optiflow.plan.guards.reads import MISSING, ClassAttribute

__all__ = ["BINDING", "class_attribute", "has_dict", "is_executor", "is_opaque", "is_plain_metaclass", "sets_by_code"]

BINDING = frozenset(
    {
        FunctionType, classmethod, staticmethod, BuiltinFunctionType, ClassMethodDescriptorType, MethodDescriptorType,
        WrapperDescriptorType,
    }
)  # fmt: skip
"""Types of attributes of a class that Python itself binds to an instance or to the class."""

_READING = frozenset(
    {
        object, type, types.SimpleNamespace, functools.partial, BaseException, FunctionType, *LEAVES, *CONTAINERS,
        datetime.datetime, datetime.time,
    }
)  # fmt: skip
"""Classes whose instances are read in the ordinary way."""

_METACLASSES = frozenset({type, ABCMeta, EnumMeta, type(BaseModel)})


def class_attribute(cls: Any, name: str) -> Any:
    """What a class has, or inherits, under a name; `MISSING` where it has nothing."""
    return ClassAttribute(cls, name).value()


def is_opaque(cls: type) -> bool:
    """Whether reading an attribute of an instance runs code of the class, or of C that nothing is known of."""
    reading = class_attribute(cls, "__getattribute__")
    return type(reading) is not WrapperDescriptorType or reading.__objclass__ not in _READING


def is_plain_metaclass(metaclass: type) -> bool:
    """Whether reading an attribute of a class of this metaclass finds what the class holds."""
    return metaclass in _METACLASSES or (
        class_attribute(metaclass, "__getattribute__") is type.__getattribute__
        and class_attribute(metaclass, "__getattr__") is MISSING
    )


def has_dict(cls: type) -> bool:
    """Whether instances keep attributes in a ``__dict__`` of their own."""
    return type(class_attribute(cls, "__dict__")) is GetSetDescriptorType


def sets_by_code(cls: type, name: str) -> bool:
    """Whether assigning an attribute of an instance runs code of the application's."""
    descriptor = class_attribute(cls, name)
    methods = (class_attribute(cls, "__setattr__"), class_attribute(cls, "__delattr__"))
    return any(isinstance(method, FunctionType) and not _is_pydantics(method) for method in methods) or (
        descriptor is not MISSING
        and type(descriptor) is not MemberDescriptorType
        and class_attribute(type(descriptor), "__set__") is not MISSING
    )


def _is_pydantics(method: FunctionType) -> bool:
    return method.__globals__.get("__name__") == "pydantic.main"


def is_executor(function: Any) -> bool:
    """Whether this is LangGraph's own way of running a sync function in a thread."""
    return type(function) is functools.partial and getattr(function.func, "__name__", "") == "run_in_executor"
