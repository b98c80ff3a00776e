"""What a state schema itself does with the state before a node sees it."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel

__all__ = ["fields_of", "hidden_readers"]


def hidden_readers(schema: Any) -> str | None:
    """Name what makes building an instance of the schema more than storing its fields, or None.

    A validator may compute one field from another, so a node that reads the one reads the other as well.
    """
    if not isinstance(schema, type):
        return None
    if issubclass(schema, BaseModel):
        decorators = schema.__pydantic_decorators__
        for kind in ("validators", "field_validators", "root_validators", "model_validators"):
            for name in getattr(decorators, kind):
                return str(name)
        return _overridden(schema, BaseModel, ("__init__", "__new__", "model_post_init", "__getattribute__"))
    if dataclasses.is_dataclass(schema):
        return _overridden(schema, object, ("__post_init__", "__new__", "__getattribute__"))
    return None


def _overridden(schema: type, base: type, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if getattr(schema, name, None) is not getattr(base, name, None)), None)


def fields_of(schema: Any) -> frozenset[str] | None:
    """Names of the fields of a pydantic model or dataclass; None for mappings and anything else."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return frozenset(schema.model_fields)
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        return frozenset(field.name for field in dataclasses.fields(schema))
    return None
