"""Messages that are encoded once, however many checkpoints they are part of.

A conversation is encoded whole for each checkpoint, and all but its last messages were in the checkpoint before. A
message's bytes are used again where everything that they depend on is as it was: its class, and all that it holds,
compared by value, so that a message that was changed in place is noticed.
"""

from __future__ import annotations

import marshal
import secrets
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core import messages as _messages
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

__all__ = ["EncodedMessages", "MessageSerializer", "encodes_plainly", "list_header"]

_CLASSES = frozenset(
    getattr(_messages, f"{kind}Message{chunk}")
    for kind in ("AI", "Chat", "Function", "Human", "System", "Tool")
    for chunk in ("", "Chunk")
)
"""Their ``model_dump`` is pydantic's, and says what their fields hold and nothing else; a subclass's may say more."""

_ATOMS = frozenset({str, int, float, bool, type(None)})

_VERSION = 2
"""The newest of marshal's formats that writes equal contents as equal bytes: later ones look at reference counts."""

_LIST_HEADER = 5
"""Bytes with which marshal introduces a list: its kind and its length."""

_MAX_CONVERSATIONS = 256
_MAX_BYTES = 64_000_000

_PLACE = secrets.token_bytes(16)
"""Stands in an encoded checkpoint where messages belong; nobody's state holds it."""


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The messages of one channel in its last checkpoint."""

    classes: list[type]
    texts: list[Any]
    """Their contents, where these are texts: one that is the same object need not be looked at."""
    held: bytes
    """What else they hold, one after another behind a header; where one ends can be told from its own bytes."""
    encoded: list[bytes]
    """The bytes that each is encoded to."""
    size: int
    """Bytes that this takes, near enough."""


class EncodedMessages:
    """The encoded messages of the channels that were written last, bounded in number and in bytes."""

    def __init__(self, max_conversations: int = _MAX_CONVERSATIONS, max_bytes: int = _MAX_BYTES) -> None:
        self._max_conversations = max_conversations
        self._max_bytes = max_bytes
        self._sizes = 0
        self._conversations: OrderedDict[Hashable, _Conversation] = OrderedDict()
        self._keeping = threading.Lock()

    def encode(self, messages: list[Any], serde: JsonPlusSerializer, key: Hashable) -> tuple[list[bytes], int] | None:
        """Encode a list of messages.

        Args:
            messages: Messages of LangChain's own classes.
            serde: What encodes them; `encodes_plainly` says which can be used.
            key: Where the list belongs: the messages that were there last are known.

        Returns:
            The parts that make up what ``serde`` encodes the list to, and how many of their bytes were known. None
            where a message holds what could be encoded in another way the next time.
        """
        classes = list(map(type, messages))
        if not _CLASSES.issuperset(classes):
            return None
        before = self._conversations.get(key, _NONE)
        try:
            texts, rests = _taken_apart(messages)
            held = marshal.dumps(rests, _VERSION)
            same = _common(before, classes, texts, rests, held)
        except (ValueError, AttributeError):
            return None
        fresh = [_encoded(each, serde) for each in messages[same:]]
        added = [each for each in fresh if each is not None]
        if len(added) < len(fresh):
            return None
        known = before.encoded[:same]
        reused = sum(map(len, known))
        if added or same < len(before.classes):
            # The texts are those of the messages: whoever keeps these keeps them.
            size = len(held) + reused + sum(map(len, added))
            self._keep(key, _Conversation(classes, texts, held, known + added, size))
        return [list_header(len(messages)), *known, *added], reused

    def _keep(self, key: Hashable, conversation: _Conversation) -> None:
        # Who is keeping another one may be this thread, which the collector has close a stream meanwhile.
        if not self._keeping.acquire(blocking=False):
            return
        try:
            replaced = self._conversations.pop(key, _NONE)
            self._conversations[key] = conversation
            self._sizes += conversation.size - replaced.size
            while len(self._conversations) > self._max_conversations or self._sizes > self._max_bytes:
                _, dropped = self._conversations.popitem(last=False)
                self._sizes -= dropped.size
        finally:
            self._keeping.release()


class MessageSerializer:
    """Encodes one checkpoint, whole or channel by channel, to the bytes that a `JsonPlusSerializer` encodes it to."""

    def __init__(
        self, serde: JsonPlusSerializer, known: EncodedMessages, place: Hashable, checkpoint: Mapping[str, Any]
    ) -> None:
        """Set up.

        Args:
            serde: The serializer of the saver.
            known: Messages that were encoded before.
            place: Where the checkpoint belongs: its thread and its namespace.
            checkpoint: What will be encoded.
        """
        self._serde = serde
        self._known = known
        self._place = place
        self._checkpoint = checkpoint
        self._channels = {
            id(value): channel
            for channel, value in checkpoint["channel_values"].items()
            if type(value) is list and value
        }
        self.reused = 0
        """How many bytes were known."""

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        """Encode the checkpoint, a value of it, or anything else."""
        if value is self._checkpoint:
            return self._whole()
        parts = self._parts(value)
        return ("msgpack", b"".join(parts)) if parts else self._serde.dumps_typed(value)

    def _parts(self, value: Any) -> list[bytes] | None:
        channel = self._channels.get(id(value))
        if channel is None:
            return None
        encoded = self._known.encode(value, self._serde, (self._place, channel))
        if encoded is None:
            return None
        parts, reused = encoded
        self.reused += reused
        return parts

    def _whole(self) -> tuple[str, bytes]:
        values = dict(self._checkpoint["channel_values"])
        lists: list[list[bytes]] = []
        for channel, value in values.items():
            if parts := self._parts(value):
                lists.append(parts)
                values[channel] = _PLACE
        if not lists:
            return self._serde.dumps_typed(self._checkpoint)
        kind, frame = self._serde.dumps_typed({**self._checkpoint, "channel_values": values})
        # 0xc4 and the length introduce up to 255 bytes in MessagePack.
        first, *others = frame.split(bytes((0xC4, len(_PLACE))) + _PLACE)
        pieces = [first]
        for parts, after in zip(lists, others, strict=True):
            pieces += parts
            pieces.append(after)
        return kind, b"".join(pieces)


def encodes_plainly(serde: object) -> bool:
    """Whether a serializer is LangGraph's own, whose bytes depend on nothing but the values."""
    return type(serde) is JsonPlusSerializer and not serde.pickle_fallback and "dumps_typed" not in vars(serde)


_NONE = _Conversation([], [], bytes(_LIST_HEADER), [], 0)


def _taken_apart(messages: list[Any]) -> tuple[list[Any], list[Any]]:
    """The texts of messages, and all else that they hold.

    Raises:
        AttributeError: Something is no message as pydantic makes it.
    """
    texts: list[Any] = []
    rests: list[Any] = []
    for message in messages:
        fields = message.__dict__
        text = fields.get("content")
        if type(text) is str:
            fields = {**fields, "content": None}
        else:
            text = None
        texts.append(text)
        rests.append((fields, message.__pydantic_extra__))
    return texts, rests


def _common(before: _Conversation, classes: list[type], texts: list[Any], rests: list[Any], held: bytes) -> int:
    """How many messages from the first on are as they were.

    Bytes are equal only for equal contents and types, in the same order.

    Raises:
        ValueError: A message holds more than plain builtins.
    """
    high = min(len(classes), len(before.classes))
    if (
        before.classes[:high] == classes[:high]
        and before.texts[:high] == texts[:high]
        and (_begins(held, before.held) if high == len(before.classes) else _begins(before.held, held))
    ):
        return high
    start = _LIST_HEADER
    for number in range(high):
        part = marshal.dumps(rests[number], _VERSION)
        if (
            before.classes[number] is not classes[number]
            or before.texts[number] != texts[number]
            or not before.held.startswith(part, start)
        ):
            return number
        start += len(part)
    return high


def _begins(held: bytes, first: bytes) -> bool:
    """Whether some messages hold what others do, and maybe there are more of them; nothing is copied."""
    return held.startswith(memoryview(first)[_LIST_HEADER:], _LIST_HEADER)


def _encoded(message: Any, serde: JsonPlusSerializer) -> bytes | None:
    """A message's bytes, or None where they might be others the next time."""
    if not _plain(message.__dict__) or not _plain(message.__pydantic_extra__):
        return None
    try:
        # A message of which pydantic has to warn is encoded, and warned of, each time.
        message.model_dump(warnings="error")
        return serde.dumps_typed(message)[1]
    except Exception:  # noqa: BLE001 - encoding the checkpoint fails in the same way, as it does in LangGraph
        return None


def _plain(value: Any) -> bool:
    """Whether a value is made of nothing but plain builtins, so that equal contents are encoded alike."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        return all(type(key) is str and _plain(part) for key, part in value.items())
    return kind is list and all(map(_plain, value))


def list_header(length: int) -> bytes:
    """How MessagePack introduces a list (https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family)."""
    if length < 1 << 4:
        return bytes((0x90 | length,))
    return b"\xdc" + length.to_bytes(2, "big") if length < 1 << 16 else b"\xdd" + length.to_bytes(4, "big")
