"""Answers kept for later runs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import add_messages

from optiflow.caching.backends.base import Backend, Limits, open_backend
from optiflow.caching.backends.memory import MemoryBackend
from optiflow.caching.calls import activate
from optiflow.caching.calls.responses import NAMESPACE
from optiflow.clock import VirtualClock
from optiflow.models.offline import OfflineChatModel


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """Places that differ in whether they may keep an event loop waiting."""
    url = f"sqlite:///{tmp_path / 'cache.sqlite'}" if request.param == "sqlite" else None
    backend = open_backend(request.param, url, Limits())
    yield backend
    backend.close()


async def streamed(model: Any, *args: Any) -> list[Any]:
    """All chunks of an answer."""
    return [chunk async for chunk in model.astream("hi", *args)]


def entries(store: Backend) -> int:
    """How many answers are kept."""
    return sum(held.entries for held in store.statistics())


async def ask(model: Any, way: str) -> list[Any]:
    """The parts of an answer, asked for in one of four ways."""
    if way == "invoke":
        return [await asyncio.to_thread(model.invoke, "hi")]
    if way == "ainvoke":
        return [await model.ainvoke("hi")]
    if way == "stream":
        return await asyncio.to_thread(lambda: list(model.stream("hi")))
    return await streamed(model)


@pytest.mark.parametrize("merge", ["deterministic", "none"])
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_later_run_asks_nobody(provider: Any, store: Backend, kind: str, way: str, merge: Any) -> None:
    """The same answer comes again, with its usage, in the same chunks, under new ids; what it saves is counted."""
    with activate(merge, store) as first:
        before = await ask(provider.model(kind, temperature=0), way)
    with activate(merge, store) as second:
        after = await ask(provider.model(kind, temperature=0), way)
        again = await ask(provider.model(kind, temperature=0), way)
    assert len(provider.requests) == 1
    for later in (after, again):
        assert [(one.content, one.usage_metadata, one.response_metadata) for one in later] == [
            (one.content, one.usage_metadata, one.response_metadata) for one in before
        ]
    assert len({before[-1].id, after[-1].id, again[-1].id}) == 3
    assert (
        len(add_messages([HumanMessage("hi")], [AIMessage(one.content, id=one.id) for one in (after[0], again[0])]))
        == 3
    )
    assert (first.misses, first.hits, second.misses, second.hits) == (1, 0, 0, 2)
    assert second.figures()["tokens_saved"] >= 2 * 3
    assert second.figures()["usd_saved"] > 0


async def test_only_deterministic_answers_are_kept(provider: Any) -> None:
    """Unless all calls may be merged."""
    store = MemoryBackend(Limits())
    with activate("deterministic", store) as statistics:
        model = provider.openai(temperature=0.5)
        assert (await model.ainvoke("hi")).content != (await model.ainvoke("hi")).content
    assert (entries(store), statistics.not_deterministic) == (0, 2)
    with activate("all", store) as statistics:
        assert (await model.ainvoke("hi")).content == (await model.ainvoke("hi")).content
    assert statistics.hits == 1


async def test_model_that_shall_not_be_cached(answering: Any) -> None:
    """A model whose user wants no cache is merged in flight and no more."""
    store = MemoryBackend(Limits())
    with activate("deterministic", store) as statistics:
        model = answering.model(cache=False)
        await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
    assert (entries(store), statistics.merged) == (0, 1)


async def test_failures_and_halves_are_not_kept(answering: Any) -> None:
    """Only whole answers are."""
    store = MemoryBackend(Limits())
    answering.failures = {1: ValueError("x"), 2: ValueError("y")}
    answering.fails_after = 1
    with activate("deterministic", store):
        model = answering.model()
        with pytest.raises(ValueError, match="x"):
            await model.ainvoke("hi")
        with pytest.raises(ValueError, match="y"):
            await streamed(model)
        reader = model.astream("hi")
        await anext(reader)
        await reader.aclose()
        threaded = model.stream("hi")
        next(threaded)
        threaded.close()
    assert entries(store) == 0


async def test_damaged_entry_is_a_miss(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked anew."""
    from optiflow.caching.entry import sealed

    store = MemoryBackend(Limits())
    keys: list[str] = []
    put = store.put
    monkeypatch.setattr(store, "put", lambda namespace, key, value: (keys.append(key), put(namespace, key, value)))
    with activate("deterministic", store) as statistics:
        model = answering.model()
        await model.ainvoke("hi")
        put(NAMESPACE, keys[0], b"damaged")
        await model.ainvoke("hi")
        put(NAMESPACE, keys[0], sealed(b"\x05", keys[0]))
        await model.ainvoke("hi")
        await model.ainvoke("hi")
    assert answering.requests == 3
    assert (statistics.misses, statistics.hits) == (3, 1)


async def test_answer_that_can_not_be_kept(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given and not kept."""
    plain = answering.result

    def result(number: int) -> Any:
        made = plain(number)
        made.generations[0].message.additional_kwargs["parsed"] = threading.Lock()
        return made

    monkeypatch.setattr(answering, "result", result)
    store = MemoryBackend(Limits())
    with activate("deterministic", store):
        assert (await answering.model().ainvoke("hi")).content == "answer 1"
    assert entries(store) == 0


async def test_request_that_can_not_be_compared(answering: Any) -> None:
    """It is neither merged nor kept."""
    store = MemoryBackend(Limits())
    with activate("deterministic", store):
        model = answering.model().bind(tool=iter(()))
        await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
        await asyncio.gather(streamed(model), streamed(model))
        await asyncio.to_thread(lambda: list(model.stream("hi")))
    assert (answering.requests, entries(store)) == (5, 0)


async def test_offline_model_of_another_run() -> None:
    """The offline model's clock is a run's own, its answers are not."""
    store = MemoryBackend(Limits())
    answers = []
    for _ in range(2):
        with activate("deterministic", store) as statistics:
            answers.append(await OfflineChatModel(clock=VirtualClock()).ainvoke("One fact. Another fact."))
    assert answers[0].content == answers[1].content
    assert answers[0].usage_metadata == answers[1].usage_metadata
    assert statistics.hits == 1
    assert statistics.figures()["usd_saved"] == 0


async def test_tokens_of_a_kept_answer_are_heard(answering: Any) -> None:
    """Callbacks hear of a kept stream what they heard of the first."""

    class Hearing(BaseCallbackHandler):
        run_inline = True

        def __init__(self) -> None:
            self.heard: list[Any] = []

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            self.heard.append(token)

    store = MemoryBackend(Limits())
    heard = [Hearing() for _ in range(2)]
    for each in heard:
        with activate("deterministic", store):
            await streamed(answering.model(), {"callbacks": [each]})
    assert heard[0].heard == heard[1].heard == ["answer ", "1", ""]
    assert answering.requests == 1
