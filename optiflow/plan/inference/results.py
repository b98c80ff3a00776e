"""What is known of the outcome of calls that only compute."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable

from optiflow.plan.inference.knowledge import MAKERS, Plain, pure_methods, qualified
from optiflow.plan.inference.values import CONFIG, Value, built, data, fresh, model, plain_class, value_of

__all__ = ["of_method", "of_pure"]


def of_method(owner: Value, cls: type | None, name: str, values: Sequence[Value]) -> Value:
    """The outcome of a method of a value whose class is known."""
    if cls is Plain and name not in pure_methods(None):
        return fresh(Plain)
    if cls is None or cls is Plain or issubclass(cls, str):
        return fresh(list[str] if name in ("split", "rsplit", "splitlines") else str)
    if issubclass(cls, dict):
        if name == "get":
            key = values[0].texts if values else None
            return data(value_of(owner.typ, next(iter(key)) if key is not None and len(key) == 1 else None))
        if name == "copy":
            return Value("data", fresh=True, typ=owner.typ)
        if name == "keys":
            return data(list[str])
        return data()
    return (
        Value("data", fresh=True, typ=owner.typ) if name in ("copy", "union", "difference", "intersection") else data()
    )


def of_pure(obj: Any, values: Sequence[Value], named: Sequence[str]) -> Value:
    """The outcome of a pure function or class."""
    if obj is dict:
        shaped = [value.keys for value in values]
        if all(keys is not None for keys in shaped):
            return built(*named, *(key for keys in shaped if keys is not None for key in keys))
        return fresh(dict)
    if obj in (list, tuple, set, sorted, frozenset) and values:
        typ = values[0].typ
        return fresh(typ if plain_class(typ) is obj or (obj is sorted and plain_class(typ) is list) else MAKERS[obj])
    if obj in MAKERS:
        return fresh(MAKERS[obj])
    module, name = qualified(obj)
    if (module, name) == ("langgraph.config", "get_config"):
        return CONFIG
    if module == "re" and name in ("sub", "escape"):
        return fresh(str)
    if module in ("_hashlib", "hashlib"):
        return fresh(type(hashlib.sha256()))
    if module.startswith("json"):
        return fresh(str if name == "dumps" else Plain)
    if name in ("gather",):
        return data()
    if isinstance(obj, type):
        return model(str if obj is StrOutputParser else None) if issubclass(obj, Runnable) else fresh(obj)
    return fresh() if name in ("deepcopy",) else data()
