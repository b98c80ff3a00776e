"""Whether a node could make a blocking call, at a glance."""

from __future__ import annotations

import functools
import time
from time import sleep as nap
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from optiflow.offload import glancing
from optiflow.offload.glancing import may_block

MODEL = FakeListChatModel(responses=["yes"])
ask = MODEL.invoke
ask_partly = functools.partial(MODEL.invoke, "q")
table = {"sleep": nap}


class Service:
    """The program's own."""

    def work(self) -> None:
        """Block."""
        time.sleep(1)


service = Service()


def helper(text: str) -> str:
    """Waits for nothing."""
    return text.upper()


def sleeping_helper() -> None:
    """Blocks."""
    time.sleep(1)


def decorated(function: Any) -> Any:
    """A decorator of the program's."""

    @functools.wraps(function)
    async def call(state: Any) -> Any:
        return await function(state)

    return call


async def asks(state: Any) -> Any:
    """Waits as it should."""
    answer = await MODEL.ainvoke(helper(f"{len(state)}"))
    return {"answer": str(answer.content)}


async def recurses(state: Any) -> Any:
    """Calls itself."""
    return await recurses(state)


async def sleeps(state: Any) -> Any:
    """Says so."""
    time.sleep(1)


async def naps(state: Any) -> Any:
    """By another name."""
    nap(1)


async def uses_helper(state: Any) -> Any:
    """Through a function of the program's."""
    sleeping_helper()


async def asks_bound(state: Any) -> Any:
    """Through a bound method."""
    return ask("q")


async def asks_partly(state: Any) -> Any:
    """Through a partial."""
    return ask_partly()


async def uses_table(state: Any) -> Any:
    """Through a container."""
    table["s"](1)


async def uses_service(state: Any) -> Any:
    """Through an object of the program's."""
    service.work()


async def uses_class(state: Any) -> Any:
    """Through a class of the program's."""
    Service().work()


async def nests(state: Any) -> Any:
    """In a function within it."""
    return (lambda: time.sleep(1))()


async def hides(state: Any) -> Any:
    """By a name that is made up."""
    getattr(time, "sle" + "ep")(1)


async def defaults(state: Any, wait: Any = nap) -> Any:
    """In a default."""
    wait(1)


async def keywords(state: Any, *, wait: Any = nap) -> Any:
    """In a keyword's default."""
    wait(1)


def closes_over(wait: Any) -> Any:
    """In a closure."""

    async def node(state: Any) -> Any:
        wait(1)

    return node


def closes_over_nothing_yet() -> Any:
    """In a closure that has no value yet."""

    async def node(state: Any) -> Any:
        later(1)

    if node is None:
        later = nap
    return node


@pytest.mark.parametrize("function", [asks, recurses, decorated(asks), closes_over(5), closes_over(len)])
def test_what_names_no_blocking_call_makes_none(function: Any) -> None:
    """Whatever it calls of others, and of the program's own."""
    assert not may_block(function)


@pytest.mark.parametrize(
    "function",
    [
        sleeps, naps, uses_helper, asks_bound, asks_partly, uses_table, uses_service, uses_class, nests, hides,
        defaults, keywords, closes_over(nap), closes_over_nothing_yet(), decorated(sleeps), service.work,
        functools.partial(asks), service,
    ],
)  # fmt: skip
def test_what_could_block_is_followed(function: Any) -> None:
    """By its name, by another, or by something that may hide it."""
    assert may_block(function)


def test_many_functions_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A glance has an end."""
    monkeypatch.setattr(glancing, "MOST_FUNCTIONS", 1)
    assert may_block(asks)
