"""Async nodes whose blocking calls do not hold the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from optiflow.offload.stepping import in_thread, stepwise

value: ContextVar[int] = ContextVar("value", default=0)

BOTH = pytest.mark.parametrize("free", [stepwise, in_thread])


class Blocker:
    """Stands for a blocking call: every `time.sleep` waits until all have come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=20)
        self.threads: list[int] = []
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.threads.append(threading.get_ident())
        self.barrier.wait()


class Gate:
    """A blocking call that ends when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.entered.set()
        assert self.open.wait(20)

    async def reached(self) -> None:
        """Wait until the call has begun."""
        while not self.entered.is_set():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_blocking_calls_overlap(monkeypatch: pytest.MonkeyPatch, loop_factory: Any) -> None:
    """Nodes that block at once all go on, each on the loop's thread with its own context variables."""
    blocker = Blocker(monkeypatch, 5)

    async def node(number: int) -> tuple[int, int, asyncio.Task[Any] | None]:
        value.set(number)
        await asyncio.sleep(0)
        time.sleep(1)
        await asyncio.sleep(0)
        return value.get(), threading.get_ident(), asyncio.current_task()

    async def main() -> list[Any]:
        tasks = [asyncio.ensure_future(stepwise(node)(number)) for number in range(5)]
        results = await asyncio.gather(*tasks)
        assert [task for _, _, task in results] == tasks
        return results

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        results = runner.run(main())
    assert [seen for seen, _, _ in results] == list(range(5))
    assert {thread for _, thread, _ in results} == {threading.get_ident()}
    assert threading.get_ident() not in blocker.threads


async def test_a_node_without_await_runs_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, with the context variables of its caller."""
    Blocker(monkeypatch, 3)

    async def node() -> tuple[int, int]:
        time.sleep(1)
        return value.get(), threading.get_ident()

    value.set(7)
    results = await asyncio.gather(*(in_thread(node)() for _ in range(3)))
    assert {seen for seen, _ in results} == {7}
    assert threading.get_ident() not in {thread for _, thread in results}


async def test_a_node_that_awaits_after_all_is_an_error() -> None:
    """A thread has no loop to await on."""

    async def node() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="did await"):
        await in_thread(node)()


async def test_gathered_coroutines_overlap_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node gathers is stepped as the node is; futures are gathered as they are."""
    Blocker(monkeypatch, 3)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ready.set_result("ready")

    async def inner(number: int) -> int:
        time.sleep(1)
        return number

    async def node() -> list[Any]:
        same = inner(2)
        return await asyncio.gather(inner(0), ready, inner(1), same, same)

    assert await stepwise(node)() == [0, "ready", 1, 2, 2]


async def test_what_is_gathered_is_cancelled_with_the_node() -> None:
    """Even before it starts, and without a coroutine left that nobody awaited."""
    started = []

    async def inner() -> None:
        started.append(1)

    async def node() -> None:
        work = asyncio.gather(inner())
        work.cancel()
        await work

    with pytest.raises(asyncio.CancelledError):
        await stepwise(node)()
    gc.collect()
    assert not started


@BOTH
async def test_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, free: Callable[..., Any]) -> None:
    """The node can handle what its blocking call raises, and else it is seen where it was."""

    def fail(seconds: float) -> None:
        raise StopIteration("no") if seconds else ValueError("zero")

    monkeypatch.setattr(time, "sleep", fail)

    async def handles() -> str:
        try:
            time.sleep(0)
        except ValueError as error:
            return str(error)
        return "nothing raised"

    async def raises() -> None:
        time.sleep(0)

    async def stops() -> None:
        time.sleep(1)

    assert await free(handles)() == "zero"
    with pytest.raises(ValueError, match="zero") as caught:
        await free(raises)()
    assert {"raises", "fail"} <= {frame.name for frame in traceback.extract_tb(caught.value.__traceback__)}
    with pytest.raises(RuntimeError, match="StopIteration"):
        await free(stops)()


async def test_errors_of_awaits_are_the_nodes_own() -> None:
    """What is awaited raises in the node."""

    async def node() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "in time"

    assert await stepwise(node)() == "late"


@BOTH
async def test_cancelling_waits_for_the_call(monkeypatch: pytest.MonkeyPatch, free: Callable[..., Any]) -> None:
    """A blocking call runs to its end; the cancellation comes at the next await, as if the loop had been blocked."""
    gate = Gate(monkeypatch)
    reached = []

    async def node() -> None:
        time.sleep(1)
        reached.append("after the call")

    async def longer() -> None:
        await free(node)()
        await asyncio.sleep(0)
        reached.append("after the await")

    task = asyncio.ensure_future(longer())
    await gate.reached()
    task.cancel("enough")
    await asyncio.sleep(0)
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task
    assert reached == ["after the call"]
    assert task.cancelling() == 1


@pytest.mark.parametrize("gate_opens_first", [True, False])
def test_a_loop_that_ends_leaves_nothing(monkeypatch: pytest.MonkeyPatch, gate_opens_first: bool) -> None:
    """A node whose loop is closed while it blocks is closed like any coroutine."""
    gate = Gate(monkeypatch)
    seen: list[str] = []

    async def node() -> None:
        try:
            time.sleep(1)
            await asyncio.Event().wait()
        except GeneratorExit:
            seen.append("closed")
            raise

    loop = asyncio.new_event_loop()
    work = stepwise(node)()
    task = loop.create_task(work)
    loop.run_until_complete(gate.reached())
    if gate_opens_first:
        gate.open.set()
        loop.run_until_complete(loop.shutdown_default_executor())
    work.close()
    gate.open.set()
    loop.run_until_complete(loop.shutdown_default_executor())
    assert seen == ["closed"]
    task.cancel()
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_async_generators_work_inside() -> None:
    """A node may iterate over what blocks and awaits."""
    real = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            time.sleep(0)
            yield number
        real.set()

    async def node() -> list[int]:
        return [number async for number in numbers()]

    assert await stepwise(node)() == [0, 1, 2]
    assert real.is_set()


async def test_a_stepped_node_within_another() -> None:
    """Each finds its way back, however their steps interleave."""

    async def inner(number: int) -> int:
        time.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0)
        return number

    async def outer(number: int) -> int:
        time.sleep(0)
        result: int = await stepwise(inner)(number)
        time.sleep(0)
        await asyncio.sleep(0)
        return result

    assert await asyncio.gather(*(stepwise(outer)(number) for number in range(10))) == list(range(10))


async def test_calls_outside_of_a_node_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nodes are stepped, other code on the loop and in threads blocks as ever; afterwards nothing is left."""
    gate = Gate(monkeypatch)
    plain, gather = time.sleep, asyncio.gather

    async def node() -> None:
        time.sleep(1)

    task = asyncio.ensure_future(stepwise(node)())
    await gate.reached()
    gate.open.set()
    assert time.sleep is not plain
    time.sleep(0)
    assert await asyncio.gather(asyncio.sleep(0, "other")) == ["other"]
    await task
    assert time.sleep is plain
    assert asyncio.gather is gather


async def test_models_are_asked_in_threads() -> None:
    """The whole call, callbacks and all, leaves the loop; so does one through a chain."""
    threads = []

    class Model(FakeListChatModel):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            threads.append(threading.get_ident())
            return super()._call(*args, **kwargs)

    model: BaseChatModel = Model(responses=["hello"])

    async def node() -> list[Any]:
        await asyncio.sleep(0)
        return [model.invoke("hi").content, (model | (lambda message: message.content)).invoke("hi")]

    assert await stepwise(node)() == ["hello", "hello"]
    assert len(threads) == 2
    assert threading.get_ident() not in threads
