"""Messages that are encoded once, however many checkpoints they are part of.

A conversation is encoded whole for each checkpoint, and all but its last messages were in the checkpoint before. A
message's bytes are used again where everything that they depend on is as it was: its class, and all that it holds,
compared byte by byte, so that a message that was changed in place is noticed.
"""

from __future__ import annotations

import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

import ormsgpack
from langchain_core import messages as _messages
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

__all__ = ["EncodedMessages", "encodes_plainly"]

_CLASSES = frozenset(
    getattr(_messages, f"{kind}Message{chunk}")
    for kind in ("AI", "Chat", "Function", "Human", "System", "Tool")
    for chunk in ("", "Chunk")
)
"""Their ``model_dump`` is pydantic's, and says what their fields hold and nothing else; a subclass's may say more."""

_ATOMS = frozenset({str, int, float, bool, type(None)})

_MARSHAL_VERSION = 2
"""The newest that writes equal contents as equal bytes: later ones look at reference counts and interning."""

_held: Callable[[Any], tuple[object, ...]] = attrgetter("__dict__", "__pydantic_extra__")

_MAX_CONVERSATIONS = 256
_MAX_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The messages of one channel in its last checkpoint."""

    classes: Sequence[type]
    held: Sequence[bytes | None]
    """What each message holds; None for one that is encoded each time."""
    encoded: Sequence[Any]
    """Each message's bytes as a fragment; the message itself where they can't be used again."""
    size: int


class EncodedMessages:
    """The encoded messages of the channels that were written last, bounded in number and in bytes."""

    def __init__(self, max_conversations: int = _MAX_CONVERSATIONS, max_bytes: int = _MAX_BYTES) -> None:
        self._max_conversations = max_conversations
        self._max_bytes = max_bytes
        self._bytes = 0
        self._conversations: OrderedDict[Hashable, _Conversation] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(
        self, values: Mapping[str, Any], serde: JsonPlusSerializer, place: Hashable
    ) -> tuple[dict[str, Any], int]:
        """Replace messages by their bytes where these are known.

        Args:
            values: The values of a checkpoint by channel, which stay as they are.
            serde: What encodes them; `encodes_plainly` says which can be used.
            place: Where the checkpoint belongs, such as its thread and namespace.

        Returns:
            Values that ``serde`` encodes to the same bytes, and how many of these were known.
        """
        prepared = dict(values)
        reused = 0
        for channel, value in values.items():
            if type(value) is list and value and _CLASSES.issuperset(map(type, value)):
                prepared[channel], known = self._messages(value, serde, (place, channel))
                reused += known
        return prepared, reused

    def _messages(self, messages: list[Any], serde: JsonPlusSerializer, key: Hashable) -> tuple[list[Any], int]:
        classes = list(map(type, messages))
        held = _contents(messages)
        with self._lock:
            before = self._conversations.get(key)
        same = _common(before, classes, held) if before else 0
        encoded: list[Any] = [*before.encoded[:same]] if before else []
        reused = sum(len(part) for part in held[:same] if part)
        for number in range(same):
            if held[number] is None:
                encoded[number] = messages[number]
        for number in range(same, len(messages)):
            fragment = None if held[number] is None else _fragment(messages[number], serde)
            if fragment is None:
                held[number] = None
            encoded.append(messages[number] if fragment is None else fragment)
        # The caller's list must not keep messages alive, and fragments are all that is used again.
        kept = [part if held[number] is not None else None for number, part in enumerate(encoded)]
        self._keep(key, _Conversation(classes, held, kept, 2 * sum(len(part) for part in held if part)))
        return encoded, reused

    def _keep(self, key: Hashable, conversation: _Conversation) -> None:
        with self._lock:
            replaced = self._conversations.pop(key, None)
            self._bytes += conversation.size - (replaced.size if replaced else 0)
            self._conversations[key] = conversation
            while len(self._conversations) > self._max_conversations or self._bytes > self._max_bytes:
                _, dropped = self._conversations.popitem(last=False)
                self._bytes -= dropped.size


def encodes_plainly(serde: object) -> bool:
    """Whether a serializer is LangGraph's own, whose bytes depend on nothing but the values."""
    return type(serde) is JsonPlusSerializer and not serde.pickle_fallback and "dumps_typed" not in vars(serde)


def _contents(messages: Sequence[Any]) -> list[bytes | None]:
    """All that each message holds, as bytes that are equal only for equal contents of equal builtin types."""
    dumps = marshal.dumps
    try:
        return [dumps(each, _MARSHAL_VERSION) for each in map(_held, messages)]
    except (ValueError, AttributeError):
        return [_content(message) for message in messages]


def _content(message: Any) -> bytes | None:
    try:
        return marshal.dumps(_held(message), _MARSHAL_VERSION)
    except (ValueError, AttributeError):
        return None


def _common(before: _Conversation, classes: Sequence[type], held: Sequence[bytes | None]) -> int:
    """How many messages from the first on are as they were."""
    high = min(len(held), len(before.held))
    if before.classes[:high] == classes[:high] and before.held[:high] == held[:high]:
        return high
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if before.classes[low:middle] == classes[low:middle] and before.held[low:middle] == held[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _fragment(message: Any, serde: JsonPlusSerializer) -> Any:
    """A message's bytes, or None where they might be others the next time."""
    if not _plain(message.__dict__) or not _plain(message.__pydantic_extra__):
        return None
    try:
        # A message of which pydantic has to warn is encoded, and warned of, each time.
        message.model_dump(warnings="error")
        return ormsgpack.Fragment(serde.dumps_typed(message)[1])
    except Exception:  # noqa: BLE001 - encoding the checkpoint fails in the same way, as LangGraph does
        return None


def _plain(value: Any) -> bool:
    """Whether a value is made of nothing but plain builtins, so that equal contents are encoded alike."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        return all(type(key) is str and _plain(part) for key, part in cast("dict[Any, Any]", value).items())
    return kind is list and all(map(_plain, value))
