"""A run's final state as JSON: the same state gives the same text in every process."""

from __future__ import annotations

import base64
import dataclasses
import enum
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr

from optiflow.record.redact import MASK

__all__ = ["RANDOM_ID", "digest", "first_difference", "normalise"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
RANDOM_ID = re.compile(
    r"(?:lc_run-|lc_run--|run-|run--|call_|toolu_|chatcmpl-|msg_|resp_|gen-|tool_)?"
    r"(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?:-\d+)?|[0-9a-fA-F]{32}|[0-9A-Za-z]{20,})"
)
"""The id of a message or a tool call that was drawn at random."""
_LONGEST_SHOWN = 60


def normalise(state: object) -> Any:
    """Turn a final state into JSON values.

    A message keeps its role, content, name, tool calls and the id of the call that it answers; ids of
    messages and tool calls that look random become ``id-1``, ``id-2`` … in the order in which they occur.
    Sets are sorted; an object of unknown type becomes its type and its repr without memory addresses; what
    contains itself becomes ``"<cycle>"``.
    """
    return _Normaliser().value(state)


def digest(normalised: object) -> str:
    """SHA-256 (hex) of JSON values, independent of the order of keys."""
    text = json.dumps(normalised, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def first_difference(a: object, b: object, path: str = "$") -> str | None:
    """Where two trees of JSON values first differ, as ``path: one != other``; None if they are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            inside = f"{path}.{key}"
            if key not in a or key not in b:
                return f"{inside}: {_shown(a, key)} != {_shown(b, key)}"
            if difference := first_difference(a[key], b[key], inside):
                return difference
        return None
    if isinstance(a, list) and isinstance(b, list):
        for index, (left, right) in enumerate(zip(a, b, strict=False)):
            if difference := first_difference(left, right, f"{path}[{index}]"):
                return difference
        return None if len(a) == len(b) else f"{path}: {len(a)} items != {len(b)} items"
    if type(a) is type(b) and a == b:
        return None
    if isinstance(a, str) and isinstance(b, str):
        start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        cut = max(0, start - _LONGEST_SHOWN // 3)
        place = f" from character {cut}" if cut else ""
        return f"{path}{place}: {_short(a[cut:])} != {_short(b[cut:])}"
    return f"{path}: {_short(a)} != {_short(b)}"


class _Normaliser:
    """One walk over one state; remembers the ids that it has named and the containers that it is in."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._inside: set[int] = set()

    def value(self, value: object) -> Any:
        if isinstance(value, str) and not isinstance(value, enum.Enum):
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        if value is None or (isinstance(value, bool | int) and not isinstance(value, enum.Enum)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else f"<{value}>"
        simple = _simple(value)
        if simple is not None:
            return simple
        if id(value) in self._inside:
            return "<cycle>"
        self._inside.add(id(value))
        try:
            return self._container(value)
        finally:
            self._inside.discard(id(value))

    def _container(self, value: object) -> Any:
        if _is_message(value):
            return self._message(value)
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return self.value({**fields, **(value.model_extra or {})})
        if type(value).__name__ == "Interrupt" and hasattr(value, "id"):
            return {"interrupt": self.value(getattr(value, "value", None)), "id": self._id(value.id)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.value({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        if isinstance(value, Mapping):
            return {
                key if isinstance(key, str) else f"<{_stable_repr(key)}>": self.value(item)
                for key, item in value.items()
            }
        if isinstance(value, Set):
            return sorted((self.value(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        if isinstance(value, Sequence):
            return [self.value(item) for item in value]
        if callable(getattr(value, "tolist", None)):
            return {"array": self.value(value.tolist())}  # type: ignore[attr-defined]
        return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "repr": _stable_repr(value)}

    def _message(self, message: Any) -> dict[str, Any]:
        normal: dict[str, Any] = {"role": message.type, "content": self._content(message.content)}
        if message.id is not None:
            normal["id"] = self._id(message.id)
        if message.name:
            normal["name"] = message.name
        if calls := getattr(message, "tool_calls", None):
            normal["tool_calls"] = [
                {"name": call["name"], "args": self.value(call["args"]), "id": self._id(call["id"])} for call in calls
            ]
        if answers := getattr(message, "tool_call_id", None):
            normal["tool_call_id"] = self._id(answers)
        if getattr(message, "status", "success") != "success":
            normal["status"] = message.status
        return normal

    def _content(self, content: object) -> Any:
        if isinstance(content, list):
            return [
                {key: self._id(item) if key == "id" else self.value(item) for key, item in block.items()}
                if isinstance(block, dict)
                else self.value(block)
                for block in content
            ]
        return self.value(content)

    def _id(self, identifier: object) -> Any:
        if not isinstance(identifier, str) or not RANDOM_ID.fullmatch(identifier):
            return identifier
        return self._ids.setdefault(identifier, f"id-{len(self._ids) + 1}")


def _simple(value: object) -> Any:
    """The JSON form of a value that has no parts; None if it has."""
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return {"seconds": value.total_seconds()}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, UUID | Decimal | PurePath):
        return str(value)
    return None


def _is_message(value: object) -> bool:
    # By shape, so that reading and writing records needs no LangChain.
    names = {base.__name__ for base in type(value).__mro__}
    return "BaseMessage" in names and hasattr(value, "content")


def _stable_repr(value: object) -> str:
    return _ADDRESS.sub("", repr(value))


def _shown(tree: Mapping[str, object], key: str) -> str:
    return _short(tree[key]) if key in tree else "(absent)"


def _short(value: object) -> str:
    text = _stable_repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
