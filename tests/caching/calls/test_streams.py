"""Streams that several callers read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from optiflow.caching.calls import activate
from optiflow.caching.calls.flights import is_alone
from optiflow.caching.calls.parts import Part
from optiflow.caching.calls.streams import AsyncSharedStream, LostError, SharedStream, Streams


def parts(*failures: BaseException, closed: list[int] | None = None) -> Generator[Part]:
    """A stream of two parts, or one and a failure."""
    try:
        yield Part(None, [("0", {})])
        for failure in failures:
            raise failure
        assert is_alone()
        yield Part(None, [("1", {})])
    except GeneratorExit:
        if closed is not None:
            closed.append(1)
        raise


async def parts_async(*failures: BaseException) -> AsyncGenerator[Part]:
    """The same on a loop."""
    for part in parts(*failures):
        await asyncio.sleep(0)
        yield part


def names(read: Any) -> list[str]:
    """What parts say."""
    return [part.tokens[0][0] for part in read]


# Threads.


def test_nobody_depends_on_another_reading_on() -> None:
    """A reader gets all of a stream though who began it does not read on, in the same thread."""
    stream = SharedStream(parts())
    leader = stream.read(leads=True)
    follower = stream.read(leads=False)
    assert next(leader).tokens[0][0] == "0"
    assert names(follower) == ["0", "1"]
    assert names(leader) == ["1"]
    assert not is_alone()


def test_stream_that_lies_half_read_is_not_joined() -> None:
    """It may be dead by now: whoever asks the same begins a stream of his own."""
    streams: Streams[SharedStream] = Streams()
    first, leads = streams.join("key", None, lambda: SharedStream(parts()))
    assert leads
    assert streams.join("key", None, lambda: SharedStream(parts())) == (first, False)
    reader = first.read(leads=True)
    next(reader)
    second, leads = streams.join("key", None, lambda: SharedStream(parts()))
    assert leads
    assert second is not first
    assert not streams.leave("key", None, first)
    assert streams.leave("key", None, first)
    assert streams.join("key", None, lambda: SharedStream(parts())) == (second, False)


def test_stream_can_be_joined_while_somebody_waits_for_it(answering: Any) -> None:
    """Who joins gets what came so far, and the rest."""
    answering.allowed = 1
    with activate("deterministic") as statistics, ThreadPoolExecutor(2) as pool:
        model = answering.model()
        seen: list[str] = []

        def lead() -> None:
            seen.extend(chunk.text for chunk in model.stream("hi"))

        leader = pool.submit(copy_context().run, lead)
        answering.until(advancing)
        follower = pool.submit(copy_context().run, lambda: [chunk.text for chunk in model.stream("hi")])
        answering.until(lambda: joined() == 2)
        answering.allowed = 9
        leader.result()
        assert follower.result() == seen == ["answer ", "1", ""]
    assert statistics.merged == 1


def open_streams() -> list[SharedStream]:
    """The streams of threads under way."""
    from optiflow.caching.calls.activation import _current

    calls = _current.get()
    assert calls is not None
    return list(calls._streams._streams.values())


def advancing() -> bool:
    """Whether somebody waits for a second part."""
    return any(stream._advances and len(stream._parts) == 1 for stream in open_streams())


def joined() -> int:
    """How many read."""
    return sum(stream.readers for stream in open_streams())


def test_failure_of_a_stream() -> None:
    """It hits who asked, and who was given some of it already; others may ask anew."""
    failure = ValueError("x")
    stream = SharedStream(parts(failure))
    leader, reader, late = (stream.read(leads=leads) for leads in (True, False, False))
    next(leader)
    next(reader)
    for each in (leader, reader):
        with pytest.raises(ValueError, match="x"):
            next(each)
    assert next(late).tokens[0][0] == "0"
    with pytest.raises(ValueError, match="x"):
        next(late)


def test_failure_before_anything() -> None:
    """Who follows has lost nothing."""

    def failing() -> Generator[Part]:
        raise ValueError("x")
        yield

    stream = SharedStream(failing())
    with pytest.raises(LostError):
        next(stream.read(leads=False))
    with pytest.raises(ValueError, match="x"):
        next(stream.read(leads=True))
    assert not stream.is_open


def test_interruption_hits_who_is_interrupted() -> None:
    """It is no failure of the stream, which nobody can read any more all the same."""

    def interrupted() -> Generator[Part]:
        raise KeyboardInterrupt
        yield

    stream = SharedStream(interrupted())
    with pytest.raises(KeyboardInterrupt):
        next(stream.read(leads=False))
    with pytest.raises(LostError):
        next(stream.read(leads=False))


def test_model_works_in_one_context() -> None:
    """Whoever makes it go on: a model may set a variable before a part and take it back after."""
    variable: ContextVar[int] = ContextVar("variable", default=0)

    def setting() -> Generator[Part]:
        token = variable.set(1)
        yield Part(None)
        variable.reset(token)

    stream = SharedStream(setting())
    leader, follower = stream.read(leads=True), stream.read(leads=False)
    next(leader)
    assert variable.get() == 0
    thread = threading.Thread(target=copy_context().run, args=(list, follower))
    thread.start()
    thread.join()
    assert list(leader) == []


def test_stream_that_nobody_reads_is_left(answering: Any) -> None:
    """The model hears that nobody reads on when the last reader has gone, and only then."""
    closed: list[int] = []
    stream = SharedStream(parts(closed=closed))
    next(stream.read(leads=True))
    stream.give_up()
    assert closed == [1]
    with activate("deterministic"):
        reader = answering.model().stream("hi")
        next(reader)
        reader.close()
    assert answering.given_up == 1


def test_failed_streams_of_callers(answering: Any) -> None:
    """Each failing request fails for one caller; in the end everybody asks alone."""
    answering.failures = {number: ValueError(number) for number in range(1, 5)}
    answering.allowed = 0

    def call() -> Any:
        try:
            return "".join(chunk.text for chunk in model.stream("hi"))
        except ValueError as error:
            return error

    with activate("deterministic") as statistics, ThreadPoolExecutor(6) as pool:
        model = answering.model()
        futures = [pool.submit(copy_context().run, call) for _ in range(6)]
        answering.until(lambda: joined() == 6)
        answering.allowed = 9
        answers = [future.result() for future in futures]
    failures = [str(answer) for answer in answers if isinstance(answer, ValueError)]
    assert sorted(failures) == ["1", "2", "3", "4"]
    assert statistics.merged <= 1


# Coroutines.


async def test_nobody_depends_on_another_reading_on_in_a_loop() -> None:
    """A coroutine gets all of a stream though who began it does not read on."""
    stream = AsyncSharedStream(parts_async())
    leader, follower = stream.read(leads=True), stream.read(leads=False)
    assert (await anext(leader)).tokens[0][0] == "0"
    assert names([part async for part in follower]) == ["0", "1"]
    assert names([part async for part in leader]) == ["1"]
    await stream.give_up()


async def test_model_is_asked_as_far_as_somebody_reads() -> None:
    """Nothing is read ahead."""
    taken: list[int] = []

    async def counting() -> AsyncGenerator[Part]:
        for number in range(9):
            taken.append(number)
            yield Part(None, [(str(number), {})])

    stream = AsyncSharedStream(counting())
    reader = stream.read(leads=True)
    await anext(reader)
    for _ in range(20):
        await asyncio.sleep(0)
    assert taken == [0]
    assert not stream.is_open
    await stream.give_up()
    assert taken == [0]


async def test_cancelled_reader_of_a_stream(answering: Any) -> None:
    """Whoever is cancelled, the others read on, even if he was who asked."""
    answering.allowed = 1
    with activate("deterministic"):
        model = answering.model()
        seen: list[list[str]] = [[], [], []]

        async def read(index: int) -> None:
            async for chunk in model.astream("hi"):
                seen[index].append(chunk.text)

        tasks = [asyncio.create_task(read(index)) for index in range(3)]
        await answering.until_async(lambda: all(seen))
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.wait(tasks[:2])
        answering.allowed = 9
        await tasks[2]
    assert seen == [["answer "], ["answer "], ["answer ", "1", ""]]
    assert answering.requests == 1
    assert answering.given_up == 0


async def test_stream_that_nobody_reads_is_left_in_a_loop(answering: Any) -> None:
    """The model has been left when the last reader's task is over."""
    answering.allowed = 1
    with activate("deterministic"):
        tasks = [asyncio.create_task(anext(answering.model().astream("hi"))) for _ in range(2)]
        await asyncio.gather(*tasks)
        reader = answering.model().astream("hi")
        await anext(reader)
        await reader.aclose()
        answering.allowed = 0
        waiting = asyncio.create_task(anext(answering.model().astream("ho")))
        await answering.until_async(lambda: answering.requests == 3)
        waiting.cancel()
        await asyncio.wait({waiting})
        unstarted = asyncio.create_task(anext(answering.model().astream("hu")))
        await asyncio.sleep(0)
        unstarted.cancel()
        await asyncio.wait({unstarted})
        await answering.until_async(lambda: answering.given_up >= 3)


async def test_failed_streams_of_coroutines(answering: Any) -> None:
    """Each failing request fails for one caller; in the end everybody asks alone."""
    answering.failures = {number: ValueError(number) for number in range(1, 5)}

    async def call() -> str:
        return "".join([chunk.text async for chunk in model.astream("hi")])

    with activate("deterministic"):
        model = answering.model()
        answers = await asyncio.gather(*(call() for _ in range(6)), return_exceptions=True)
    failures = [str(answer) for answer in answers if isinstance(answer, ValueError)]
    assert sorted(failures) == ["1", "2", "3", "4"]


async def test_failure_in_the_middle_in_a_loop(answering: Any) -> None:
    """Who was given some of the answer can't begin anew: it is his failure too."""
    answering.failures = {1: ValueError("x")}
    answering.fails_after = 2
    with activate("deterministic"):
        model = answering.model()
        answers = await asyncio.gather(*(asyncio.create_task(collect(model)) for _ in range(3)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["x"] * 3
    assert answering.requests == 1


async def collect(model: Any) -> list[Any]:
    """All chunks of an answer."""
    return [chunk async for chunk in model.astream("hi")]


def test_interruption_on_a_loop() -> None:
    """It goes where it would go."""

    async def interrupted() -> AsyncGenerator[Part]:
        raise KeyboardInterrupt
        yield

    async def main() -> None:
        await anext(AsyncSharedStream(interrupted()).read(leads=True))

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
