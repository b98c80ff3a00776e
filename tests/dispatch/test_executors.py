"""Tests of where a run saves its checkpoints."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph

from optiflow import api
from optiflow.dispatch import executors
from optiflow.dispatch.executors import AsyncExecutor, Executor


class State(TypedDict, total=False):
    value: Any


CONFIG: Any = {"configurable": {"thread_id": "1"}}


class Watched(JsonPlusSerializer):
    """Notes the threads that it is used in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.threads.add(threading.current_thread().name)
        return super().dumps_typed(obj)


class Derived(InMemorySaver):
    """Somebody's own saver."""


def graph_of(saver: BaseCheckpointSaver[Any], value: Any = 1, arm: str = "dispatch") -> Any:
    """Two nodes that write."""
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"value": value})
    builder.add_node("b", lambda state: {"value": 2})
    return api.compile(builder.add_edge(START, "a").add_edge("a", "b"), arm, checkpointer=saver)


@pytest.mark.parametrize(("saver_type", "own_thread"), [(InMemorySaver, True), (Derived, False)])
def test_memory_is_saved_to_on_the_spot(saver_type: Any, own_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread; whatever another saver does may take its time, so it is given threads."""
    monkeypatch.setattr(executors, "WORTH_A_THREAD_S", math.inf)
    serde = Watched()
    graph = graph_of(saver_type(serde=serde))
    assert graph.invoke({}, CONFIG) == {"value": 2}
    assert (serde.threads == {threading.current_thread().name}) is own_thread
    assert [each.values for each in graph.get_state_history(CONFIG)] == [{"value": 2}, {"value": 1}, {}, {}]


def test_a_large_state_is_saved_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a save took long, nodes run meanwhile, as in LangGraph; the history is the same."""
    monkeypatch.setattr(executors, "WORTH_A_THREAD_S", -1.0)
    serde = Watched()
    graph = graph_of(InMemorySaver(serde=serde))
    assert graph.invoke({}, CONFIG) == {"value": 2}
    assert len(serde.threads) > 1
    assert [each.values for each in graph.get_state_history(CONFIG)] == [{"value": 2}, {"value": 1}, {}, {}]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_every_durability_keeps_the_same_history(durability: Any) -> None:
    """What is stored is what LangGraph stores, called either way."""
    for asynchronous in (False, True):
        histories = []
        for arm in ("none", "dispatch"):
            graph = graph_of(InMemorySaver(), arm=arm)
            if asynchronous:
                asyncio.run(graph.ainvoke({}, CONFIG, durability=durability))
            else:
                graph.invoke({}, CONFIG, durability=durability)
            histories.append([(each.values, each.next, each.metadata) for each in graph.get_state_history(CONFIG)])
        assert histories[0] == histories[1]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("arm", ["none", "dispatch"])
def test_what_cannot_be_saved_fails_the_run_at_its_end(arm: str, asynchronous: bool) -> None:
    """The later node has run by then, as it has in LangGraph."""
    ran: list[str] = []
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"value": lambda: None})
    builder.add_node("b", lambda state: ran.append("b"))
    builder.add_edge(START, "a").add_edge("a", "b")
    graph = api.compile(builder, arm, checkpointer=InMemorySaver())
    with pytest.raises(TypeError, match="not msgpack serializable"):
        asyncio.run(graph.ainvoke({}, CONFIG)) if asynchronous else graph.invoke({}, CONFIG)
    assert ran == ["b"]


@pytest.mark.parametrize("arm", ["none", "dispatch"])
def test_a_failed_save_is_reported_once(arm: str) -> None:
    """By the run that it fails: the event loop has no error besides that nobody asked for."""
    reported: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        with pytest.raises(TypeError, match="not msgpack serializable"):
            await graph_of(InMemorySaver(), lambda: None, arm).ainvoke({}, CONFIG)
        gc.collect()

    asyncio.run(run())
    assert reported == []


def test_a_pool_is_made_when_it_is_needed() -> None:
    """And ends with the run."""
    executor = Executor({})
    with executor as submit:
        assert executor._pool is None
        assert submit(threading.current_thread).result() is not threading.current_thread()
        pool: Any = executor._pool
        assert submit(lambda: 2).result() == 2
        assert executor._pool is pool
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)


def test_a_save_that_waits_is_given_a_task() -> None:
    """Where something comes before it that is not done."""

    async def run() -> list[str]:
        saver = InMemorySaver()
        saved: list[str] = []
        waiting = asyncio.Event()

        async def aput_writes(self: Any) -> None:
            await waiting.wait()
            saved.append("late")

        async with AsyncExecutor({}) as submit:
            future = submit(aput_writes.__get__(saver))
            assert not future.done()
            waiting.set()
        return saved

    assert asyncio.run(run()) == ["late"]
