"""Requests that are written together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from optiflow.checkpoints.together import AsyncTogether, Outcome, Together, _Waiting


class Writer:
    """Notes the groups that it is given; the first one waits until it may go on."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def write(self, requests: Sequence[str]) -> Sequence[Outcome]:
        """Fail whatever is called bad, and everything where one is called fatal."""
        self.groups.append(list(requests))
        if len(self.groups) == 1:
            self.begun.set()
            assert self.go_on.wait(10)
        if "fatal" in requests:
            raise OSError("all of it")
        return [ValueError(request) if request == "bad" else None for request in requests]


def submitted(writer: Writer, *requests: str) -> list[BaseException | None]:
    """How requests ended that all came while a first one was being written."""
    together: Together[str] = Together(writer.write, threading.Lock())
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        first = pool.submit(together.submit, "first")
        assert writer.begun.wait(10)
        others = [pool.submit(together.submit, request) for request in requests]
        while len(together._waiting) <= len(requests):
            threading.Event().wait(0.001)
        writer.go_on.set()
        assert first.result() is None
        return [future.exception() for future in others]


def test_what_waits_is_written_together() -> None:
    """One group for all that came meanwhile, and each caller hears of its own request."""
    writer = Writer()
    a, bad, b = submitted(writer, "a", "bad", "b")
    assert a is b is None
    assert isinstance(bad, ValueError)
    assert [sorted(group) for group in writer.groups] == [["first"], ["a", "b", "bad"]]


def test_a_writer_that_breaks_is_everybodys_failure() -> None:
    """Whatever it raises, all that were in the group hear of it, and the next request is written."""
    writer = Writer()
    outcomes = submitted(writer, "a", "fatal")
    assert all(isinstance(outcome, OSError) for outcome in outcomes)


class AsyncWriter(Writer):
    """The same for tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def awrite(self, requests: Sequence[str]) -> Sequence[Outcome]:
        """Wait for the release with the first group."""
        if not self.groups:
            self.go_on.set()
            outcomes = self.write(requests)
            await self.released.wait()
            return outcomes
        return self.write(requests)


def test_tasks_are_written_together_too() -> None:
    """One group for all that came meanwhile, and each task hears of its own request."""

    async def run() -> None:
        writer = AsyncWriter()
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        first = asyncio.create_task(together.submit("first"))
        while not writer.groups:
            await asyncio.sleep(0)
        others = [asyncio.create_task(together.submit(request)) for request in ("a", "bad", "b")]
        while len(together._waiting) < 3:
            await asyncio.sleep(0)
        writer.released.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        assert outcomes[:2] == [None, None]
        assert isinstance(outcomes[2], ValueError)
        assert writer.groups == [["first"], ["a", "bad", "b"]]
        assert together._task is None

    asyncio.run(run())


def test_a_cancelled_caller_takes_nobody_with_it() -> None:
    """Its request is written all the same, as it is with LangGraph once it was sent, and so are the others."""

    async def run() -> None:
        writer = AsyncWriter()
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        first = asyncio.create_task(together.submit("first"))
        while not writer.groups:
            await asyncio.sleep(0)
        other = asyncio.create_task(together.submit("other"))
        while not together._waiting:
            await asyncio.sleep(0)
        first.cancel()
        writer.released.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        await other
        assert writer.groups == [["first"], ["other"]]

    asyncio.run(run())


def test_tasks_hear_of_a_writer_that_breaks() -> None:
    """All in the group and all behind it fail with what it raised, and the next request is written."""

    async def run() -> None:
        writer = AsyncWriter()
        writer.groups.append([])
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        outcomes = await asyncio.gather(together.submit("fatal"), together.submit("a"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [OSError, OSError]
        await together.submit("next")
        assert writer.groups[-1] == ["next"]

    asyncio.run(run())


def test_a_write_that_is_broken_off_is_nobodys_failure() -> None:
    """Where the write itself is cancelled, those who wait for it are written by the next one."""

    async def run() -> list[list[str]]:
        writer = AsyncWriter()
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        caller = asyncio.create_task(together.submit("first"))
        while not writer.groups:
            await asyncio.sleep(0)
        behind = together.enqueue("behind", 0.001)
        assert together._task is not None
        together._task.cancel()
        await caller
        assert behind is not None
        await behind
        return writer.groups

    assert asyncio.run(run()) == [["first"], ["first", "behind"]]


def test_ctrl_c_stays_with_the_caller_that_it_hit() -> None:
    """Whoever waits behind it writes for itself; of the caller's own request nothing is left."""
    groups: list[list[str]] = []

    def write(requests: Sequence[str]) -> Sequence[Outcome]:
        groups.append(list(requests))
        if "main" in requests:
            raise KeyboardInterrupt
        return [None] * len(requests)

    lock = threading.Lock()
    together: Together[str] = Together(write, lock)
    together._waiting.append(_Waiting("other"))
    with pytest.raises(KeyboardInterrupt):
        together.submit("main")
    assert not lock.locked()
    together.submit("next")
    assert groups == [["other", "main"], ["other", "next"]]
    assert together._waiting == []


def test_what_is_done_is_not_written_again() -> None:
    """Where a signal came between two steps, and it is still there."""
    groups: list[list[str]] = []

    def write(requests: Sequence[str]) -> Sequence[Outcome]:
        groups.append(list(requests))
        return [None] * len(requests)

    together: Together[str] = Together(write, threading.Lock())
    done = _Waiting("done")
    done.done = True
    together._waiting.append(done)
    together.submit("next")
    assert groups == [["next"]]


def test_a_thread_whose_write_fails_for_ctrl_c_leaves_the_others_theirs() -> None:
    """Two threads wait for a third that is hit while it writes for all of them."""
    writer = Writer()
    hit = threading.Event()

    def write(requests: Sequence[str]) -> Sequence[Outcome]:
        outcomes = writer.write(requests)
        if len(requests) > 1 and not hit.is_set():
            hit.set()
            raise KeyboardInterrupt
        return outcomes

    together: Together[str] = Together(write, threading.Lock())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(together.submit, "first")
        assert writer.begun.wait(10)
        others = [pool.submit(together.submit, request) for request in ("a", "b", "c")]
        while len(together._waiting) < 4:
            threading.Event().wait(0.001)
        writer.go_on.set()
        assert first.result(10) is None
        failures = [future.exception(10) for future in others]
    assert [type(failure) for failure in failures].count(KeyboardInterrupt) == 1
    assert failures.count(None) == 2


def test_a_request_of_another_loop_is_written_by_itself() -> None:
    """A task of one loop never has to wake one of another."""

    async def write(requests: Sequence[str]) -> Sequence[Outcome]:
        return [ValueError(request) if request == "bad" else None for request in requests]

    together: AsyncTogether[str] = AsyncTogether(write, asyncio.Lock())
    other = asyncio.new_event_loop()
    pending = other.create_task(asyncio.sleep(0))
    together._task = pending  # as if it were writing
    asyncio.run(together.submit("good"))
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(together.submit("bad"))
    other.run_until_complete(pending)
    other.close()


def test_requests_that_may_wait_are_written_together_later() -> None:
    """With the first that may not, when somebody flushes or reads, or when their time has come."""

    async def run() -> list[list[str]]:
        writer = AsyncWriter()
        writer.groups.append([])
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        first = together.enqueue("first", 3600)
        await asyncio.sleep(0)
        assert first is not None
        assert not first.done()
        await together.submit("at once")
        assert first.done()
        flushed = [together.enqueue(name, 3600) for name in ("a", "b")]
        together.flush()
        await asyncio.gather(*filter(None, flushed))
        together.enqueue("read", 3600)
        await together.settle()
        timed = together.enqueue("timed", 0.001)
        assert timed is not None
        await timed
        return writer.groups[1:]

    assert asyncio.run(run()) == [["first", "at once"], ["a", "b"], ["read"], ["timed"]]


def test_what_may_wait_does_not_follow_a_write_at_once() -> None:
    """It is given its time, though the writer comes back to find it."""

    async def run() -> None:
        writer = AsyncWriter()
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        first = asyncio.create_task(together.submit("first"))
        while not writer.groups:
            await asyncio.sleep(0)
        later = together.enqueue("later", 3600)
        assert later is not None
        writer.released.set()
        await first
        while together._task is not None:
            await asyncio.sleep(0)
        assert not later.done()
        await together.settle()
        assert writer.groups == [["first"], ["later"]]

    asyncio.run(run())


def test_a_loop_that_was_closed_holds_nobody_up() -> None:
    """What waited in it is gone with it."""

    async def left() -> AsyncTogether[str]:
        writer = AsyncWriter()
        writer.groups.append([])
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        together.enqueue("gone", 3600)
        return together

    together = asyncio.run(left())

    async def another() -> None:
        together.flush()
        await together.settle()
        await together.submit("mine")

    asyncio.run(another())
    assert together._write.__self__.groups == [[], ["mine"]]  # type: ignore[attr-defined]


def test_a_task_that_is_cancelled_before_it_began_is_followed_by_another() -> None:
    """An event loop that ends cancels all its tasks; those that then still save something do not wait without end."""

    async def run() -> None:
        writer = AsyncWriter()
        writer.groups.append([])
        together: AsyncTogether[str] = AsyncTogether(writer.awrite, asyncio.Lock())
        first = together.enqueue("first", 0)
        assert first is not None
        assert together._task is not None
        together._task.cancel()
        async with asyncio.timeout(10):
            await together.submit("second")
            await first
        assert [request for group in writer.groups for request in group] == ["first", "second"]

    asyncio.run(run())
