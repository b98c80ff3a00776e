"""The offline chat model."""

from __future__ import annotations

import asyncio

import pytest
import tiktoken
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage

from optiflow.clock import VirtualClock
from optiflow.config.model import LatencyConfig
from optiflow.models.offline import OfflineChatModel

PROMPT = "Sum up in at most 30 words.\n\n<note name='n'>\nnothing\n\nThe river rose in spring. It fell in the late autumn."
ANSWER = "The river rose in spring. It fell in the late autumn."
LAW = LatencyConfig(time_to_first_token_s=2.0, prefill_tokens_per_s=10, decode_tokens_per_s=5, jitter=0.2)


@pytest.fixture
def model() -> OfflineChatModel:
    """A slow model on a clock of its own."""
    return OfflineChatModel(latency=LAW, clock=VirtualClock())


def spent(model: OfflineChatModel, message: AIMessage) -> float:
    """What the law says of a call."""
    from optiflow.models.latency import call_latency

    usage = message.usage_metadata
    assert usage is not None
    return call_latency(LAW, PROMPT, usage["input_tokens"], usage["output_tokens"]).total_s


def check(message: AIMessage) -> None:
    """The message has the answer, its real token counts and the model's name."""
    count = tiktoken.encoding_for_model("gpt-4o").encode
    assert message.text == ANSWER
    assert message.usage_metadata == {
        "input_tokens": len(count(PROMPT)),
        "output_tokens": len(count(ANSWER)),
        "total_tokens": len(count(PROMPT)) + len(count(ANSWER)),
    }
    assert message.response_metadata["model_name"] == "offline-extractive-1"


def test_invoke_answers_and_spends_its_latency(model: OfflineChatModel) -> None:
    """A synchronous call takes what the law says, on the model's clock."""
    start = model.clock.time()
    message = model.invoke(PROMPT)
    check(message)
    assert model.clock.time() - start == pytest.approx(spent(model, message), abs=0.5)


def test_ainvoke_answers_and_spends_its_latency(model: OfflineChatModel) -> None:
    """Concurrent calls overlap: three take as long as one."""

    async def ask() -> list[AIMessage]:
        return await asyncio.gather(*(model.ainvoke(PROMPT) for _ in range(3)))

    start = model.clock.time()
    messages = model.clock.run(ask())
    for message in messages:
        check(message)
    assert model.clock.time() - start == pytest.approx(spent(model, messages[0]), abs=0.5)


def test_stream_gives_the_same_word_by_word(model: OfflineChatModel) -> None:
    """The chunks add up to the answer, its usage and its time, and the first comes early."""
    start = model.clock.time()
    times: list[float] = []
    whole: AIMessageChunk | None = None
    for chunk in model.stream(PROMPT):
        times.append(model.clock.time() - start)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    check(whole)
    assert len(times) > 5
    assert times[0] < times[-1] / 2 + 3
    assert times[-1] == pytest.approx(spent(model, whole), abs=0.5)


def test_astream_gives_the_same_word_by_word(model: OfflineChatModel) -> None:
    """Streaming without blocking is the same stream."""

    async def ask() -> AIMessageChunk:
        chunks = [chunk async for chunk in model.astream(PROMPT)]
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return whole

    start = model.clock.time()
    whole = model.clock.run(ask())
    check(whole)
    assert model.clock.time() - start == pytest.approx(spent(model, whole), abs=0.5)


def test_all_messages_are_read() -> None:
    """A system message instructs, a human one brings the material."""
    model = OfflineChatModel(clock=VirtualClock())
    message = model.invoke([SystemMessage("Sum up in at most 6 words."), HumanMessage("The river rose in spring.")])
    assert message.text == "The river rose in spring."


def test_it_stops_where_it_is_told(model: OfflineChatModel) -> None:
    """Nothing comes behind a stop mark, and an answer may be empty then."""
    assert model.invoke(PROMPT, stop=["It"]).text == "The river rose in spring. "
    assert model.invoke(PROMPT, stop=["The"]).text == ""
    assert [chunk.text for chunk in model.stream(PROMPT, stop=["The"])] == [""]


def test_an_unknown_tokenizer_is_counted_approximately() -> None:
    """A model that tiktoken does not know is accounted with the usual encoding."""
    model = OfflineChatModel(tokenizer="no-such-model", clock=VirtualClock())
    usage = model.invoke(PROMPT).usage_metadata
    assert usage is not None
    assert usage["input_tokens"] == len(tiktoken.get_encoding("o200k_base").encode(PROMPT))


def test_its_identity_is_its_name_and_not_its_clock(model: OfflineChatModel) -> None:
    """Caches of answers may tell models apart by name; the clock does not show."""
    assert model._identifying_params == {"model_name": "offline-extractive-1"}
    assert model._llm_type == "optiflow-offline"
    assert "clock" not in model.model_dump()
