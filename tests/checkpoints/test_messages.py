"""Messages are encoded once, and to LangGraph's bytes whatever happens to them."""

from __future__ import annotations

import copy
import warnings
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from optiflow.checkpoints.messages import EncodedMessages, MessageSerializer, encodes_plainly, list_header

SERDE = JsonPlusSerializer()

atoms = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5)
contents = st.recursive(
    atoms | st.binary(max_size=3) | st.frozensets(st.integers(0, 3)) | st.uuids(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def made(kind: str, text: str, extra: Any) -> BaseMessage:
    """A message of some kind that holds something."""
    if kind == "ai":
        call = {"name": "search", "args": {"query": extra}, "id": text, "type": "tool_call"}
        return AIMessage(text, additional_kwargs={"extra": extra}, tool_calls=[call], id=text)
    if kind == "tool":
        return ToolMessage(text, tool_call_id="1", artifact=extra)
    if kind == "human":
        return HumanMessage([{"type": "text", "text": text}], response_metadata={"extra": extra})
    if kind == "more":
        return ChatMessage(text, role="critic", more=extra)
    return SystemMessage(text)


messages = st.builds(made, st.sampled_from(["ai", "tool", "human", "more", "system"]), st.text(max_size=8), contents)


def append(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """The usual step."""
    conversation.append(message)


def insert(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """Put a message somewhere."""
    conversation.insert(place, message)


def drop(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """Take a message away."""
    del conversation[place : place + 1]


def change(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """Change a message in place, deep inside."""
    if conversation:
        conversation[place % len(conversation)].additional_kwargs["extra"] = value


def reorder(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """Give a message's contents another order."""
    if conversation:
        held = conversation[place % len(conversation)].additional_kwargs
        for key in reversed(list(held)):
            held[key] = held.pop(key)


def extend(conversation: list[Any], message: BaseMessage, value: Any, place: int) -> None:
    """Give a message an attribute that its class does not have."""
    if conversation:
        conversation[place % len(conversation)].more = value


steps = st.tuples(
    st.sampled_from([append, append, insert, drop, change, reorder, extend]), messages, contents, st.integers(0, 5)
)


def encoded(serde: Any, value: Any) -> tuple[str, Any]:
    """What a value is encoded to, or why it isn't."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return serde.dumps_typed(value)
        except Exception as error:  # noqa: BLE001 - compared
            return "failed", (type(error), str(error))


def checkpoint(**values: Any) -> dict[str, Any]:
    """A checkpoint of these channels."""
    return {"v": 4, "id": "1", "channel_values": values, "channel_versions": dict.fromkeys(values, 1)}


@settings(max_examples=150, deadline=None)
@given(st.lists(messages, max_size=4), st.lists(steps, max_size=6))
def test_the_bytes_are_langgraphs(start: list[BaseMessage], changes: list[Any]) -> None:
    """Checkpoint after checkpoint, whole and by channel, whatever is done to the messages in between."""
    whole, by_channel = EncodedMessages(), EncodedMessages()
    conversation = list(start)
    for change_, message, value, place in [(drop, None, None, 99), *changes]:
        change_(conversation, message, value, place)
        state = checkpoint(messages=conversation, before="x", copy=list(conversation[:2]), after=[value])
        expected = encoded(SERDE, state)
        assert encoded(MessageSerializer(SERDE, whole, "t", state), state) == expected
        serializer = MessageSerializer(SERDE, by_channel, "t", state)
        for part in state["channel_values"].values():
            assert encoded(serializer, part) == encoded(SERDE, part)


def known_after(conversation: list[Any], change_: Any = None) -> int:
    """How many bytes of a conversation are known when it comes again, perhaps changed."""
    known = EncodedMessages()
    first = checkpoint(messages=conversation)
    MessageSerializer(SERDE, known, "t", first).dumps_typed(first)
    again = list(conversation)
    if change_:
        change_(again)
    second = checkpoint(messages=again)
    serializer = MessageSerializer(SERDE, known, "t", second)
    assert serializer.dumps_typed(second) == SERDE.dumps_typed(second)
    return serializer.reused


def test_what_was_encoded_is_used_again() -> None:
    """All of it where nothing changed, up to the first change otherwise; a copy is as good as the message itself."""
    conversation = [made("ai", str(number), {"k": [number]}) for number in range(20)]
    everything = known_after(conversation)
    assert everything == sum(len(SERDE.dumps_typed(message)[1]) for message in conversation)
    assert known_after(conversation, lambda again: again.append(made("human", "x", 1))) == everything
    assert known_after(conversation, lambda again: again.pop()) < everything
    assert known_after(conversation, lambda again: again.__setitem__(0, copy.deepcopy(again[0]))) == everything
    assert 0 < known_after(conversation, lambda again: again.pop(10)) < everything
    assert known_after(conversation, lambda again: again.pop(0)) == 0


@pytest.mark.parametrize("value", [True, 1.0, -0.0, "1"])
def test_an_equal_value_of_another_type_is_another(value: Any) -> None:
    """What Python calls equal is encoded differently."""
    message = made("ai", "x", 1 if value else 0.0)
    assert known_after([message], lambda again: again[0].additional_kwargs.update(extra=value)) == 0


def test_another_class_is_another() -> None:
    """Messages of two classes may hold the same."""

    def chunk(again: list[Any]) -> None:
        again[0] = AIMessageChunk.model_construct(**again[0].__dict__)

    assert known_after([AIMessage("x")], chunk) == 0


@pytest.mark.parametrize(
    "conversation",
    [
        [ToolMessage("x", tool_call_id="1", artifact={1, 2})],
        [ToolMessage("x", tool_call_id="1", artifact=UUID(int=1))],
        [ToolMessage("x", tool_call_id="1", artifact={1: "a key that is no text"})],
        [RemoveMessage(id="1")],
        ["no message"],
        [HumanMessage("x"), ("human", "y")],
        [],
    ],
    ids=lambda conversation: type(conversation[0]).__name__ if conversation else "empty",
)
def test_what_may_be_encoded_in_another_way_is_encoded_each_time(conversation: list[Any]) -> None:
    """Other classes than LangChain's own, and contents beside plain builtins."""
    assert known_after(conversation) == 0


def test_a_message_of_which_pydantic_warns_is_warned_of_each_time() -> None:
    """A wrong value that was set by hand is LangGraph's to tell about."""
    message = AIMessage("x")
    message.content = 5  # type: ignore[assignment]
    state, known = checkpoint(messages=[message]), EncodedMessages()
    for _ in range(2):
        with pytest.warns(UserWarning, match="Pydantic serializer warnings"):
            MessageSerializer(SERDE, known, "t", state).dumps_typed(state)


def test_what_is_kept_is_bounded() -> None:
    """In conversations and in bytes; the one that was not written for longest goes first."""
    size = 2 * len(SERDE.dumps_typed(AIMessage("x" * 1000))[1])
    for bounds in ({"max_conversations": 2}, {"max_bytes": size * 2}):
        known = EncodedMessages(**bounds)
        for number in range(5):
            state = checkpoint(messages=[AIMessage("x" * 1000)])
            MessageSerializer(SERDE, known, number, state).dumps_typed(state)
        again = {}
        for number in (4, 0):
            serializer = MessageSerializer(SERDE, known, number, state)
            serializer.dumps_typed(state)
            again[number] = serializer.reused
        assert again[4] > 0 == again[0]


@pytest.mark.parametrize("length", [1, 15, 16, 65_535, 65_536])
def test_lists_of_any_length(length: int) -> None:
    """The three ways in which MessagePack introduces a list."""
    assert list_header(length) + b"\xc0" * length == SERDE.dumps_typed([None] * length)[1]


def test_only_langgraphs_own_serializer_is_known() -> None:
    """One that could fall back to pickle, encrypts, is a subclass or was changed is asked for every value."""

    class Own(JsonPlusSerializer):
        pass

    changed = JsonPlusSerializer()
    changed.dumps_typed = lambda value: ("null", b"")  # type: ignore[method-assign]
    assert encodes_plainly(JsonPlusSerializer().with_msgpack_allowlist([("a", "B")]))
    assert encodes_plainly(JsonPlusSerializer(allowed_msgpack_modules=[("a", "B")]))
    for other in (
        JsonPlusSerializer(pickle_fallback=True),
        Own(),
        changed,
        EncryptedSerializer.__new__(EncryptedSerializer),
    ):
        assert not encodes_plainly(other)
