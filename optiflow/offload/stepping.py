"""Runs an async node so that its blocking calls do not hold the event loop.

A node without a single ``await`` is sync code in disguise: `in_thread` runs it in a thread. Of a node that awaits
too, `stepwise` runs each step in a greenlet on the loop's own thread; a blocking call puts the step aside, works in a
thread while the loop goes on, and the step resumes with its result. Everything but that call stays on the loop's
thread, so clients bound to the loop keep working.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial, wraps
from types import coroutine
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from optiflow.offload.hooks import Hooks

__all__ = ["in_thread", "stepwise"]

T = TypeVar("T")
AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]


def in_thread(function: AsyncFunction) -> AsyncFunction:
    """The same async function, which never awaits, run in a thread of the loop's default executor."""

    @wraps(function)
    async def node(*args: Any, **kwargs: Any) -> Any:
        return (await _finished(partial(copy_context().run, _run_through, function(*args, **kwargs)))).get()

    return node


def stepwise(function: AsyncFunction) -> AsyncFunction:
    """The same async function, whose blocking calls leave the loop to others while they work."""

    @wraps(function)
    async def node(*args: Any, **kwargs: Any) -> Any:
        with _blocking_calls.held():
            return await _steps(function(*args, **kwargs))

    return node


def _run_through(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("a coroutine without any await did await")


class _Outcome:
    """What a call gave or raised, carried from its thread to where it belongs."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._value: Any = None
        self._error: BaseException | None = None
        try:
            self._value = call()
        except BaseException as error:  # noqa: BLE001 - raised again by `get`; a future would not take a StopIteration
            self._error = error

    def get(self) -> Any:
        """The value.

        Raises:
            BaseException: What the call raised.
        """
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error  # which refers to this frame


async def _finished(call: Callable[[], Any]) -> _Outcome:
    """Wait for a call in a thread, to its end.

    A blocking call can't be cancelled, so whoever cancels the task meanwhile does so when the call has ended: at the
    next ``await``, as if the loop had been blocked.
    """
    work = asyncio.get_running_loop().run_in_executor(None, _Outcome, call)
    cancelled: list[tuple[Any, ...]] = []
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as request:
            cancelled.append(request.args)
    task = asyncio.current_task()
    assert task is not None, "asyncio runs every coroutine in a task"
    for message in cancelled:
        task.uncancel()
        task.cancel(*message)
    return work.result()


class _Step(greenlet):
    """One step of a coroutine, from one ``await`` to the next."""

    closing = False
    """Whether the coroutine is being closed, so that nothing can be waited for any more."""

    def offload(self, call: Callable[[], Any]) -> Any:
        """Put the step aside until the call has been made in a thread."""
        assert self.parent is not None, "only the loop's own greenlet has no parent"
        return self.parent.switch(call).get()


@coroutine
def _steps(work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    resume: Callable[[Any], Any] = work.send
    given: Any = None
    try:
        while True:
            ended, value = yield from _one_step(_Step(partial(_advance, resume)), given)
            if ended:
                result: T = value
                return result
            try:
                resume, given = work.send, (yield value)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - thrown into the coroutine, whose business it is
                resume, given = work.throw, error
    finally:
        work.close()


def _advance(resume: Callable[[Any], Any], given: Any) -> tuple[bool, Any]:
    """Whether the coroutine has ended, and its result or what it waits for."""
    try:
        return False, resume(given)
    except StopIteration as stop:
        return True, stop.value


def _one_step(step: _Step, given: Any) -> Generator[Any, Any, tuple[bool, Any]]:
    """Run a step to its end, and the calls that it puts itself aside for."""
    step.gr_context = getcurrent().gr_context
    asked = step.switch(given)
    while not step.dead:
        try:
            outcome = yield from _finished(asked).__await__()
        except BaseException as error:  # noqa: BLE001 - raised where the call was made
            step.closing = isinstance(error, GeneratorExit)
            step.parent = getcurrent()
            asked = step.throw(error)
        else:
            step.parent = getcurrent()
            asked = step.switch(outcome)
    ended: tuple[bool, Any] = asked
    return ended


def _offloaded(plain: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        step = getcurrent()
        if isinstance(step, _Step) and not step.closing:
            return step.offload(partial(copy_context().run, plain, *args, **kwargs))
        return plain(*args, **kwargs)

    return call


def _stepped_too(gather: Callable[..., Any]) -> Callable[..., Any]:
    def call(*awaitables: Any, **kwargs: Any) -> Any:
        if isinstance(getcurrent(), _Step):
            tasks = {work: _task(work) for work in dict.fromkeys(filter(asyncio.iscoroutine, awaitables))}
            awaitables = tuple(tasks.get(each, each) for each in awaitables)
        return gather(*awaitables, **kwargs)

    return call


def _task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    async def stepped() -> T:
        return await _steps(work)

    task = asyncio.get_running_loop().create_task(stepped())
    # A task that is cancelled before it starts never comes to close what it was to run.
    task.add_done_callback(lambda _: work.close())
    return task


_blocking_calls = Hooks(
    {
        ("time", "sleep"): _offloaded,
        ("requests.sessions", "Session.request"): _offloaded,
        ("httpx", "Client.send"): _offloaded,
        ("httpx2", "Client.send"): _offloaded,
        ("urllib.request", "OpenerDirector.open"): _offloaded,
        ("langchain_core.language_models", "BaseChatModel.invoke"): _offloaded,
        ("asyncio", "gather"): _stepped_too,
    }
)
"""Whole operations, never their sockets: no lock of a library is held while a step is put aside."""
