"""The input of a user's graph: read from where it is, and held against the graph's input schema."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from pydantic import BaseModel, ValidationError

from optiflow.config.messages import describe
from optiflow.errors import InputError, nearest_name

__all__ = ["check_input", "read_input"]

_SHALLOW = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}
"""Types that JSON can hold, with what an error calls them."""


def read_input(source: Any) -> Any:
    """Read an input.

    Args:
        source: A value, which is taken as it is, or text: JSON, ``@FILE`` or ``-`` for standard input.
            None: ``{}``.

    Raises:
        InputError: A file that can't be read, or text that is no JSON.
    """
    if source is None:
        return {}
    if not isinstance(source, str):
        return source
    if source == "-":
        return _parsed(sys.stdin.read(), "standard input")
    if not source.startswith("@"):
        return _parsed(source, f"workflow.input={source!r}")
    path = Path(source[1:]).expanduser()
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"workflow.input={source!r}: {error.strerror}: {path}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"workflow.input={source!r}: {path} is no UTF-8 text") from error


def check_input(graph: Pregel[Any, Any, Any, Any], value: Any) -> None:
    """Hold an input against the graph's input schema.

    What LangGraph leaves to the nodes is checked no further than is certain: the names of keys, and plain
    JSON types of keys without a reducer, which may take anything.

    Raises:
        InputError: It does not fit; the text names the key.
    """
    if not isinstance(graph, CompiledStateGraph):
        return
    builder = graph.builder
    schema, keys = builder.input_schema, builder.schemas[builder.input_schema]
    if "__root__" in keys:
        return
    if not isinstance(value, Mapping):
        raise InputError(f"workflow.input: {value!r} is no mapping; the graph's keys are {', '.join(sorted(keys))}")
    for key in value:
        if key not in keys:
            raise InputError(f"workflow.input.{key}: the graph's input has no such key; {nearest_name(str(key), keys)}")
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        try:
            schema.model_validate(dict(value))
        except ValidationError as error:
            raise InputError(describe(error, "workflow.input", schema)) from error
    elif dataclasses.is_dataclass(schema):
        for field in dataclasses.fields(schema):
            required = field.default is field.default_factory is dataclasses.MISSING
            if required and field.init and field.name not in value:
                raise InputError(f"workflow.input.{field.name}: missing")
    else:
        _check_types(typing.get_type_hints(schema, include_extras=True), value)


def _check_types(annotations: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    for key, item in value.items():
        expected = _shallow_types(annotations.get(key))
        if expected and not isinstance(item, (*expected, *((int,) if float in expected else ()))):
            raise InputError(
                f"workflow.input.{key}: {item!r} is not {' or '.join(_SHALLOW[each] for each in expected)}"
            )


def _shallow_types(annotation: Any) -> tuple[type, ...]:
    """The JSON types that a value may have; none: anything may be given."""
    if typing.get_origin(annotation) in (typing.Required, typing.NotRequired):
        (annotation,) = typing.get_args(annotation)
    origin = typing.get_origin(annotation) or annotation
    return (origin,) if origin in _SHALLOW else ()


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{source} is no JSON: {error}") from error
