"""Model calls of a run, through LangChain, with real clients and with models that wait to be told."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.tracers._streaming import _V2StreamingCallbackHandler
from langgraph.graph import END, START, MessagesState, StateGraph

from optiflow.caching.calls import CallStatistics, activate
from optiflow.caching.calls.activation import _SURROUNDING, _current

KINDS = ("openai", "anthropic")


def waiting() -> int:
    """How many callers wait for the requests of others."""
    calls = _current.get()
    assert calls is not None
    flights = sum(flight.followers for flight in list(calls._flights._flights.values()))
    streams = (*calls._streams._streams.values(), *calls._async_streams._streams.values())
    return flights + sum(stream.readers - 1 for stream in streams)


def in_threads(count: int, work: Callable[[], Any], meanwhile: Callable[[], Any]) -> list[Any]:
    """Do the same in many threads, all of this context."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(copy_context().run, work) for _ in range(count)]
        meanwhile()
        return [future.result() for future in futures]


class Heard(BaseCallbackHandler):
    """Notes what callbacks hear."""

    run_inline = True

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.ids: list[str | None] = []
        self.tokens: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.events["start"] += 1

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.events["token"] += 1
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.events["end"] += 1
        self.ids.append(response.generations[0][0].message.id)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.events["error"] += 1


async def streamed(model: Any, text: str = "hi", **kwargs: Any) -> list[BaseMessage]:
    """All chunks of an answer."""
    return [chunk async for chunk in model.astream(text, **kwargs)]


# With the providers' own clients.


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("kind", KINDS)
async def test_concurrent_equal_calls_are_one_request(provider: Any, kind: str, count: int) -> None:
    """However many ask the same at once, each gets a message of his own and has his own events."""
    heard = Heard()
    with activate("deterministic") as statistics:
        calls = (
            provider.model(kind, temperature=0).ainvoke("hi", {"callbacks": [heard]}, stop=["x"]) for _ in range(count)
        )
        answers = await asyncio.gather(*calls)
    assert len(provider.requests) == 1
    assert {answer.content for answer in answers} == {"answer 1"}
    assert len({answer.id for answer in answers}) == count
    assert set(heard.ids) == {answer.id for answer in answers}
    assert heard.events == {"start": count, "end": count}
    assert {str(answer.usage_metadata) for answer in answers} == {str(answers[0].usage_metadata)}
    figures = statistics.figures()
    assert figures["calls_merged"] == count - 1
    assert figures["tokens_saved"] == 14 * (count - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_share_a_request(provider: Any, answering: Any, kind: str) -> None:
    """So it is in threads."""
    provider.gate.clear()

    def release() -> None:
        answering.until(lambda: waiting() == 19)
        provider.gate.set()

    with activate("deterministic"):
        model = provider.model(kind, temperature=0)
        answers = in_threads(20, lambda: model.invoke("hi"), release)
    assert len(provider.requests) == 1
    assert len({answer.id for answer in answers}) == 20


@pytest.mark.parametrize("kind", KINDS)
async def test_streams_share_a_request(provider: Any, kind: str) -> None:
    """Each reader gets the chunks as they came, under the id of his own run, and hears his own tokens."""
    plain = await streamed(provider.model(kind, temperature=0))
    heard = [Heard() for _ in range(10)]
    provider.requests.clear()
    with activate("deterministic") as statistics:
        bound = provider.model(kind).bind(temperature=0)
        answers = await asyncio.gather(*(streamed(bound, config={"callbacks": [one]}) for one in heard))
    assert len(provider.requests) == 1
    for one, answer in zip(heard, answers, strict=True):
        assert [chunk.content for chunk in answer] == [chunk.content for chunk in plain]
        assert len({chunk.id for chunk in answer}) == len({chunk.id for chunk in plain})
        assert one.tokens == [chunk.content for chunk in answer]
        assert one.events["end"] == 1
    assert len({answer[-1].id for answer in answers}) == 10
    assert statistics.merged == 9


@pytest.mark.parametrize("kind", KINDS)
async def test_sampled_calls_are_left_alone(provider: Any, kind: str) -> None:
    """Where answers are meant to differ, every call is a request, as it is told to be."""
    with activate("deterministic") as statistics:
        model = provider.model(kind, temperature=0.7)
        answers = await asyncio.gather(*(model.ainvoke("hi") for _ in range(5)))
        await asyncio.gather(*(streamed(model) for _ in range(5)))
    assert len({answer.content for answer in answers}) == 5
    assert len(provider.requests) == 10
    assert statistics.figures()["calls_not_deterministic"] == 10


async def test_all_merges_all(provider: Any) -> None:
    """Unless the user says that they need not differ."""
    with activate("all") as statistics:
        model = provider.openai(temperature=0.7)
        await asyncio.gather(*(model.ainvoke("hi") for _ in range(5)))
    assert len(provider.requests) == 1
    assert statistics.figures()["calls_not_deterministic"] == 0


async def test_none_merges_nothing(provider: Any) -> None:
    """Nothing is merged where nothing shall be."""
    with activate("none") as statistics:
        model = provider.openai(temperature=0)
        await asyncio.gather(*(model.ainvoke("hi") for _ in range(3)))
    assert len(provider.requests) == 3
    assert set(statistics.figures().values()) == {0}


async def test_different_calls_stay_different(provider: Any) -> None:
    """Another question, tool, account or model is another request."""
    models = [
        provider.openai(temperature=0),
        provider.openai(temperature=0, api_key="another"),
        provider.openai(temperature=0, model="gpt-4o"),
        provider.openai(temperature=0).bind_tools([{"name": "t", "description": "d", "parameters": {}}]),
        provider.openai(temperature=0).bind(stop=["x"]),
    ]
    with activate("deterministic"):
        await asyncio.gather(*(model.ainvoke("hi") for model in models), models[0].ainvoke("ho"))
    assert len(provider.requests) == 6


async def test_later_equal_call_is_another_request(provider: Any) -> None:
    """Only what is in flight is merged."""
    with activate("deterministic") as statistics:
        model = provider.openai(temperature=0)
        assert (await model.ainvoke("hi")).content == "answer 1"
        assert (await model.ainvoke("hi")).content == "answer 2"
        assert len(await streamed(model)) == len(await streamed(model))
    assert len(provider.requests) == 4
    assert statistics.merged == 0


async def test_failure_of_the_provider(provider: Any) -> None:
    """It hits the call whose request failed; another one asks for the rest."""
    provider.failures = [500]
    with activate("deterministic"):
        model = provider.openai(temperature=0)
        answers = await asyncio.gather(*(model.ainvoke("hi") for _ in range(10)), return_exceptions=True)
    assert len(provider.requests) == 2
    assert sum(isinstance(answer, Exception) for answer in answers) == 1


async def test_structured_output(provider: Any) -> None:
    """A request for an answer of some form is merged with its equals, and its own parser reads the answer."""
    schema = {"title": "T", "type": "object", "properties": {"text": {"type": "string"}}}
    with activate("deterministic"):
        model = provider.openai(temperature=0).with_structured_output(schema, include_raw=True, method="json_mode")
        answers = await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
    assert len(provider.requests) == 1
    assert answers[0]["raw"].id != answers[1]["raw"].id


# In graphs.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["messages", "events"])
async def test_tokens_of_a_graph(provider: Any, kind: str, way: str) -> None:
    """Two nodes that ask the same at once: one request, two messages, and each node's tokens in the stream."""
    model = provider.model(kind, temperature=0)
    final: list[Any] = []

    async def node(state: MessagesState) -> dict[str, Any]:
        answer = await model.ainvoke("hi")
        final.append(answer.id)
        return {"messages": [answer]}

    builder = StateGraph(MessagesState)
    for name in ("a", "b"):
        builder.add_node(name, node)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    graph = builder.compile()

    async def tokens() -> dict[str, list[tuple[str, str | None]]]:
        seen: dict[str, list[tuple[str, str | None]]] = {"a": [], "b": []}
        if way == "messages":
            async for message, metadata in graph.astream({"messages": []}, stream_mode="messages"):
                seen[metadata["langgraph_node"]].append((message.text, message.id))
        else:
            async for event in graph.astream_events({"messages": []}, version="v2"):
                if event["event"] == "on_chat_model_stream":
                    chunk = event["data"]["chunk"]
                    seen[event["metadata"]["langgraph_node"]].append((chunk.text, chunk.id))
        return seen

    plain = await tokens()
    provider.requests.clear()
    final.clear()
    with activate("deterministic") as statistics:
        merged = await tokens()
    assert len(provider.requests) == 1
    assert statistics.merged == 1
    assert len(set(final)) == 2
    for name in ("a", "b"):
        assert [bool(text) for text, _ in merged[name]] == [bool(text) for text, _ in plain[name]]
        assert len({id_ for _, id_ in merged[name]}) == len({id_ for _, id_ in plain[name]}) == 1
    assert [text for text, _ in merged["a"]] == [text for text, _ in merged["b"]]


class Events(BaseCallbackHandler, _V2StreamingCallbackHandler):
    """Hears LangChain's newer protocol."""

    run_inline = True

    def __init__(self) -> None:
        self.events: list[str] = []
        self.tokens: list[str] = []

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:
        self.events.append(event["event"])

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(token)


async def test_protocol_events(answering: Any) -> None:
    """Handlers of the newer protocol hear the same events of a call that follows as of one that asks."""
    plain = Events()
    expected = await answering.model().ainvoke("hi", {"callbacks": [plain]})
    heard = [Events() for _ in range(4)]
    with activate("deterministic"):
        model = answering.model()
        answers = await asyncio.gather(*(model.ainvoke("hi", {"callbacks": [each]}) for each in heard[:2]))
        assert answering.requests == 2
        answering.allowed = 0

        def release() -> None:
            answering.until(lambda: waiting() == 1)
            answering.allowed = 9

        pool = iter(heard[2:])
        answers += await asyncio.to_thread(
            in_threads, 2, lambda: model.invoke("hi", {"callbacks": [next(pool)]}), release
        )
        assert answering.requests == 3
    assert plain.tokens
    for each in heard:
        assert each.events == plain.events
        assert len(each.tokens) == len(plain.tokens)
    assert [len(answer.content) for answer in answers] == [len(expected.content)] * 4


async def test_tokens_after_the_last_chunk(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model tells its callbacks at the very end is heard by all too."""
    cls = type(answering.model())
    plain, plain_async = cls._stream, cls._astream

    def stream(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        yield from plain(self, messages, stop, None, **kwargs)
        run_manager.on_llm_new_token("end")

    async def astream(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        async for chunk in plain_async(self, messages, stop, None, **kwargs):
            yield chunk
        await run_manager.on_llm_new_token("end")

    monkeypatch.setattr(cls, "_stream", stream)
    monkeypatch.setattr(cls, "_astream", astream)
    heard = [Events() for _ in range(4)]
    with activate("deterministic"):
        model = answering.model()
        await asyncio.gather(*(model.ainvoke("hi", {"callbacks": [each]}) for each in heard[:2]))
        for each in heard[2:]:
            await asyncio.to_thread(model.invoke, "hi", {"callbacks": [each]})
    assert [each.tokens for each in heard] == [["end"]] * 4
    assert answering.requests == 3


# Who asks, who waits, who fails.


async def test_cancelled_leader(answering: Any) -> None:
    """Another one asks; nobody else is cancelled."""
    answering.allowed = 0
    with activate("deterministic"):
        model = answering.model()
        leader, *others = (asyncio.create_task(model.ainvoke("hi")) for _ in range(4))
        await answering.until_async(lambda: waiting() == 3)
        leader.cancel()
        await answering.until_async(lambda: answering.requests == 2 and waiting() == 2)
        answering.allowed = 9
        answers = await asyncio.gather(*others)
    assert leader.cancelled()
    assert {answer.content for answer in answers} == {"answer 2"}


async def test_cancelled_follower(answering: Any) -> None:
    """Nobody else notices."""
    answering.allowed = 0
    with activate("deterministic") as statistics:
        model = answering.model()
        tasks = [asyncio.create_task(model.ainvoke("hi")) for _ in range(3)]
        await answering.until_async(lambda: waiting() == 2)
        tasks[1].cancel()
        answering.allowed = 9
        answers = await asyncio.gather(tasks[0], tasks[2])
    assert [answer.content for answer in answers] == ["answer 1"] * 2
    assert answering.requests == 1
    assert statistics.merged == 1


async def test_each_failure_hits_one_call(answering: Any) -> None:
    """Requests that fail again and again fail for their own callers, and nobody waits in line for long."""
    answering.failures = {number: ValueError(number) for number in range(1, 8)}
    with activate("deterministic"):
        model = answering.model()
        answers = await asyncio.gather(*(model.ainvoke("hi") for _ in range(10)), return_exceptions=True)
    failures = [str(answer) for answer in answers if isinstance(answer, ValueError)]
    assert sorted(failures) == [str(number) for number in range(1, 8)]
    assert answering.requests == 10


def test_failures_in_threads(answering: Any) -> None:
    """So it is in threads."""
    answering.allowed = 0
    answering.failures = {number: ValueError(number) for number in range(1, 4)}

    def call() -> Any:
        try:
            return model.invoke("hi")
        except ValueError as error:
            return error

    def release() -> None:
        answering.until(lambda: waiting() == 9)
        answering.allowed = 9

    with activate("deterministic"):
        model = answering.model()
        answers = in_threads(10, call, release)
    failures = [str(answer) for answer in answers if isinstance(answer, ValueError)]
    assert sorted(failures) == ["1", "2", "3"]


async def test_threads_and_loops_at_once(answering: Any) -> None:
    """Nobody waits for good, whoever comes from where, and all are answered."""
    answering.allowed = 0

    def on_another_loop() -> Any:
        return asyncio.run(model.ainvoke("hi"))

    with activate("deterministic"):
        model = answering.model()
        calls = [model.ainvoke("hi") for _ in range(5)]
        calls += [asyncio.to_thread(model.invoke, "hi") for _ in range(5)]
        calls += [asyncio.to_thread(on_another_loop) for _ in range(3)]
        tasks = [asyncio.create_task(call) for call in calls]
        await answering.until_async(lambda: answering.requests > 0)
        answering.allowed = 9
        answers = await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert len({answer.id for answer in answers}) == 13
    assert answering.requests <= 13


async def test_coroutine_follows_a_thread(answering: Any) -> None:
    """A request that a thread makes answers coroutines too; a thread does not wait for a coroutine's."""
    answering.allowed = 0
    with activate("deterministic") as statistics:
        model = answering.model()
        thread = asyncio.create_task(asyncio.to_thread(model.invoke, "hi"))
        await answering.until_async(lambda: answering.requests == 1)
        follower = asyncio.create_task(model.ainvoke("hi"))
        await answering.until_async(lambda: waiting() == 1)
        answering.allowed = 9
        assert (await thread).content == (await follower).content == "answer 1"
        answering.allowed = 0
        leader = asyncio.create_task(model.ainvoke("ho"))
        await answering.until_async(lambda: answering.requests == 2)
        thread = asyncio.create_task(asyncio.to_thread(model.invoke, "ho"))
        await answering.until_async(lambda: answering.requests == 3)
        answering.allowed = 9
        assert {(await leader).content, (await thread).content} == {"answer 2", "answer 3"}
    assert statistics.merged == 1


async def test_synchronous_call_on_a_loop_waits_for_nobody(answering: Any) -> None:
    """The one that it would wait for may need this very loop."""
    with activate("deterministic"):
        model = answering.model()
        answering.allowed = 0
        thread = asyncio.create_task(asyncio.to_thread(lambda: (model.invoke("hi"), list(model.stream("hi")))))
        await answering.until_async(lambda: answering.requests == 1)
        answering.allowed = 9
        model.invoke("hi")
        assert len(list(model.stream("hi"))) == 3
        await thread
    assert answering.requests == 4


def test_model_that_asks_a_model(answering: Any) -> None:
    """What a model asks to answer a merged request is not merged itself, so nobody waits for himself."""

    class Outer(FakeListChatModel):
        temperature: float = 0.0
        inner: Any = None

        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            self.inner.invoke("hi")
            return self.inner._generate(messages)

    with activate("deterministic"):
        inner = answering.model()
        outer = Outer(responses=["a"], inner=inner)
        assert outer.invoke("hi").content == "answer 2"


def test_answer_that_can_not_be_copied(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is its caller's alone; the others ask for themselves."""
    plain = answering.result

    def result(number: int) -> ChatResult:
        made = plain(number)
        made.generations[0].message.additional_kwargs["lock"] = threading.Lock()
        return made

    monkeypatch.setattr(answering, "result", result)
    answering.allowed = 0

    def release() -> None:
        answering.until(lambda: waiting() == 3)
        answering.allowed = 9

    with activate("deterministic"):
        model = answering.model()
        answers = in_threads(4, lambda: model.invoke("hi"), release)
    assert sorted(answer.content for answer in answers) == [f"answer {number}" for number in range(1, 5)]


def test_followers_may_change_what_they_get(answering: Any) -> None:
    """Every message is its caller's own."""
    answering.allowed = 0

    def release() -> None:
        answering.until(lambda: waiting() == 3)
        answering.allowed = 9

    def call() -> AIMessage:
        answer = model.invoke("hi")
        assert "mark" not in answer.additional_kwargs
        answer.additional_kwargs["mark"] = True
        return answer

    with activate("deterministic"):
        model = answering.model()
        assert len(in_threads(4, call, release)) == 4
    assert answering.requests == 1


# LangChain's own.


@pytest.mark.parametrize("where", ["model", "global"])
async def test_cache_of_langchain_stays_in_charge(answering: Any, where: str) -> None:
    """Where the user has a cache, calls go as LangChain makes them go."""
    cache = InMemoryCache()
    try:
        if where == "global":
            set_llm_cache(cache)
        with activate("deterministic") as statistics:
            model = answering.model(cache=cache if where == "model" else None)
            await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
            assert answering.requests == 2
            assert (await model.ainvoke("hi")).content.startswith("answer")
            assert answering.requests == 2
    finally:
        set_llm_cache(None)
    assert statistics.merged == 0


class Counting(InMemoryRateLimiter):
    """Counts how often its leave is taken."""

    taken = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.taken += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.taken += 1
        return True


async def test_rate_limiter(answering: Any) -> None:
    """Every request waits for its turn, and only requests do."""
    limiter = Counting()
    with activate("deterministic"):
        model = answering.model(rate_limiter=limiter)
        await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
        await asyncio.gather(streamed(model), streamed(model))
        await asyncio.to_thread(lambda: (model.invoke("hi"), list(model.stream("hi"))))
        assert limiter.taken == answering.requests == 4
        sampling = answering.model(rate_limiter=limiter, temperature=1)
        await asyncio.gather(sampling.ainvoke("hi"), sampling.ainvoke("hi"), streamed(sampling))
        await asyncio.to_thread(lambda: (sampling.invoke("hi"), list(sampling.stream("hi"))))
    assert limiter.taken == answering.requests == 9


async def test_model_without_streams_and_without_callbacks() -> None:
    """A class with less than the usual works as before, in both worlds."""

    class Bare(BaseChatModel):
        temperature: float = 0.0

        @property
        def _llm_type(self) -> str:
            return "bare"

        def _generate(self, messages: list[BaseMessage], stop: Any = None, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))], llm_output={"a": 1})

    model = Bare()
    with activate("deterministic"):
        answers = await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
        assert [chunk.content for chunk in model.stream("hi")] == ["x"]
        assert [chunk.content for chunk in await streamed(model)] == ["x"]
    assert [answer.response_metadata["a"] for answer in answers] == [1, 1]


def test_tokens_that_a_model_tells_while_it_answers_at_once(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that follow hear them too."""
    heard = Heard()
    plain = type(answering.model())._generate

    def telling(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        run_manager.on_llm_new_token("tick", chunk=answering.chunk(1, 0))
        return plain(self, messages, stop, run_manager, **kwargs)

    monkeypatch.setattr(type(answering.model()), "_generate", telling)
    answering.allowed = 0

    def release() -> None:
        answering.until(lambda: waiting() == 2)
        answering.allowed = 9

    with activate("deterministic"):
        model = answering.model()
        in_threads(3, lambda: model.invoke("hi", {"callbacks": [heard]}), release)
    assert heard.tokens == ["tick"] * 3


async def test_same_through_the_default_of_async(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without an asynchronous way answers from a thread, and tells every caller the same."""
    cls = type(answering.model())
    plain = cls._generate

    def telling(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        run_manager.on_llm_new_token("tick")
        return plain(self, messages, stop, run_manager, **kwargs)

    monkeypatch.setattr(cls, "_generate", telling)
    monkeypatch.setattr(cls, "_agenerate", BaseChatModel._agenerate)
    monkeypatch.setattr(cls, "_astream", BaseChatModel._astream)
    heard = Heard()
    with activate("deterministic"):
        model = answering.model()
        await asyncio.gather(*(model.ainvoke("hi", {"callbacks": [heard]}) for _ in range(3)))
        chunks = await asyncio.gather(streamed(model), streamed(model))
    assert heard.tokens == ["tick"] * 3
    assert answering.requests == 2
    assert len(chunks[0]) == len(chunks[1]) == 3


async def test_class_with_ways_of_its_own(answering: Any) -> None:
    """A class that makes requests past LangChain's usual ways is left as it is."""

    class Native(type(answering.model())):  # type: ignore[misc]
        def _stream_chat_model_events(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    with activate("deterministic"):
        model = Native(answering=answering)
        await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
    assert answering.requests == 2


# Scope.


async def test_nothing_is_patched_outside(answering: Any) -> None:
    """LangChain is itself before and after, and calls outside of a run are untouched while one goes on."""
    plain = {name: getattr(BaseChatModel, name) for name in _SURROUNDING}
    model = answering.model()
    outside = copy_context()
    with activate("deterministic") as statistics:
        assert all(getattr(BaseChatModel, name) is not plain[name] for name in _SURROUNDING)
        tasks = [asyncio.create_task(model.ainvoke("hi"), context=outside) for _ in range(3)]
        await asyncio.gather(*tasks)
    assert answering.requests == 3
    assert statistics.merged == 0
    assert plain == {name: getattr(BaseChatModel, name) for name in _SURROUNDING}


async def test_concurrent_runs_do_not_mix(answering: Any) -> None:
    """Each run has its own requests and its own setting; the patches go with the last one."""
    plain = BaseChatModel.stream
    model = answering.model()

    async def run(merge: Any) -> CallStatistics:
        with activate(merge) as statistics:
            await asyncio.gather(*(model.ainvoke("hi") for _ in range(4)))
            return statistics

    merged = [statistics.merged for statistics in await asyncio.gather(run("deterministic"), run("none"), run("all"))]
    assert merged == [3, 0, 3]
    assert answering.requests == 6
    assert BaseChatModel.stream is plain


async def test_nested_runs(answering: Any) -> None:
    """The inner one stands for itself."""
    model = answering.model()
    with activate("deterministic") as outer, activate("none") as inner:
        await asyncio.gather(model.ainvoke("hi"), model.ainvoke("hi"))
    assert answering.requests == 2
    assert outer.merged == inner.merged == 0


def test_patches_of_others_stay(answering: Any) -> None:
    """What somebody puts over the patches meanwhile stays there, and works."""
    plain = BaseChatModel._generate_with_cache
    model = answering.model()
    try:
        with activate("deterministic"):
            ours = BaseChatModel._generate_with_cache

            def theirs(self: BaseChatModel, *args: Any, **kwargs: Any) -> Any:
                return ours(self, *args, **kwargs)

            BaseChatModel._generate_with_cache = theirs  # type: ignore[method-assign]
        assert BaseChatModel._generate_with_cache is theirs
        assert model.invoke("hi").content == "answer 1"
        with activate("deterministic"):
            assert model.invoke("hi").content == "answer 2"
    finally:
        BaseChatModel._generate_with_cache = plain  # type: ignore[method-assign]


async def test_context_of_each_caller(answering: Any) -> None:
    """Callbacks hear in the context of their own caller."""
    name: ContextVar[str] = ContextVar("name")
    seen: set[tuple[str, str]] = set()

    class Hearing(BaseCallbackHandler):
        run_inline = True

        def __init__(self, mine: str) -> None:
            self.mine = mine

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            seen.add((self.mine, name.get()))

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            seen.add((self.mine, name.get()))

    async def call(mine: str) -> None:
        name.set(mine)
        await streamed(model, config={"callbacks": [Hearing(mine)]})
        await model.ainvoke("hi", {"callbacks": [Hearing(mine)]})

    with activate("deterministic"):
        model = answering.model()
        await asyncio.gather(*(asyncio.create_task(call(mine)) for mine in "abc"))
    assert seen == {("a", "a"), ("b", "b"), ("c", "c")}
    assert answering.requests == 2


def test_one_at_a_time(answering: Any) -> None:
    """A batch with room for one call at a time gets through."""
    with activate("deterministic"):
        model = answering.model()
        answers = model.batch(["hi"] * 4, {"max_concurrency": 1})
    assert len({answer.id for answer in answers}) == 4
    assert answering.requests == 4


async def test_batches(answering: Any) -> None:
    """A batch is merged as far as it is in flight at once."""
    with activate("deterministic") as statistics:
        model = answering.model()
        assert len(await model.abatch(["hi"] * 6)) == 6
        assert (answering.requests, statistics.merged) == (1, 5)
        assert len(await model.abatch(["hi"] * 4, {"max_concurrency": 1})) == 4
    assert answering.requests == 5
