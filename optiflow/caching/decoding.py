"""Trees that `optiflow.caching.encoding` made, as values again; nothing is imported on the word of a stored value."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack
from langchain_core.messages.base import TextAccessor
from pydantic import BaseModel

from optiflow.caching.message_ids import NewIds

__all__ = ["CorruptError", "Decoder"]

Tree = Any


class CorruptError(Exception):
    """Bytes that are no value of ours."""


class Decoder:
    """Makes the values of one stored tree.

    Args:
        classes: The only classes that are made, by their paths.
        ids: What the ids are now that stood for something else.
    """

    def __init__(self, classes: Mapping[str, type], ids: NewIds) -> None:
        self._classes = classes
        self._ids = ids

    def value(self, tree: Tree) -> Any:
        """One value."""
        if type(tree) is not list:
            return tree
        kind, *parts = tree
        return _DECODERS[kind](self, *parts)

    def packed(self, parts: Iterable[bytes]) -> Iterable[Any]:
        """The elements of a set."""
        return [self.value(ormsgpack.unpackb(part)) for part in parts]

    def mapping(self, pairs: Iterable[tuple[Tree, Tree]]) -> dict[Any, Any]:
        """A dict."""
        return {self.value(key): self.value(each) for key, each in pairs}

    def zone(self, tree: Tree) -> dt.tzinfo | None:
        """A time zone."""
        if tree is None:
            return None
        if isinstance(tree, str):
            return ZoneInfo(tree)
        offset, name = dt.timedelta(microseconds=tree[0]), tree[1]
        plain = dt.timezone(offset)
        return plain if plain.tzname(None) == name else dt.timezone(offset, name)

    def cls(self, path: str, base: type) -> Any:
        """A class by its path."""
        found = self._classes.get(path)
        if found is None or not issubclass(found, base):
            raise CorruptError(f"names the class {path!r}, which is not known here")
        return found

    def model(self, path: str, fields: Tree, extra: Tree, given: Tree, **more: Any) -> Any:
        """An instance of a pydantic model."""
        cls = self.cls(path, BaseModel)
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", {**self.mapping(fields), **more})
        object.__setattr__(made, "__pydantic_fields_set__", {*given, *more} if more.get("id") is not None else {*given})
        allows_extra = cls.model_config.get("extra") == "allow"
        object.__setattr__(made, "__pydantic_extra__", self.mapping(extra) if allows_extra else None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    def message(self, path: str, message_id: Tree, *model: Tree) -> Any:
        """A message."""
        return self.model(path, *model, id=self.value(message_id))

    def dataclass(self, path: str, fields: Tree) -> Any:
        """An instance of a dataclass."""
        cls = self.cls(path, object)
        made = object.__new__(cls)
        for name, each in self.mapping(fields).items():
            object.__setattr__(made, name, each)
        return made


_DECODERS: dict[str, Callable[..., Any]] = {
    "int": lambda decoder, text: int(text),
    "list": lambda decoder, *parts: [decoder.value(part) for part in parts],
    "tuple": lambda decoder, *parts: tuple(decoder.value(part) for part in parts),
    "dict": lambda decoder, *pairs: decoder.mapping(pairs),
    "set": lambda decoder, *parts: set(decoder.packed(parts)),
    "frozenset": lambda decoder, *parts: frozenset(decoder.packed(parts)),
    "accessor": lambda decoder, text: TextAccessor(text),
    "bytearray": lambda decoder, content: bytearray(content),
    "complex": lambda decoder, real, imaginary: complex(real, imaginary),
    "Decimal": lambda decoder, text: Decimal(text),
    "UUID": lambda decoder, content: UUID(bytes=content),
    "date": lambda decoder, text: dt.date.fromisoformat(text),
    "time": lambda decoder, text, fold, zone: dt.time.fromisoformat(text).replace(fold=fold, tzinfo=decoder.zone(zone)),
    "datetime": lambda decoder, text, fold, zone: dt.datetime.fromisoformat(text).replace(
        fold=fold, tzinfo=decoder.zone(zone)
    ),
    "timedelta": lambda decoder, *parts: dt.timedelta(*parts),
    "enum": lambda decoder, path, name: decoder.cls(path, enum.Enum)[name],
    "message": Decoder.message,
    "model": Decoder.model,
    "dataclass": Decoder.dataclass,
    "named": lambda decoder, path, *parts: decoder.cls(path, tuple)._make(map(decoder.value, parts)),
    "given id": lambda decoder, number: decoder._ids.given[number],
    "made id": lambda decoder, number: decoder._ids.made(number),
}  # fmt: skip
