"""The Redis saver against LangGraph's own tests of savers, and against its saver in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Annotated, Any
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict

from optiflow.checkpointers.redis import RedisSaver
from optiflow.checkpointers.redis.layout import thread_keys


@pytest.fixture
def saver(redis_url: str, redis_prefix: str) -> Iterator[RedisSaver]:
    """A saver under a prefix of its own."""
    with closing(RedisSaver.from_url(redis_url, prefix=redis_prefix)) as made:
        yield made


@pytest.fixture
async def async_saver(saver: RedisSaver) -> AsyncIterator[RedisSaver]:
    """The same for the test's event loop."""
    yield saver
    await saver.aclose()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Looks at what is stored."""
    with redis.Redis.from_url(redis_url) as made:
        yield made


async def test_langgraphs_own_tests_of_savers(redis_url: str, redis_prefix: str) -> None:
    """All capabilities, the optional ones as well, with a client of the event loop."""

    @checkpointer_test(name="RedisSaver")
    async def factory() -> AsyncIterator[Any]:
        saver = RedisSaver.from_url(redis_url, prefix=redis_prefix)
        yield saver
        await saver.aclose()

    report = await validate(factory)
    assert {name: result.failures for name, result in report.results.items() if not result.passed} == {}
    assert set(report.results) == {capability.value for capability in Capability}


def at(thread: str, namespace: str = "", checkpoint_id: str | None = None) -> RunnableConfig:
    """A configuration that leads to a checkpoint, or to the newest."""
    where = {"thread_id": thread, "checkpoint_ns": namespace}
    return {"configurable": where | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


_values = st.one_of(
    st.none(), st.integers(-9, 9), st.text(max_size=4), st.binary(max_size=4), st.lists(st.integers(-9, 9))
)
_channels = st.sampled_from(["a", "b/c", "ü"])
_threads = st.sampled_from(["t", "t}:x", "ü/1"])
_spaces = st.sampled_from(["", "sub:1", "sub:1|x"])
_which = st.integers(0, 5)
_operations = st.one_of(
    st.tuples(
        st.just("put"),
        _threads,
        _spaces,
        st.dictionaries(_channels, _values),
        st.sets(_channels),
        st.sampled_from(["input", "loop"]),
        st.booleans(),
    ),
    st.tuples(
        st.just("put_writes"),
        _threads,
        _spaces,
        _which,
        st.lists(st.tuples(st.sampled_from(["a", "ü", ERROR, INTERRUPT, RESUME]), _values), max_size=3),
        st.sampled_from(["task", "task/2"]),
        st.sampled_from(["", "~pull, a"]),
    ),
    st.tuples(st.just("get"), _threads, _spaces, st.none() | _which),
    st.tuples(
        st.just("list"),
        _threads,
        st.none() | _spaces,
        st.none() | _which,
        st.none() | st.integers(0, 3),
        st.sampled_from([None, {"source": "loop"}, {"source": "loop", "step": 2}, {"nothing": 1}]),
    ),
    st.tuples(st.just("delete_thread"), _threads),
)


class _Both:
    """Does the same to two savers, and compares what they say."""

    def __init__(self, own: RedisSaver) -> None:
        self.own, self.memory = own, InMemorySaver()
        self.ids: list[str] = []
        self.threads = uuid4().hex
        self.version = 0

    def id_of(self, which: int | None) -> str | None:
        return None if which is None or not self.ids else self.ids[-1 - which % len(self.ids)]

    def put(self, thread: str, space: str, values: dict[str, Any], new: set[str], source: Any, parent: bool) -> None:
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=len(self.ids)))
        self.version += 1
        checkpoint["channel_values"] = values
        checkpoint["channel_versions"] = {
            channel: f"{self.version if channel in new else 1:05}" for channel in {*values, *new}
        }
        versions = {channel: checkpoint["channel_versions"][channel] for channel in new}
        config = at(self.threads + thread, space, self.id_of(0) if parent else None)
        metadata: Any = {"source": source, "step": len(self.ids) % 4, "parents": {}, "x": "\u00fc"}
        stored = [saver.put(config, checkpoint, metadata, versions) for saver in (self.own, self.memory)]
        assert stored[0] == stored[1]
        self.ids.append(checkpoint["id"])

    def put_writes(self, thread: str, space: str, which: int, writes: Any, task: str, path: str) -> None:
        if self.ids:
            config = at(self.threads + thread, space, self.id_of(which))
            for saver in (self.own, self.memory):
                saver.put_writes(config, writes, task, path)

    def get(self, thread: str, space: str, which: int | None) -> None:
        config = at(self.threads + thread, space, self.id_of(which))
        assert self.own.get_tuple(config) == self.memory.get_tuple(config)

    def list(self, thread: str, space: str | None, which: int | None, limit: int | None, filter: Any) -> None:
        config: RunnableConfig = {"configurable": {"thread_id": self.threads + thread}}
        if space is not None:
            config["configurable"]["checkpoint_ns"] = space
        before = None if self.id_of(which) is None else at("any", "", self.id_of(which))
        found = list(self.own.list(config, before=before, limit=limit, filter=filter))
        # With several namespaces LangGraph's saver in memory goes through one after another; ours, as the one on
        # PostgreSQL, is newest first throughout.
        every = sorted(self.memory.list(config, before=before, filter=filter), key=_id, reverse=True)
        assert found == every[:limit]

    def delete_thread(self, thread: str) -> None:
        for saver in (self.own, self.memory):
            saver.delete_thread(self.threads + thread)


def _id(found: CheckpointTuple) -> str:
    return found.checkpoint["id"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(_operations, max_size=25))
def test_it_does_what_the_saver_in_memory_does(saver: RedisSaver, operations: list[Any]) -> None:
    """Whatever is done, in whichever order, to whichever threads and namespaces."""
    both = _Both(saver)
    for name, *arguments in operations:
        getattr(both, name)(*arguments)
    for thread in ("t", "t}:x", "ü/1"):
        both.list(thread, None, None, None, None)


class State(TypedDict, total=False):
    text: str
    parts: Annotated[list[str], lambda old, new: [*old, *new]]


def _graph(saver: Any) -> Any:
    """Fan-out, an interrupt, a subgraph: all that is kept between two steps."""
    inner = StateGraph(State).add_node("inside", lambda state: {"text": f"inside {state['text']}"})
    inner.add_edge(START, "inside")
    builder = StateGraph(State)
    builder.add_node("start", lambda state: {"text": state["text"].upper()})
    builder.add_node("worker", lambda state: {"parts": [state["text"]]})
    builder.add_node("sub", inner.compile())
    builder.add_node("ask", lambda state: {"parts": [interrupt("sure?")]})
    builder.add_edge(START, "start")
    builder.add_conditional_edges("start", lambda state: [Send("worker", {"text": f"{n}"}) for n in range(3)])
    builder.add_edge("worker", "sub")
    builder.add_edge("sub", "ask")
    builder.add_edge("ask", END)
    return builder.compile(checkpointer=saver)


def _history(graph: Any, config: RunnableConfig) -> list[Any]:
    return [
        (each.values, each.next, each.metadata["step"], [(task.name, task.interrupts) for task in each.tasks])
        for each in graph.get_state_history(config)
    ]


def test_a_graph_leaves_the_history_that_it_leaves_in_memory(saver: RedisSaver) -> None:
    """Sends, a subgraph, an interrupt and a fork of the past, run synchronously."""
    seen = []
    for each in (saver, InMemorySaver()):
        graph, config = _graph(each), at("thread")
        first = graph.invoke({"text": "a", "parts": []}, config)
        last = graph.invoke(Command(resume="yes"), config)
        past = next(state for state in graph.get_state_history(config) if state.next == ("sub",))
        forked = graph.update_state(past.config, {"parts": ["changed"]}, as_node="worker")
        graph.invoke(None, forked)
        del first["__interrupt__"]
        seen.append((first, last, [_without_ids(entry) for entry in _history(graph, config)]))
    assert seen[0] == seen[1]


async def test_the_same_asynchronously(async_saver: RedisSaver) -> None:
    """Through the client of the event loop."""
    saver = async_saver
    graph, config = _graph(saver), at("thread")
    await graph.ainvoke({"text": "a", "parts": []}, config)
    output = await graph.ainvoke(Command(resume="yes"), config)
    assert output == {"text": "inside A", "parts": ["0", "1", "2", *"012", "yes"]}
    steps = [state.metadata["step"] async for state in graph.aget_state_history(config)]
    assert steps == [4, 3, 2, 1, 0, -1]
    limited = [each async for each in saver.alist(config, limit=2, filter={"source": "loop"})]
    assert [each.metadata["step"] for each in limited] == [4, 3]


def _without_ids(entry: Any) -> Any:
    values, after, step, tasks = entry
    return values, after, step, [(name, [each.value for each in interrupts]) for name, interrupts in tasks]


def test_what_a_step_leaves_alone_is_not_written_again(
    saver: RedisSaver, client: redis.Redis, redis_prefix: str
) -> None:
    """Ten steps that leave a large value as it is store it once."""
    builder = StateGraph(State)
    names = [f"step{number}" for number in range(10)]
    for name in names:
        builder.add_node(name, lambda state: {"parts": ["x"]})
    for before, after in zip([START, *names], names, strict=False):
        builder.add_edge(before, after)
    builder.compile(checkpointer=saver).invoke({"text": "y" * 10_000, "parts": []}, at("thread"))
    _, checkpoints, blobs, *_ = thread_keys(redis_prefix, "thread")
    assert client.hlen(checkpoints) == 12
    # Once as the input, once as the channel's value.
    assert sum(b"y" * 10_000 in value for value in client.hvals(blobs)) == 2
    assert all(b"y" * 10_000 not in value for value in client.hvals(checkpoints))


def test_a_thread_expires_as_a_whole(redis_url: str, redis_prefix: str, client: redis.Redis) -> None:
    """Every key of it lives for as long after the last write; without a limit for ever."""
    for ttl_s, expected in ((60, {60}), (None, {-1})):
        with closing(RedisSaver.from_url(redis_url, prefix=f"{redis_prefix}:{ttl_s}", ttl_s=ttl_s)) as saver:
            _graph(saver).invoke({"text": "a", "parts": []}, at("thread"))
            saver.copy_thread("thread", "other")
        for thread in ("thread", "other"):
            keys = thread_keys(f"{redis_prefix}:{ttl_s}", thread)
            lives = {client.ttl(key) for key in keys}
            # A second may pass in between.
            assert {life + 1 if life == 59 else life for life in lives} == expected


def test_all_threads_are_listed_and_deleted_with_all_their_keys(
    saver: RedisSaver, client: redis.Redis, redis_prefix: str
) -> None:
    """Whatever letters a thread's name holds; nothing is left afterwards."""
    names = ["plain", "with}brace", "with:colon", "*", "ünï/çode"]
    for name in names:
        saver.put(at(name), empty_checkpoint(), {}, {})
    found = [each.config["configurable"]["thread_id"] for each in saver.list(None)]
    assert sorted(found) == sorted(names)
    saver.prune([], strategy="delete")
    assert len(list(saver.list(None))) == len(names)
    saver.prune(names, strategy="delete")
    assert list(client.scan_iter(match=f"{redis_prefix}*")) == []


def test_pruning_keeps_what_the_newest_needs(saver: RedisSaver, client: redis.Redis, redis_prefix: str) -> None:
    """One checkpoint, without a parent, that goes on as if nothing had happened; values of no use are gone."""
    graph, config = _graph(saver), at("thread")
    graph.invoke({"text": "a", "parts": []}, config)
    before = graph.get_state(config)
    ids, _, blobs, order, writes = thread_keys(redis_prefix, "thread")
    stored = client.hlen(blobs)
    saver.prune(["thread"])
    after = graph.get_state(config)
    assert after.parent_config is None
    assert before._replace(parent_config=None) == after
    # One of the graph and one of its subgraph.
    assert client.zcard(ids) == 2
    assert client.hlen(blobs) < stored
    assert client.zcard(order) == client.hlen(writes) == 1
    assert graph.invoke(Command(resume="yes"), config)["parts"][-1] == "yes"


def test_values_that_build_on_each_other_are_not_pruned(saver: RedisSaver) -> None:
    """A thread with a DeltaChannel can't be read without its past, and a strategy must be known."""
    metadata: Any = {"step": 0, "counters_since_delta_snapshot": {"a": (1, 1)}}
    for _ in range(2):
        saver.put(at("delta"), empty_checkpoint(), metadata, {})
    with pytest.raises(NotImplementedError, match="'delta', which uses a DeltaChannel"):
        saver.prune(["delta"])
    assert len(list(saver.list(at("delta")))) == 2
    with pytest.raises(ValueError, match="strategy='newest': expected"):
        saver.prune(["delta"], strategy="newest")


def test_runs_are_deleted_wherever_they_are(saver: RedisSaver) -> None:
    """In all threads; the parents of what remains are gone with them."""
    first = saver.put(at("a"), empty_checkpoint(), {"run_id": "1"}, {})
    second = saver.put(first, empty_checkpoint(), {"run_id": "2"}, {})
    saver.put(at("b"), empty_checkpoint(), {"run_id": "1"}, {})
    saver.put(at("c"), empty_checkpoint(), {}, {})
    saver.delete_for_runs(["1", "3"])
    left = {each.config["configurable"]["thread_id"]: each for each in saver.list(None)}
    assert left.keys() == {"a", "c"}
    assert (left["a"].config, left["a"].parent_config) == (second, None)


def test_branches_of_a_history_never_share_a_version(saver: RedisSaver) -> None:
    """Versions only grow, and two that follow the same one differ."""
    one = saver.get_next_version(None, None)
    two = {saver.get_next_version(one, None) for _ in range(20)}
    assert len(two) == 20
    assert all(version > one for version in two)
    assert saver.get_next_version(9, None) < saver.get_next_version("10", None)


async def test_nobody_sees_half_a_checkpoint(async_saver: RedisSaver) -> None:
    """While one thread writes and prunes, a reader always finds a checkpoint with all of its values."""
    graph = StateGraph(State)
    graph.add_node("count", lambda state: {"text": str(int(state["text"]) + 1), "parts": [state["text"]]})
    graph.add_edge(START, "count")
    counting, config = graph.compile(checkpointer=async_saver), at("thread")
    counting.invoke({"text": "0", "parts": []}, config)

    def write() -> None:
        for number in range(30):
            counting.invoke({"text": str(number), "parts": []}, config)
            async_saver.prune(["thread"])

    writing = asyncio.create_task(asyncio.to_thread(write))
    while not writing.done():
        found = await async_saver.aget_tuple(config)
        assert found is not None
        assert found.checkpoint["channel_values"].keys() >= {"text", "parts"}
    await writing


async def test_without_a_client_for_it_nothing_runs_asynchronously(client: redis.Redis, redis_prefix: str) -> None:
    """A saver may be made with a client of one's own; the other half then says what it lacks."""
    saver = RedisSaver(client, prefix=redis_prefix)
    saver.put(at("thread"), empty_checkpoint(), {}, {})
    with pytest.raises(RuntimeError, match="made without an async_client"):
        await saver.aget_tuple(at("thread"))
    await saver.aclose()
