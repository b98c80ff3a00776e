"""Answers for several callers."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseCallbackHandler, CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from optiflow.caching.calls.parts import AsyncRecorder, Part, Recorder, Token, decode, encode, fresh, messages_of
from optiflow.caching.encoding import Codec, CorruptError, UncacheableError

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "input_token_details": {"cache_read": 1}}


def result(text: str = "a", **more: object) -> Part:
    """A whole answer."""
    message = AIMessage(text, id="msg_1", usage_metadata=USAGE, additional_kwargs=more)
    return Part(ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": "m"}))


def chunk(text: str = "a") -> Part:
    """A chunk of a stream, with what callbacks were told."""
    made = ChatGenerationChunk(
        message=AIMessageChunk(text, id="chatcmpl-1", tool_call_chunks=[]), generation_info={"finish_reason": "stop"}
    )
    return Part(made, [(text, {"chunk": made, "other": 1}), ("", {})])


def test_fresh_copies_have_no_ids_and_share_nothing() -> None:
    """What is told of a chunk stays the chunk that is given."""
    for part in (result(), chunk()):
        copied = fresh(part)
        assert [message.id for message in messages_of([copied])] == [None]
        assert all(message.id for message in messages_of([part]))
        next(iter(messages_of([copied]))).additional_kwargs["mark"] = 1
        assert all("mark" not in message.additional_kwargs for message in messages_of([part]))
    copied = fresh(chunk())
    assert copied.tokens[0][1]["chunk"] is copied.content


@given(st.lists(st.text(max_size=5), max_size=4), st.booleans())
def test_kept_answers_come_back(texts: list[str], streamed: bool) -> None:
    """What is kept is what was answered, but for the ids."""
    parts = [chunk(text) if streamed else result(text) for text in texts] + [Part(None, [("last", {})])]
    again = decode(encode(parts))
    assert again == [fresh(part) for part in parts]
    assert [type(part.content) for part in again] == [type(part.content) for part in parts]


def test_what_can_not_be_kept() -> None:
    """An object in an answer is refused."""
    with pytest.raises(UncacheableError):
        encode([result(parsed=object())])


@pytest.mark.parametrize("stored", [b"", b"\xc1", Codec().encode(5), Codec().encode([1]), Codec().encode([(1, 2, 3)])])
def test_what_is_no_answer(stored: bytes) -> None:
    """Bytes of something else are noticed."""
    with pytest.raises(CorruptError):
        decode(stored)


class Hearing(BaseCallbackHandler):
    """Notes tokens."""

    run_inline = True

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_llm_new_token(self, token: str, **kwargs: object) -> None:
        self.heard.append(token)


@pytest.mark.parametrize("tells", [True, False])
async def test_recorders(tells: bool) -> None:
    """They note what a model tells, and pass it on where it is to be heard now."""
    hearing = Hearing()
    settings = {"run_id": uuid4(), "handlers": [hearing], "inheritable_handlers": [], "tags": ["t"]}
    tokens: list[Token] = []
    plain, plain_async = CallbackManagerForLLMRun(**settings), AsyncCallbackManagerForLLMRun(**settings)
    recorder = Recorder(plain, tokens, tells=tells)
    assert (recorder.run_id, recorder.tags) == (plain.run_id, ["t"])
    recorder.on_llm_new_token("a", chunk=None)
    recorder_async = AsyncRecorder(plain_async, tokens, tells=tells)
    await recorder_async.on_llm_new_token("b")
    recorder_async.get_sync().on_llm_new_token("c")
    assert tokens == [("a", {"chunk": None}), ("b", {}), ("c", {})]
    assert hearing.heard == (["a", "b", "c"] if tells else [])
