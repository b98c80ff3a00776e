"""Values of a run as JSON that is equal for two runs that did the same.

Stricter than the normal form of a record: types, the classes of messages and the order of keys are kept. Ids drawn
at random become numbers, in the order in which they are met, so that two messages of one id stay so.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import Interrupt, Overwrite, Send
from pydantic import BaseModel

from optiflow.analysis.equivalence.observation import Json
from optiflow.record.normalise import RANDOM_ID, normalise

__all__ = ["Normaliser"]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_ELAPSED = re.compile(r"elapsed: [0-9.]+s")
_EMPTY: tuple[Any, ...] = (None, [], {})


class Normaliser:
    """Turns values into JSON; one instance numbers ids consistently over all that it is given.

    Args:
        given: Everything that came in from outside, as text: an id in it is no accident and is kept.
        numbered: Whether random ids are numbered. If not they are dropped: a reducer gives a message its id in
            place, so whether a message that is still under way has one yet is an accident of the run.
    """

    def __init__(self, given: str = "", *, numbered: bool = True) -> None:
        self.given = given
        """Everything that came in from outside; may grow while values are given."""
        self._numbered = numbered
        self._numbers: dict[str, int] = {}

    def identifier(self, identifier: str | None) -> str | None:
        """The id of a message or a tool call: a random one as ``#1``, ``#2``…, any other as it is."""
        if identifier is None or identifier in self.given or not RANDOM_ID.fullmatch(identifier):
            return identifier
        if not self._numbered:
            return None
        return f"#{self._numbers.setdefault(identifier, len(self._numbers) + 1)}"

    def text(self, text: str) -> str:
        """A text of the framework's, such as an error message, without what is an accident of the run."""
        without_ids = _UUID.sub(lambda found: found[0] if found[0] in self.given else "#", text)
        return _ELAPSED.sub("elapsed", _ADDRESS.sub("", without_ids))

    def value(self, value: Any) -> Json:
        """Any value: JSON as it is, everything else as its type and what it holds."""
        return self._value(value, ())

    def _value(self, value: Any, around: tuple[int, ...]) -> Json:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str | int) and not isinstance(value, Enum):
            return str(value) if isinstance(value, str) else int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"~float": str(value)}
        if id(value) in around:
            return {"~cycle": len(around) - around.index(id(value))}
        around = (*around, id(value))
        if isinstance(value, Mapping):
            return self._mapping(value, around)
        if type(value) is list:
            return [self._value(item, around) for item in value]
        return {f"~{type(value).__name__}": self._content(value, around)}

    def _mapping(self, mapping: Mapping[Any, Any], around: tuple[int, ...]) -> dict[str, Json]:
        return {
            key if isinstance(key, str) else f"~{type(key).__name__}:{key!r}": self._value(item, around)
            for key, item in mapping.items()
        }

    def _content(self, value: Any, around: tuple[int, ...]) -> Json:
        if isinstance(value, BaseMessage):
            return self._message(value, around)
        fields = _fields(value)
        if fields is not None:
            return self._mapping(fields, around)
        if isinstance(value, BaseException):
            return self.text(str(value))
        if isinstance(value, Set):
            return sorted((self._value(item, around) for item in value), key=repr)
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
            return [self._value(item, around) for item in value]
        if hasattr(value, "__qualname__"):
            return f"{value.__module__}.{value.__qualname__}"
        held = getattr(value, "__dict__", None)
        return self._mapping(held, around) if held and not isinstance(value, Enum) else normalise(value)

    def _message(self, message: BaseMessage, around: tuple[int, ...]) -> dict[str, Json]:
        held = {name: field for name, field in message if name not in ("type", "id") and field not in _EMPTY}
        fields: dict[str, Json] = {"id": self.identifier(message.id), **self._mapping(held, around)}
        if "tool_call_id" in held:
            fields["tool_call_id"] = self.identifier(held["tool_call_id"])
        for calls in ("tool_calls", "tool_call_chunks"):
            if calls in held:
                fields[calls] = [
                    self._mapping({**call, "id": self.identifier(call["id"])}, around) for call in held[calls]
                ]
        return fields


def _fields(value: Any) -> dict[str, Any] | None:
    """The named parts of an object that is made of such; None for any other."""
    if isinstance(value, Interrupt):
        # Its id is a hash of the task's, which is made from the clock.
        return {"value": value.value}
    if isinstance(value, Send):
        return {"node": value.node, "arg": value.arg}
    if isinstance(value, Overwrite):
        return {"value": value.value}
    if isinstance(value, BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return None
