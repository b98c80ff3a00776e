"""What the analysis knows of a value in a node's code."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin

from optiflow.plan.inference.knowledge import Plain

__all__ = [
    "CONFIG",
    "DATA",
    "FRESH",
    "STATE",
    "Shape",
    "Value",
    "built",
    "data",
    "element_of",
    "field_of",
    "fresh",
    "join",
    "known",
    "model",
    "plain_class",
    "strip",
    "value_of",
]

Kind = Literal["state", "config", "model", "data", "object"]


@dataclass(eq=False)
class Shape:
    """The keys of a dict that the code builds, shared by every name that the dict goes by."""

    keys: set[str] | None
    """None: some key is not known."""

    def add(self, keys: frozenset[str] | None) -> None:
        """The dict may get these keys too; None: any key."""
        if keys is None or self.keys is None:
            self.keys = None
        else:
            self.keys |= keys


@dataclass(frozen=True, eq=False)
class Value:
    """An abstract value."""

    kind: Kind
    """``state``: the node's input; ``config``: LangGraph's config, runtime or context; ``model``: something that only
    computes or asks a model; ``object``: a known Python object; ``data``: anything else."""

    fresh: bool = False
    """Whether the code itself made the value, so that changing it is nobody else's business."""

    typ: Any = None
    """Its type as annotated or made, where known."""

    obj: Any = None
    """The object itself, for ``object``."""

    shapes: frozenset[Shape] = frozenset()
    """The dicts that the code built and that this may be; empty for everything else."""

    items: tuple[Value, ...] | None = None
    """The elements of a tuple that the code built, where known."""

    choices: frozenset[str] | None = None
    """The strings that the value is one of, where known."""

    code: Any = None
    """The syntax of a nested function or lambda."""

    @property
    def texts(self) -> frozenset[str] | None:
        """The strings that the value may be, where all are known."""
        if self.kind == "object" and type(self.obj) is str:
            return frozenset({self.obj})
        return self.choices

    @property
    def keys(self) -> frozenset[str] | None:
        """The keys of a dict that the code built, where all are known."""
        if not self.shapes or any(shape.keys is None for shape in self.shapes):
            return None
        return frozenset().union(*(shape.keys for shape in self.shapes if shape.keys is not None))

    @property
    def signature(self) -> tuple[object, ...]:
        """What tells two values apart."""
        return (
            self.kind, self.fresh, repr(self.typ), id(self.obj), self.keys, self.choices, id(self.code),
            None if self.items is None else tuple(item.signature for item in self.items),
        )  # fmt: skip


STATE = Value("state")
CONFIG = Value("config")
DATA = Value("data")
FRESH = Value("data", fresh=True)


def built(*keys: str, typ: Any = dict) -> Value:
    """A dict that the code made, with these keys."""
    return Value("data", fresh=True, typ=typ, shapes=frozenset({Shape(set(keys))}))


def data(typ: Any = None) -> Value:
    """A value that the code did not make."""
    return Value("data", typ=typ)


def fresh(typ: Any = None) -> Value:
    """A value that the code made."""
    return Value("data", fresh=True, typ=typ)


def model(answer: Any = None) -> Value:
    """Something to ask: a model, or a chain of prompts, models and parsers; ``answer`` is the type that it gives."""
    return Value("model", fresh=True, typ=answer)


def known(obj: Any) -> Value:
    """A Python object that exists."""
    return Value("object", obj=obj, typ=type(obj))


def join(one: Value | None, other: Value) -> Value:
    """What is known of a value that is one or the other."""
    if one is None or one is other or _is_none(one):
        return other
    if _is_none(other):
        return one
    if one.kind == other.kind == "object" and one.obj is other.obj:
        return one
    if "state" in (one.kind, other.kind):
        return STATE
    if "config" in (one.kind, other.kind):
        return CONFIG
    shapes = one.shapes | other.shapes
    if not (one.shapes and other.shapes):
        # What is no dict of our own may yet be the same dict as one of ours.
        for shape in shapes:
            shape.add(None)
        shapes = frozenset()
    choices = one.texts | other.texts if one.texts is not None and other.texts is not None else None
    if one.kind == other.kind and one.code is other.code and one.kind != "object":
        return replace(
            one,
            fresh=one.fresh and other.fresh,
            typ=one.typ if one.typ == other.typ else None,
            shapes=shapes,
            items=None,
            choices=choices,
        )
    return Value("data", typ=one.typ if one.typ == other.typ else None, choices=choices)


def _is_none(value: Value) -> bool:
    # None has nothing to read, call or change: what holds for the other value holds for both.
    return value.kind == "object" and value.obj is None


def strip(typ: Any) -> Any:
    """The type without ``Annotated``, ``Required`` and ``Optional`` around it."""
    while True:
        origin = get_origin(typ)
        if origin in (Annotated, Required, NotRequired, typing.Final, typing.ClassVar):
            typ = get_args(typ)[0]
        elif origin in _UNIONS:
            options = [option for option in get_args(typ) if option is not type(None)]
            if len(options) != 1:
                return typ
            typ = options[0]
        else:
            return typ


_UNIONS = (typing.Union, type(int | str))


def plain_class(typ: Any) -> type | None:
    """The class behind a type, where it is one class."""
    typ = strip(typ)
    typ = get_origin(typ) or typ
    if typing.is_typeddict(typ):
        return dict
    return typ if isinstance(typ, type) else None


def element_of(typ: Any) -> Any:
    """The type of the elements of a sequence or set, of the keys of a mapping when iterated; None if not known."""
    typ = strip(typ)
    cls, arguments = plain_class(typ), get_args(typ)
    if cls is str or cls is Plain:
        return cls
    if cls is tuple and arguments and arguments[-1] is not Ellipsis:
        return arguments[0] if len(set(arguments)) == 1 else None
    return arguments[0] if arguments else None


def value_of(typ: Any, key: Any = None) -> Any:
    """The type of what indexing gives."""
    typ = strip(typ)
    if typing.is_typeddict(typ) and isinstance(key, str):
        return typing.get_type_hints(typ).get(key)
    arguments = get_args(typ)
    cls = plain_class(typ)
    if cls is Plain:
        return Plain
    if cls is dict and len(arguments) == 2:
        return arguments[1]
    return element_of(typ)


def field_of(typ: Any, name: str) -> Any:
    """The type of an attribute, where the class is plain data; None if not known."""
    cls = plain_class(typ)
    if cls is None:
        return None
    fields = getattr(cls, "model_fields", None)
    if isinstance(fields, dict) and name in fields:
        return fields[name].annotation
    if dataclasses.is_dataclass(cls) and any(field.name == name for field in dataclasses.fields(cls)):
        return typing.get_type_hints(cls).get(name)
    return None
