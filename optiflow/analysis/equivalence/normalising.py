"""Values of a run as JSON that is equal for two runs that did the same.

Kept: types, order, the identity of messages (two messages of one id stay so). Replaced: generated ids,
by a number in the order in which they are met. Dropped: memory addresses.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel

from optiflow.analysis.equivalence.observation import Json

__all__ = ["Normaliser", "generated_ids"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_GENERATED_ID = re.compile(rf"(?:(?:lc_)?run-{{1,2}})?{_UUID}(?:-\d+)?")
_UUID_ANYWHERE = re.compile(_UUID)
_EMPTY: tuple[Any, ...] = (None, [], {})
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_ELAPSED = re.compile(r"elapsed: [0-9.]+s")


def generated_ids(text: str) -> frozenset[str]:
    """Every UUID in a text: what a normaliser must leave alone because the user gave it."""
    return frozenset(_UUID_ANYWHERE.findall(text))


class Normaliser:
    """Turns values into JSON; one instance numbers identifiers consistently over all that it is given.

    Args:
        given: Identifiers that came in from outside, which are no accident and are kept.
        numbered: Whether generated ids are numbered. If not they are dropped: a reducer gives a message its id
            in place, so whether a message that is still under way has one yet is an accident of the run.
    """

    def __init__(self, given: frozenset[str] = frozenset(), *, numbered: bool = True) -> None:
        self._numbered = numbered
        self.given = given
        """Identifiers that are kept; may grow while values are given."""
        self._numbers: dict[str, int] = {}

    def message_id(self, identifier: str | None) -> str | None:
        """A message's id: a generated one as ``#1``, ``#2``… in the order met, the user's as it is."""
        if identifier is None or not _GENERATED_ID.fullmatch(identifier):
            return identifier
        if generated_ids(identifier) & self.given:
            return identifier
        if not self._numbered:
            return None
        return f"#{self._numbers.setdefault(identifier, len(self._numbers) + 1)}"

    def text(self, text: str) -> str:
        """A text of the framework's, such as an error message, without what is an accident of the run."""
        without_ids = _UUID_ANYWHERE.sub(lambda found: found[0] if found[0] in self.given else "#", text)
        return _ELAPSED.sub("elapsed", _ADDRESS.sub("", without_ids))

    def value(self, value: Any) -> Json:
        """Any value. Never raises: an object that is no data becomes its type and what it holds."""
        return self._value(value, ())

    def _value(self, value: Any, holders: tuple[int, ...]) -> Json:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | str) and not isinstance(value, enum.Enum):
            return str(value) if isinstance(value, str) else int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else {"~float": str(value)}
        if id(value) in holders:
            return {"~cycle": len(holders) - holders.index(id(value))}
        holders = (*holders, id(value))
        if isinstance(value, Mapping):
            return self._mapping(value, holders)
        if isinstance(value, bytes | bytearray):
            return {"~bytes": value.hex()}
        if type(value) is list:
            return [self._value(item, holders) for item in value]
        if isinstance(value, Set):
            return {f"~{type(value).__name__}": sorted((self._value(each, holders) for each in value), key=repr)}
        if isinstance(value, Sequence) and not hasattr(value, "_fields"):
            return {f"~{type(value).__name__}": [self._value(item, holders) for item in value]}
        return {f"~{type(value).__name__}": self._content(value, holders)}

    def _mapping(self, mapping: Mapping[Any, Any], holders: tuple[int, ...]) -> Json:
        return {
            key if isinstance(key, str) else f"~{type(key).__name__}:{key!r}": self._value(item, holders)
            for key, item in mapping.items()
        }

    def _content(self, value: Any, holders: tuple[int, ...]) -> Json:
        if isinstance(value, BaseMessage):
            held = {name: field for name, field in value if name not in ("type", "id") and field not in _EMPTY}
            return {"id": self.message_id(value.id)} | {k: self._value(v, holders) for k, v in held.items()}
        if isinstance(value, Interrupt):
            # Its id is a hash of the task's, which is made from the clock.
            return {"value": self._value(value.value, holders)}
        if isinstance(value, Send):
            return {"node": value.node, "arg": self._value(value.arg, holders)}
        if isinstance(value, Overwrite):
            return {"value": self._value(value.value, holders)}
        if isinstance(value, BaseException):
            return {"message": self.text(str(value))}
        if isinstance(value, enum.Enum):
            return value.name
        if isinstance(value, Command) or dataclasses.is_dataclass(value):
            return {f.name: self._value(getattr(value, f.name), holders) for f in dataclasses.fields(value)}
        if isinstance(value, BaseModel):
            return {name: self._value(item, holders) for name, item in value}
        if hasattr(value, "_fields"):
            return {name: self._value(getattr(value, name), holders) for name in value._fields}
        if hasattr(value, "__qualname__"):
            return f"{value.__module__}.{value.__qualname__}"
        attributes = getattr(value, "__dict__", None)
        return self._mapping(attributes, holders) if attributes else self.text(repr(value))
