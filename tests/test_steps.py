"""One way through something, on threads and on event loops."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from optiflow.steps import Steps, walk, walk_async

within: ContextVar[str] = ContextVar("within", default="nothing")


def taking(*names: str) -> Steps[str, list[str]]:
    """Asks for something by each name; what fails is noted and gone past, but for the last."""
    got = []
    token = within.set("steps")
    try:
        for name in names[:-1]:
            try:
                got.append((yield name))
            except KeyError as error:
                got.append(f"no {error.args[0]}")
        got.append((yield names[-1]))
        return got
    finally:
        within.reset(token)


def do(name: str) -> str:
    """Gives what is asked for, but for what begins with x; says where."""
    if name.startswith("x"):
        raise KeyError(name)
    return f"{name} in {within.get()}"


async def do_async(name: str) -> str:
    """As `do`, after a while."""
    await asyncio.sleep(0)
    return do(name)


def both(*names: str) -> list[list[str]]:
    """What comes of it in either way."""
    return [walk(taking(*names), do), asyncio.run(walk_async(taking(*names), do_async))]


def test_steps_are_told_what_came_of_them() -> None:
    """Values and errors, in order; what they set in the context holds for what is done."""
    assert both("a", "xb", "c") == [["a in steps", "no xb", "c in steps"]] * 2


@pytest.mark.parametrize("way", [lambda: walk(taking("a", "x"), do), lambda: asyncio.run(_last_fails())])
def test_what_the_steps_do_not_catch_is_raised(way: Any) -> None:
    """As it was, and what they set is taken back."""
    with pytest.raises(KeyError, match="x"):
        way()
    assert within.get() == "nothing"


@pytest.mark.parametrize("error", [StopIteration("end"), RuntimeError("run")])
def test_an_error_that_would_end_a_generator_is_raised_as_any_other(error: Exception) -> None:
    """A function may raise StopIteration, by mistake or not."""

    def fail(_: str) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)) as caught:
        walk(taking("a"), fail)
    assert caught.value is error


async def _last_fails() -> None:
    await walk_async(taking("a", "x"), do_async)


async def test_being_cancelled_ends_the_steps() -> None:
    """They clean up, and whoever cancelled is told."""
    ended = []

    def waiting() -> Steps[str, None]:
        try:
            yield "for ever"
        finally:
            ended.append(True)

    async def wait(_: str) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(walk_async(waiting(), wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
