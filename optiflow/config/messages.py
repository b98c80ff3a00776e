"""A validation error in one line: the path of the key, its value, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from optiflow.errors import nearest_name

__all__ = ["describe", "field_names"]

_LONGEST_VALUE = 60

_SHOULD = "input should be "
"""How most of pydantic's messages begin."""

_MEMBERS = ("literal[", "tuple[", "list[", "dict[", "constrained-", "function-")
"""How pydantic names the members of a union that are no models."""


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
    path = ".".join([prefix] * bool(prefix) + _path(model, location)) or "configuration"
    if first["type"] == "extra_forbidden":
        text = f"{path}: no such key; {nearest_name(str(location[-1]), field_names(model, location[:-1]))}"
    elif first["type"] == "missing":
        text = f"{path}: missing"
    elif first["type"] == "value_error":
        reason = str(first["ctx"]["error"])
        text = reason if path == "configuration" else f"{path}: {reason}"
    else:
        # Each member of a union says what it would take: that is one mistake.
        same = [each for each in details if _path(model, tuple(each["loc"])) == _path(model, location)]
        right = " or ".join(dict.fromkeys(_lower(each["msg"]).removeprefix(_SHOULD) for each in same))
        text = f"{path}: {_shown(first['input'])}: {_SHOULD if _lower(first['msg']).startswith(_SHOULD) else ''}{right}"
        details = [first, *(each for each in details if each not in same)]
    more = len(details) - 1
    return " ".join(text.split()) + (f" (and {more} more)" if more else "")


def field_names(model: type[BaseModel], location: Sequence[Any]) -> set[str]:
    """The keys that exist at a location, aliases included, over every model that could stand there."""
    models = [model]
    for part in location:
        # A tag of a union or an index of a list is no field: the same models go on.
        models = _inside(models, part) or models
    return {field.alias or name for candidate in models for name, field in candidate.model_fields.items()}


def _path(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """The location as a user knows it: without the tags by which pydantic tells the members of a union apart."""
    models, path, may_be_tag = [model], [], False
    for part in location:
        tagged = [candidate for candidate in models if may_be_tag and part in _tags(candidate)]
        if tagged:
            models, may_be_tag = tagged, False
            continue
        if str(part).startswith(_MEMBERS):
            continue
        path.append(str(part))
        if found := _inside(models, part):
            models, may_be_tag = found, True
    return path


def _inside(models: Sequence[type[BaseModel]], part: Any) -> list[type[BaseModel]]:
    """The models that may stand under one field of any of these models."""
    return [
        inner
        for candidate in models
        for name, field in candidate.model_fields.items()
        if part in (name, field.alias)
        for inner in _models_in(field.annotation)
    ]


def _tags(model: type[BaseModel]) -> set[Any]:
    """Values by which a model is told from the others of its union."""
    kind = model.model_fields.get("kind")
    return set(get_args(kind.annotation)) if kind is not None else set()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
