"""Values as bytes: canonically, to compare them across processes, and faithfully, to make them again. Never pickle.

Both are MessagePack. What MessagePack does not know is an array whose first element names its kind; what has no kind
here is refused with `UncacheableError`, never guessed. Canonically, dicts and sets have no order; faithfully, classes
are looked up among those that were named beforehand, and nothing is ever imported on the word of a stored value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack
from langchain_core import messages
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.messages.base import TextAccessor
from pydantic import BaseModel

from optiflow.caching.decoding import CorruptError, Decoder
from optiflow.caching.message_ids import InputIds, NewIds, StoredIds

__all__ = ["MESSAGES", "Codec", "CorruptError", "UncacheableError", "canonical", "class_path"]

Tree = Any
"""What MessagePack knows."""

MESSAGES: tuple[type, ...] = (
    *{cls for cls in vars(messages).values() if isinstance(cls, type) and issubclass(cls, BaseMessage)},
    Document,
)
"""Classes that are known without being named."""

_NESTED_TOO_DEEP = (RecursionError, ormsgpack.MsgpackEncodeError, OverflowError)


class UncacheableError(Exception):
    """A value that can't be compared or kept; the text says what."""


def class_path(cls: type) -> str:
    """By which a class is named in a stored value."""
    return f"{cls.__module__}:{cls.__qualname__}"


def canonical(value: Any, ids: InputIds | None = None) -> bytes:
    """Bytes that are the same for equal values, in every process, and differ for different ones.

    Args:
        value: The value; values of different types are different.
        ids: Notes the messages' random ids, which count only by where they recur; None: they count as they are.

    Raises:
        UncacheableError: Some part has no canonical form.
    """
    return _packed(_Canonical(ids).tree(value))


class Codec:
    """Makes bytes of values, and the values again.

    Args:
        classes: Pydantic models, dataclasses, named tuples and enums that values may hold, beside LangChain's messages.
    """

    def __init__(self, classes: Iterable[type] = ()) -> None:
        self._classes = {class_path(cls): cls for cls in (*MESSAGES, *classes)}

    def encode(self, value: Any, ids: StoredIds | None = None) -> bytes:
        """The value as bytes.

        Args:
            value: The value.
            ids: Which messages' ids stand for something else; None: they are kept as they are.

        Raises:
            UncacheableError: Some part is of a class that is not known.
        """
        return _packed(_Faithful(self._classes, ids).tree(value))

    def decode(self, stored: bytes, ids: NewIds | None = None) -> Any:
        """The value, made anew.

        Args:
            stored: What `encode` gave.
            ids: What the ids are now that stood for something else.

        Raises:
            CorruptError: The bytes are none of `encode`, or name a class that is not known here.
        """
        try:
            return Decoder(self._classes, ids or NewIds(())).value(ormsgpack.unpackb(stored))
        except CorruptError:
            raise
        except Exception as error:
            raise CorruptError(f"{type(error).__name__}: {error}") from error


def _packed(tree: Tree) -> bytes:
    try:
        return ormsgpack.packb(tree)
    except (TypeError, *_NESTED_TOO_DEEP) as error:
        raise UncacheableError(str(error)) from error


class _Encoder:
    """What canonical and faithful encoding have in common."""

    def tree(self, value: Any) -> Tree:
        cls = type(value)
        method = _METHODS.get(cls)
        try:
            if method is not None:
                return method(self, value)
            if isinstance(value, enum.Enum):
                return ["enum", self.named(cls), value.name]
            if isinstance(value, BaseMessage):
                return ["message", self.named(cls), self.message_id(value.id), *self.model(value, but="id")]
            if isinstance(value, BaseModel):
                return ["model", self.named(cls), *self.model(value)]
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return ["dataclass", self.named(cls), self.fields(value)]
            if isinstance(value, tuple) and hasattr(cls, "_fields"):
                return ["named", self.named(cls), *map(self.tree, value)]
        except RecursionError:
            raise UncacheableError("a value that contains itself, or nests too deep") from None
        raise UncacheableError(f"a {cls.__module__}.{cls.__qualname__}")

    def named(self, cls: type) -> str:
        """How a class is named."""
        return class_path(cls)

    def message_id(self, message_id: str | None) -> Tree:
        """What stands for a message's id."""
        raise NotImplementedError

    def text(self, value: str) -> Tree:
        return value

    def mapping(self, value: Mapping[Any, Any]) -> Tree:
        """The entries of a dict."""
        raise NotImplementedError

    def model(self, value: BaseModel, but: str = "") -> list[Tree]:
        """Fields and extra values of a pydantic model."""
        if value.__pydantic_private__:
            raise UncacheableError(f"a {type(value).__qualname__} with private attributes")
        known = type(value).model_fields
        fields = {name: each for name, each in vars(value).items() if name in known and name != but}
        return [self.mapping(fields), self.mapping(value.__pydantic_extra__ or {}), self.given(value, but)]

    def given(self, value: BaseModel, but: str) -> Tree:
        """Which fields were given rather than left to their defaults."""
        return sorted(value.model_fields_set - {but})

    def fields(self, value: Any) -> Tree:
        """Fields of a dataclass."""
        fields = {
            each.name: getattr(value, each.name) for each in dataclasses.fields(value) if hasattr(value, each.name)
        }
        if getattr(value, "__dict__", fields).keys() - fields.keys():
            raise UncacheableError(f"a {type(value).__qualname__} with more than its fields")
        return self.mapping(fields)


class _Canonical(_Encoder):
    def __init__(self, ids: InputIds | None) -> None:
        self._ids = ids

    def message_id(self, message_id: str | None) -> Tree:
        return message_id if self._ids is None or message_id is None else self._ids.note(message_id)

    def mapping(self, value: Mapping[Any, Any]) -> Tree:
        keys = sorted(((_packed(self.tree(key)), key) for key in value), key=lambda pair: pair[0])
        return [[packed, self.tree(value[key])] for packed, key in keys]

    def given(self, value: BaseModel, but: str) -> Tree:
        # Equal models are equal whoever filled their fields.
        return None


class _Faithful(_Encoder):
    def __init__(self, classes: Mapping[str, type], ids: StoredIds | None) -> None:
        self._classes = classes
        self._ids = ids

    def named(self, cls: type) -> str:
        path = class_path(cls)
        if self._classes.get(path) is not cls:
            raise UncacheableError(f"a {cls.__module__}.{cls.__qualname__}, which the state's schema does not name")
        return path

    def message_id(self, message_id: str | None) -> Tree:
        return message_id if self._ids is None or message_id is None else self._ids.stands_for(message_id)

    def text(self, value: str) -> Tree:
        # A node may keep the id of a message that it was given, apart from the message.
        return value if self._ids is None else self._ids.input_of(value)

    def mapping(self, value: Mapping[Any, Any]) -> Tree:
        return [[self.tree(key), self.tree(each)] for key, each in value.items()]


def _datetime(encoder: _Encoder, value: dt.datetime) -> Tree:
    return ["datetime", value.replace(tzinfo=None).isoformat(), value.fold, _zone(value.tzinfo)]


def _zone(zone: dt.tzinfo | None) -> Tree:
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        # The name is kept too: it is printed.
        return [zone.utcoffset(None) / dt.timedelta(microseconds=1), zone.tzname(None)]
    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    raise UncacheableError(f"the time zone {zone!r}")


def _unordered(encoder: _Encoder, value: Iterable[Any]) -> list[bytes]:
    return sorted(_packed(encoder.tree(each)) for each in value)


_METHODS: dict[type, Callable[[Any, Any], Tree]] = {
    type(None): lambda encoder, value: value,
    bool: lambda encoder, value: value,
    float: lambda encoder, value: value,
    bytes: lambda encoder, value: value,
    str: lambda encoder, value: encoder.text(value),
    int: lambda encoder, value: value if -(2**63) <= value < 2**64 else ["int", str(value)],
    list: lambda encoder, value: ["list", *map(encoder.tree, value)],
    tuple: lambda encoder, value: ["tuple", *map(encoder.tree, value)],
    dict: lambda encoder, value: ["dict", *encoder.mapping(value)],
    set: lambda encoder, value: ["set", *_unordered(encoder, value)],
    frozenset: lambda encoder, value: ["frozenset", *_unordered(encoder, value)],
    bytearray: lambda encoder, value: ["bytearray", bytes(value)],
    # What ``message.text`` gives: a text that may be called.
    TextAccessor: lambda encoder, value: ["accessor", str(value)],
    complex: lambda encoder, value: ["complex", value.real, value.imag],
    Decimal: lambda encoder, value: ["Decimal", str(value)],
    UUID: lambda encoder, value: ["UUID", value.bytes],
    dt.date: lambda encoder, value: ["date", value.isoformat()],
    dt.time: lambda encoder, value: [
        "time", value.replace(tzinfo=None).isoformat(), value.fold, _zone(value.tzinfo)
    ],
    dt.datetime: _datetime,
    dt.timedelta: lambda encoder, value: ["timedelta", value.days, value.seconds, value.microseconds],
}  # fmt: skip
