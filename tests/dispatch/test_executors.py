"""Tests of where a run saves its checkpoints."""

from __future__ import annotations

import asyncio
import gc
import math
import sqlite3
import threading
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.pregel._executor import BackgroundExecutor

from optiflow import api
from optiflow.checkpoints.busy import busy
from optiflow.checkpoints.sqlite import Journal
from optiflow.checkpoints.sqlite_savers import OptimizedSqliteSaver
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


def saving_executor() -> tuple[Executor, OptimizedSqliteSaver]:
    """An executor that has had a saver's writes queued."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    saver = OptimizedSqliteSaver(SqliteSaver(connection), Journal(normal=True, pages=4000))
    executor = Executor({})
    config: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": "", "checkpoint_id": "1"}}
    executor.submit(saver.put_writes, config, [("c", 1)], "task", "")
    return executor, saver


def test_a_run_that_its_own_writer_closes_is_left_behind() -> None:
    """Nothing is waited for: what it saved is written later, and its pool ends when its tasks have."""
    executor, saver = saving_executor()
    may_end = threading.Event()
    begun = threading.Event()

    def node() -> bool:
        begun.set()
        return may_end.wait(10)

    running = executor.submit(node)
    begun.wait(10)
    blocking = [executor.submit(may_end.wait, 10) for _ in range(64)]
    waiting = executor.submit(int, __cancel_on_exit__=True)
    with busy:
        assert executor.__exit__(GeneratorExit, GeneratorExit(), None) is None
    assert not running.done()
    assert waiting.cancelled()
    saver.settle()
    assert saver.conn.execute("SELECT count(*) FROM writes").fetchone() == (1,)
    may_end.set()
    for each in threading.enumerate():
        if each.name == "abandoned run":
            each.join(10)
            assert not each.is_alive()
    assert all(each.result() for each in (running, *blocking))
    pool: Any = executor._pool
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)
    saver.conn.close()


def test_a_run_without_a_pool_leaves_nothing_to_wait_for() -> None:
    """One that has saved nothing, too."""
    executor, saver = saving_executor()
    with busy:
        assert executor.__exit__(GeneratorExit, GeneratorExit(), None) is None
        assert Executor({}).__exit__(GeneratorExit, GeneratorExit(), None) is None
    assert "abandoned run" not in [each.name for each in threading.enumerate()]
    saver.settle()
    assert saver.conn.execute("SELECT count(*) FROM writes").fetchone() == (1,)
    saver.conn.close()


def test_ctrl_c_while_a_run_ends_is_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is written by the thread that writes."""

    def interrupted(self: Any, *exception: Any) -> None:
        raise KeyboardInterrupt

    executor, saver = saving_executor()
    (save,) = executor.tasks
    with monkeypatch.context() as patched:
        patched.setattr(BackgroundExecutor, "__exit__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            executor.__exit__(None, None, None)
    assert save.result(10) is None
    saver.conn.close()


@pytest.mark.parametrize("large", [False, True])
def test_a_large_state_is_encoded_off_the_event_loop(large: bool, postgres_url: str) -> None:
    """As LangGraph's saver for PostgreSQL does; a small one is not worth the way there and back."""
    serde = Watched()
    value = [0] * 100_000 if large else [0]

    async def run() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url, serde=serde) as saver:
            await saver.setup()
            graph = graph_of(saver, value, "durability")
            assert await graph.ainvoke({}, CONFIG) == {"value": 2}
            states = [each.values async for each in graph.aget_state_history(CONFIG)]
            assert states == [{"value": 2}, {"value": value}, {}, {}]

    asyncio.run(run())
    assert threading.current_thread().name in serde.threads
    assert (len(serde.threads) > 1) is large


def test_a_state_that_was_slow_to_encode_is_encoded_off_the_event_loop(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it was, LangGraph saves the rest of the run."""
    monkeypatch.setattr(executors, "ENCODED_IN_A_THREAD_S", 0.0)
    queued: list[Any] = []
    queue = AsyncExecutor._queued

    def noted(self: Any, *args: Any) -> Any:
        queued.append(queue(self, *args))
        return queued[-1]

    monkeypatch.setattr(AsyncExecutor, "_queued", noted)

    async def run() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            await saver.setup()
            await graph_of(saver, arm="durability").ainvoke({}, CONFIG)

    asyncio.run(run())
    assert [each is None for each in queued] == [False] + [True] * (len(queued) - 1)
    assert len(queued) > 3
