"""What a state schema itself does with the state before a node sees it."""

from __future__ import annotations

import dataclasses
import functools
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
    return _of(schema, getattr(schema, "__pydantic_complete__", True))[0]


def computed_fields(schema: Any) -> frozenset[str]:
    """Attributes of the state that the schema's own code computes when they are read."""
    if fields_of(schema) is None:
        return frozenset()
    return _of(schema, getattr(schema, "__pydantic_complete__", True))[1]


@functools.lru_cache(maxsize=64)
def _of(schema: Any, _complete: bool) -> tuple[str | None, frozenset[str]]:
    """Both answers: every node of a graph asks for those of the same few schemas."""
    computed = computed_attributes(schema)
    hidden = hidden_code(schema).first
    if hidden is None:
        hidden = next((name for name in hidden_operations(schema) if name not in computed), None)
    return hidden, computed


def fields_of(schema: Any) -> frozenset[str] | None:
    """Names of the fields of a pydantic model or dataclass; None for mappings and anything else."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return frozenset(schema.model_fields)
    if isinstance(schema, type) and dataclasses.is_dataclass(schema):
        return frozenset(field.name for field in dataclasses.fields(schema))
    return None
