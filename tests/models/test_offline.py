"""The offline chat model."""

from __future__ import annotations

import asyncio
import functools
import operator

import pytest
import tiktoken
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from optiflow.clock import VirtualClock
from optiflow.config.model import LatencyConfig
from optiflow.models.latency import call_latency
from optiflow.models.offline import OfflineChatModel

PROMPT = (
    "Sum up in at most 30 words.\n\n<note name='n'>\nnothing\n\nThe river rose in spring. It fell in the late autumn."
)
ANSWER = "The river rose in spring. It fell in the late autumn."
LAW = LatencyConfig(time_to_first_token_s=2.0, prefill_tokens_per_s=10, decode_tokens_per_s=5, jitter=0.2)


class NotedClock:
    """A clock that only writes down what is spent on it."""

    kind = "virtual"

    def __init__(self) -> None:
        self.spent: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.spent.append(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.spent.append(seconds)


@pytest.fixture
def clock() -> NotedClock:
    """The clock of the model."""
    return NotedClock()


@pytest.fixture
def model(clock: NotedClock) -> OfflineChatModel:
    """A slow model."""
    return OfflineChatModel(latency=LAW, clock=clock)


def law_says(message: AIMessage) -> float:
    """Seconds that the call has to take."""
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


def test_invoke_answers_and_spends_its_latency(model: OfflineChatModel, clock: NotedClock) -> None:
    """A synchronous call takes what the law says."""
    message = model.invoke(PROMPT)
    check(message)
    assert clock.spent == [law_says(message)]


async def test_ainvoke_answers_and_spends_its_latency(model: OfflineChatModel, clock: NotedClock) -> None:
    """An asynchronous call is the same call."""
    message = await model.ainvoke(PROMPT)
    check(message)
    assert clock.spent == [law_says(message)]


def test_stream_gives_the_same_word_by_word(model: OfflineChatModel, clock: NotedClock) -> None:
    """The chunks add up to the answer, its usage and its time, and the first takes the prefill."""
    chunks = list(model.stream(PROMPT))
    whole = functools.reduce(operator.add, chunks)
    check(whole)
    assert len(chunks) > 5
    assert sum(clock.spent) == pytest.approx(law_says(whole))
    assert clock.spent[0] > clock.spent[1] > 0


async def test_astream_gives_the_same_word_by_word(model: OfflineChatModel, clock: NotedClock) -> None:
    """Streaming without blocking is the same stream."""
    whole = functools.reduce(operator.add, [chunk async for chunk in model.astream(PROMPT)])
    check(whole)
    assert sum(clock.spent) == pytest.approx(law_says(whole))


def test_calls_overlap_on_a_virtual_clock() -> None:
    """Three calls at once take as long as one, for each spends its time without blocking the others."""
    clock = VirtualClock()
    model = OfflineChatModel(latency=LAW.model_copy(update={"time_to_first_token_s": 100.0}), clock=clock)

    async def ask() -> None:
        await asyncio.gather(*(model.ainvoke(PROMPT) for _ in range(3)))

    start = clock.time()
    clock.run(ask())
    assert 50 < clock.time() - start < 200


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
