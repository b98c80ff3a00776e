"""Tests of counting tokens and of the seams at which toggles change it."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
import tiktoken

from optiflow.monitor import collect
from optiflow.tokens import count_tokens, count_tokens_async
from optiflow.tokens.counting import NaiveCounter, use_counter, use_offload
from optiflow.tokens.encodings import use_shipped_rank_files

MODEL = "gpt-4o"


class Recorder:
    """A counter that knows the texts it was told, and notes on which thread it counts."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.threads: list[str] = []

    def count(self, text: str, model: str) -> int:
        """The number of characters."""
        self.threads.append(threading.current_thread().name)
        return len(text)

    def holds(self, text: str, model: str) -> bool:
        """Whether the text is known."""
        return text in self.known


@pytest.fixture(autouse=True)
def _tokenizer_is_built() -> None:
    use_shipped_rank_files()
    tiktoken.get_encoding("o200k_base")


def test_the_default_counts_as_tiktoken_does() -> None:
    """By default the whole text is encoded with the model's encoding."""
    text = "Counting tokens, <|endoftext|> included. " * 50
    assert count_tokens(text, MODEL) == len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))
    assert count_tokens(text, "gpt-4") == len(tiktoken.get_encoding("cl100k_base").encode_ordinary(text))
    assert not NaiveCounter().holds(text, MODEL)


def test_an_unknown_model_is_counted_as_o200k() -> None:
    """A model that tiktoken does not know is counted with the fallback."""
    assert count_tokens("hello world", "somebody's-model") == count_tokens("hello world", MODEL)


def test_looked_up_on_every_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The naive counter asks tiktoken for the encoding each time."""
    asked = []
    plain = tiktoken.encoding_for_model
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda model: asked.append(model) or plain(model))
    for _ in range(3):
        count_tokens("hello", MODEL)
    assert asked == [MODEL] * 3


def test_a_counter_is_active_in_its_block() -> None:
    """The active counter counts, the default one before and after."""
    with use_counter(Recorder()):
        assert count_tokens("hello world", MODEL) == 11
    assert count_tokens("hello world", MODEL) == 2


async def test_without_offload_counting_is_inline() -> None:
    """The asynchronous function falls back to the calling thread."""
    recorder = Recorder()
    with use_counter(recorder):
        assert await count_tokens_async("x" * 100_000, MODEL) == 100_000
    assert recorder.threads == [threading.current_thread().name]


async def test_long_unknown_texts_go_to_a_thread() -> None:
    """From the threshold on a text leaves the loop, unless its count is known."""
    known = "k" * 20
    recorder = Recorder(known)
    with use_counter(recorder), use_offload(10) as offload:
        assert await count_tokens_async("x" * 9, MODEL) == 9
        assert await count_tokens_async("x" * 10, MODEL) == 10
        assert await count_tokens_async(known, MODEL) == 20
    inline = threading.current_thread().name
    assert recorder.threads[0] == recorder.threads[2] == inline
    assert recorder.threads[1].startswith("optiflow-tokens")
    assert (offload.offloaded, offload.inline) == (1, 2)


async def test_a_tokenizer_that_is_not_built_is_built_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first count, which builds the tokenizer, leaves the loop however short the text is."""
    monkeypatch.setattr("optiflow.tokens.counting.is_built", lambda _encoding: False)
    recorder = Recorder()
    with use_counter(recorder), use_offload(10**6):
        await count_tokens_async("short", MODEL)
    assert recorder.threads[0].startswith("optiflow-tokens")


async def test_counting_in_threads_is_right_and_measured() -> None:
    """Concurrent counts in threads give the plain counts, and each is one token operation."""
    texts = [f"text number {number} " * 40 for number in range(20)]
    plain = [count_tokens(text, MODEL) for text in texts]
    with collect() as monitor, use_offload(0) as offload:
        counted = await asyncio.gather(*(count_tokens_async(text, MODEL) for text in texts))
    assert counted == plain
    assert offload.offloaded == 20
    (row,) = monitor.report()
    assert (row.operation, row.count) == ("token_operations", 20)


async def test_a_failing_count_fails_its_caller() -> None:
    """An error in the thread is raised to who counts."""
    with use_offload(0), pytest.raises(TypeError):
        await count_tokens_async([1, 2], MODEL)  # type: ignore[arg-type]


async def test_after_its_block_counting_goes_on_inline() -> None:
    """Whoever outlives the block in a copy of its context still counts."""
    recorder = Recorder()
    with use_counter(recorder), use_offload(0) as offload:
        context = contextvars.copy_context()
    late = asyncio.get_running_loop().create_task(count_tokens_async("late", MODEL), context=context)
    assert await late == 4
    assert recorder.threads == [threading.current_thread().name]
    assert offload.inline == 1
