"""A validation error in one line: the path of the key, its value, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from optiflow.errors import nearest_name

__all__ = ["describe", "field_names"]

_LONGEST_VALUE = 60


def describe(error: ValidationError, prefix: str, model: type[BaseModel]) -> str:
    """Put the first error of a validation in one line, and say how many more there are.

    Args:
        error: What pydantic found.
        prefix: Path of the validated part in the configuration; empty for the root.
        model: The model that was validated, where the right names are looked up.
    """
    details = error.errors(include_url=False)
    first = details[0]
    location = tuple(first["loc"])
    path = ".".join(str(part) for part in ((prefix,) if prefix else ()) + location) or "configuration"
    if first["type"] == "extra_forbidden":
        text = f"{path}: no such key; {nearest_name(str(location[-1]), field_names(model, location[:-1]))}"
    elif first["type"] == "missing":
        text = f"{path}: missing"
    elif first["type"] == "value_error":
        reason = str(first["ctx"]["error"])
        text = reason if path == "configuration" else f"{path}: {reason}"
    else:
        text = f"{path}: {_shown(first['input'])}: {_lower(first['msg'])}"
    more = len(details) - 1
    return " ".join(text.split()) + (f" (and {more} more)" if more else "")


def field_names(model: type[BaseModel], location: Sequence[Any]) -> set[str]:
    """The keys that exist at a location, aliases included, over every model that could stand there."""
    models = [model]
    for part in location:
        found: list[type[BaseModel]] = []
        for candidate in models:
            for name, field in candidate.model_fields.items():
                if part in (name, field.alias):
                    found.extend(_models_in(field.annotation))
        # A tag of a union or an index of a list is no field: the same models go on.
        models = found or models
    names: set[str] = set()
    for candidate in models:
        names |= {field.alias or name for name, field in candidate.model_fields.items()}
    return names


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
