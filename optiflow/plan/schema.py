"""What a state schema itself does with the state before a node sees it."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel

from optiflow.plan.inference.hidden import hidden_code
from optiflow.plan.inference.operations import computed_attributes, hidden_operations

__all__ = ["computed_fields", "fields_of", "hidden_readers"]


def hidden_readers(schema: Any) -> str | None:
    """Name what makes building or looking at an instance of the schema more than storing its fields, or None.

    A validator may compute one field from another, so a node that reads the one reads the other as well; a factory, or
    an operator of the schema's own, may do anything. Properties are told of by `computed_fields`: only a node that
    reads one runs it.
    """
    if fields_of(schema) is None:
        return None
    hidden = hidden_code(schema).first
    if hidden is not None:
        return hidden
    computed = computed_attributes(schema)
    return next((name for name in hidden_operations(schema) if name not in computed), None)


def computed_fields(schema: Any) -> frozenset[str]:
    """Attributes of the state that the schema's own code computes when they are read."""
    return frozenset() if fields_of(schema) is None else computed_attributes(schema)


def fields_of(schema: Any) -> frozenset[str] | None:
    """Names of the fields of a pydantic model or dataclass; None for mappings and anything else."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return frozenset(schema.model_fields)
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        return frozenset(field.name for field in dataclasses.fields(schema))
    return None
