"""What a run's callbacks tell: model calls and node spans."""

from __future__ import annotations

import operator
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, interrupt

from optiflow.clock import VirtualClock
from optiflow.monitor.observation import CachedTokens
from optiflow.monitor.run_observer import RunObserver, cached_of

USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


class State(TypedDict):
    said: Annotated[list[str], operator.add]


class Ticks:
    """A clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.now = -1.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Unreachable(GenericFakeChatModel):
    """A chat model whose provider can't be reached."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("refused")


def model(*answers: AIMessage) -> GenericFakeChatModel:
    """A chat model that gives these answers."""
    return GenericFakeChatModel(messages=iter(answers))


def answer(text: str = "hello you") -> AIMessage:
    """An answer with its usage."""
    return AIMessage(text, usage_metadata=USAGE)


def graph_of(**nodes: Any) -> StateGraph[State]:
    """A chain of these nodes."""
    builder = StateGraph(State)
    previous = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    return builder


def run(observer: RunObserver, **nodes: Any) -> Any:
    """Run a chain of these nodes with the observer."""
    return graph_of(**nodes).compile().invoke({"said": []}, {"callbacks": [observer]})


def test_a_call_and_its_node():
    """A chat model's call is recorded with its node, tokens and times, and so is the node."""
    chat = model(answer())

    def ask(state: State) -> dict[str, list[str]]:
        return {"said": [str(chat.invoke("question").content)]}

    observer = RunObserver(Ticks())
    run(observer, ask=ask)
    (call,) = observer.model_calls
    (span,) = observer.nodes
    assert (call.node, call.path, call.error) == ("ask", "ask", None)
    assert (call.prompt_tokens, call.completion_tokens) == (7, 3)
    assert (span.node, span.namespace, span.error) == ("ask", "", None)
    assert span.started_s < call.started_s < call.ended_s < span.ended_s
    assert len(call.prompt_sha256) == 64


async def test_async_and_streaming():
    """Async calls and streams are recorded just the same, the stream's usage from its merged message."""
    chat = model(answer("one two"), answer("three four"))

    async def ask(state: State) -> dict[str, list[str]]:
        return {"said": [(await chat.ainvoke("q")).text]}

    async def stream(state: State) -> dict[str, list[str]]:
        return {"said": ["".join([chunk.text async for chunk in chat.astream("q")])]}

    observer = RunObserver(Ticks())
    await graph_of(ask=ask, stream=stream).compile().ainvoke({"said": []}, {"callbacks": [observer]})
    asked, streamed = observer.model_calls
    assert (asked.node, streamed.node) == ("ask", "stream")
    assert asked.prompt_sha256 == streamed.prompt_sha256
    assert streamed.error is None


def test_a_stream_reports_its_usage():
    """The usage of a streamed answer is that of the merged message."""
    observer = RunObserver(Ticks())
    run_id = uuid4()
    observer.on_chat_model_start({}, [[HumanMessage("q")]], run_id=run_id)
    merged = AIMessageChunk("a") + AIMessageChunk("b", usage_metadata=USAGE)
    observer.on_llm_end(LLMResult(generations=[[ChatGeneration(message=merged)]]), run_id=run_id)
    assert observer.model_calls[0].completion_tokens == 3


def test_a_model_that_completes_text():
    """A model without chat is recorded too; tokens where it reports them."""
    llm = FakeListLLM(responses=["yes"])

    def ask(state: State) -> dict[str, list[str]]:
        return {"said": [llm.invoke("question")]}

    observer = RunObserver(Ticks())
    run(observer, ask=ask)
    (call,) = observer.model_calls
    assert (call.node, call.prompt_tokens, call.completion_tokens) == ("ask", 0, 0)


def test_usage_of_the_whole_answer():
    """Where the message has no usage, the provider's total for the answer counts."""
    observer = RunObserver(Ticks())
    run_id = uuid4()
    observer.on_llm_start(None, ["q"], run_id=run_id)
    usage = {"token_usage": {"prompt_tokens": 5, "completion_tokens": None}}
    observer.on_llm_end(LLMResult(generations=[[Generation(text="a")]], llm_output=usage), run_id=run_id)
    (call,) = observer.model_calls
    assert (call.prompt_tokens, call.completion_tokens) == (5, 0)


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({}, CachedTokens()),
        ({"audio": 3}, CachedTokens()),
        ({"cache_read": 4}, CachedTokens(read=4)),
        ({"flex_cache_read": 4, "flex": 3}, CachedTokens(read=4)),
        ({"cache_read": 1, "cache_creation": 4}, CachedTokens(read=1, write=4)),
        # As langchain-anthropic tells it: the sum is left out where its parts are known.
        (
            {
                "cache_read": 0,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 4,
                "ephemeral_1h_input_tokens": 2,
            },
            CachedTokens(write=6, write_5m=4, write_1h=2),
        ),
        ({"cache_creation": 6, "ephemeral_1h_input_tokens": 6}, CachedTokens(write=6, write_1h=6)),
    ],
)
def test_cached_tokens(details: Any, cached: CachedTokens):
    """Reads, and writes by how long they are kept, as LangChain's integrations tell them."""
    observer = RunObserver(Ticks())
    chat = model(AIMessage("a", usage_metadata={**USAGE, "input_token_details": details}))
    chat.invoke("q", {"callbacks": [observer]})
    assert observer.model_calls[0].cached == cached
    assert bool(cached) == bool(cached.read or cached.write)


def test_what_langchain_anthropic_tells():
    """The integration itself, given a provider's usage with writes of both lifetimes."""
    pytest.importorskip("langchain_anthropic", reason="needs the extra 'providers'")
    from anthropic.types import CacheCreation, Usage
    from langchain_anthropic.chat_models import _create_usage_metadata

    creation = CacheCreation(ephemeral_5m_input_tokens=4, ephemeral_1h_input_tokens=2)
    reported = Usage(
        input_tokens=1,
        output_tokens=1,
        cache_read_input_tokens=3,
        cache_creation_input_tokens=6,
        cache_creation=creation,
    )
    message = AIMessage("a", usage_metadata=_create_usage_metadata(reported))
    result = LLMResult(generations=[[ChatGeneration(message=message)]])
    assert cached_of(result) == CachedTokens(read=3, write=6, write_5m=4, write_1h=2)


def test_cached_tokens_of_the_whole_answer():
    """Where the message has no usage, the provider's total for the answer may tell them."""
    usage = {"token_usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}}
    assert cached_of(LLMResult(generations=[[Generation(text="a")]], llm_output=usage)) == CachedTokens(read=4)
    assert cached_of(LLMResult(generations=[])) == CachedTokens()


def test_retries_are_calls_and_spans_of_their_own():
    """A node that is retried shows as several spans, its calls as several calls."""
    chat = model(answer(), answer())
    attempts: list[int] = []

    def flaky(state: State) -> dict[str, list[str]]:
        chat.invoke("question")
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("first\nsecond line")
        return {"said": ["ok"]}

    builder = StateGraph(State)
    builder.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ValueError))
    builder.add_edge(START, "flaky")
    observer = RunObserver(Ticks())
    builder.compile().invoke({"said": []}, {"callbacks": [observer]})
    assert len(observer.model_calls) == 2
    assert [span.error for span in observer.nodes] == ["ValueError: first", None]


def test_a_failed_call():
    """A model that raises leaves a call with the error."""
    chat = Unreachable(messages=iter([]))

    def ask(state: State) -> dict[str, list[str]]:
        with pytest.raises(ConnectionError):
            chat.invoke("question")
        return {"said": []}

    observer = RunObserver(Ticks())
    run(observer, ask=ask)
    assert observer.model_calls[0].error == "ConnectionError: refused"
    assert observer.nodes[0].error is None


def test_subgraphs_are_dotted():
    """A node inside a subgraph is named by its path; a subgraph of the node's own name is no second node."""
    chat = model(answer())

    def ask(state: State) -> dict[str, list[str]]:
        return {"said": [chat.invoke("q").text]}

    inner = graph_of(ask=ask).compile(name="outer")
    observer = RunObserver(Ticks())
    run(observer, outer=inner)
    assert [(span.namespace, span.node) for span in observer.nodes] == [("", "outer"), ("outer", "ask")]
    assert observer.model_calls[0].path == "outer.ask"


def test_a_subgraph_called_several_times_keeps_its_path():
    """The number with which LangGraph tells calls of one subgraph apart is not part of the path."""
    observer = RunObserver(Ticks())
    metadata = {"langgraph_node": "ask", "langgraph_checkpoint_ns": "outer:t1|1|ask:t2"}
    observer.on_chain_start({}, {}, run_id=uuid4(), metadata=metadata, name="ask")
    observer.finish()
    assert (observer.nodes[0].namespace, observer.nodes[0].node) == ("outer", "ask")


def test_an_interrupt_shows():
    """A node that interrupts the graph has a span that says so."""
    observer = RunObserver(Ticks())

    def ask(state: State) -> dict[str, list[str]]:
        return {"said": [interrupt("?")]}

    from langgraph.checkpoint.memory import InMemorySaver

    config = {"callbacks": [observer], "configurable": {"thread_id": "1"}}
    graph_of(ask=ask).compile(checkpointer=InMemorySaver()).invoke({"said": []}, config)
    assert observer.nodes[0].error is not None
    assert observer.nodes[0].error.startswith("GraphInterrupt")


def test_a_call_outside_of_any_node():
    """A call of a bare model belongs to no node."""
    observer = RunObserver(Ticks())
    model(answer()).invoke("q", {"callbacks": [observer]})
    assert (observer.model_calls[0].node, observer.model_calls[0].path) == ("", "")


class TestPromptDigest:
    @staticmethod
    def digest_of(messages: list[Any], **params: Any) -> str:
        """The digest recorded for these messages."""
        observer = RunObserver(Ticks())
        run_id = uuid4()
        observer.on_chat_model_start({}, [messages], run_id=run_id, invocation_params=params)
        observer.finish()
        return observer.model_calls[0].prompt_sha256

    def test_ignores_ids(self):
        """The same messages under other ids are the same prompt."""
        assert self.digest_of([HumanMessage("a", id="1")]) == self.digest_of([HumanMessage("a", id="2")])

    @pytest.mark.parametrize(
        ("messages", "params"),
        [
            ([HumanMessage("b")], {}),
            ([SystemMessage("a")], {}),
            ([HumanMessage("a"), HumanMessage("a")], {}),
            ([HumanMessage("a")], {"stop": ["x"]}),
            ([HumanMessage("a")], {"tools": [{"name": "t"}]}),
        ],
    )
    def test_tells_requests_apart(self, messages, params):
        """Another text, role, number of messages or parameter is another request."""
        assert self.digest_of(messages, **params) != self.digest_of([HumanMessage("a")])

    def test_survives_odd_parameters(self):
        """Objects count by their type, so the digest is the same in every process."""
        assert self.digest_of([HumanMessage("\ud800")], x=object()) == self.digest_of(
            [HumanMessage("\ud800")], x=object()
        )


@pytest.mark.parametrize(
    ("metadata", "params", "serialized", "name"),
    [
        ({"ls_model_name": "a"}, {"model": "b"}, {"name": "c"}, "a"),
        ({}, {"model": "b"}, {"name": "c"}, "b"),
        ({}, {"model_name": "b"}, {}, "b"),
        ({}, {}, {"name": "c"}, "c"),
        ({}, {}, None, "unknown"),
    ],
)
def test_the_model_s_name(metadata, params, serialized, name):
    """The name comes from where LangChain knows it best."""
    observer = RunObserver(Ticks())
    run_id = uuid4()
    observer.on_chat_model_start(serialized, [[]], run_id=run_id, metadata=metadata, invocation_params=params)
    observer.on_llm_error(RuntimeError(), run_id=run_id)
    assert observer.model_calls[0].model == name
    assert observer.model_calls[0].error == "RuntimeError"


def test_finish_closes_what_is_open():
    """After an interruption open calls and nodes are recorded as unfinished; a late end changes nothing."""
    observer = RunObserver(Ticks())
    call, node = uuid4(), uuid4()
    observer.on_chain_start({}, {}, run_id=node, metadata={"langgraph_node": "n"}, name="n")
    observer.on_chat_model_start({}, [[HumanMessage("q")]], run_id=call, metadata={"langgraph_node": "n"})
    observer.finish()
    observer.on_llm_end(LLMResult(generations=[]), run_id=call)
    observer.on_chain_end({}, run_id=node)
    assert [call.error for call in observer.model_calls] == ["unfinished"]
    assert [(span.node, span.error) for span in observer.nodes] == [("n", "unfinished")]


def test_the_listener_is_told():
    """A listener hears of each node's start and end by path."""
    heard: list[tuple[str, str]] = []
    observer = RunObserver(Ticks(), lambda event, path: heard.append((event, path)))
    run(observer, a=lambda state: {"said": []}, b=lambda state: {"said": []})
    assert heard == [("start", "a"), ("end", "a"), ("start", "b"), ("end", "b")]


def test_a_listener_that_raises_does_not_break_the_run(caplog):
    """LangChain logs what a listener raises; the run and the record go on."""

    def broken(event: str, path: str) -> None:
        raise ZeroDivisionError("listener")

    observer = RunObserver(Ticks(), broken)
    assert run(observer, a=lambda state: {"said": ["x"]})["said"] == ["x"]
    assert len(observer.nodes) == 1
    assert "listener" in caplog.text


def test_virtual_seconds():
    """With a virtual clock the times are virtual seconds since the run started."""
    clock = VirtualClock()
    observer = RunObserver(clock.time)

    async def node(state: State) -> dict[str, list[str]]:
        await clock.sleep_async(100)
        return {"said": []}

    graph = graph_of(a=node, b=node).compile()
    clock.run(graph.ainvoke({"said": []}, {"callbacks": [observer]}))
    first, second = observer.nodes
    assert first.ended_s - first.started_s == pytest.approx(100, abs=0.5)
    assert second.ended_s == pytest.approx(200, abs=1)
    assert observer.elapsed() >= second.ended_s


def test_many_threads():
    """Calls from many threads at once are all recorded."""
    observer = RunObserver(Ticks())
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            run_id = uuid4()
            observer.on_llm_start(None, ["q"], run_id=run_id)
            observer.on_llm_end(LLMResult(generations=[]), run_id=run_id)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result()
    assert len(observer.model_calls) == 400


def test_what_is_told_late_happened_when_it_did():
    """In the block the time is the one that is given, for this observer alone."""
    observer, other = RunObserver(Ticks()), RunObserver(Ticks())
    with observer.at(0.25), other.at(0.5), observer.at(0.125):
        assert (observer.elapsed(), other.elapsed()) == (0.125, 0.5)
    assert observer.elapsed() > 0.25
