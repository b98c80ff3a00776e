"""Calls that begin at once are prepared one after another, and sent in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from optiflow.limits.governor import Gates, govern
from optiflow.limits.settings import LimitSettings
from optiflow.limits.turns import Turns, my_turn

MANY = 10


class Model(BaseChatModel):
    """Notes when a call is prepared, and when it is sent."""

    seen: list[str]

    @property
    def _llm_type(self) -> str:
        return "noting"

    def _generate(self, messages: list[BaseMessage], *args: Any, **settings: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].text))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **settings: Any) -> ChatResult:
        self.seen.append("prepared")
        await asyncio.sleep(0)
        self.seen.append("sent")
        return self._generate(messages)


@pytest.mark.parametrize("is_governed", [True, False])
async def test_the_first_is_sent_before_the_last_is_prepared(
    is_governed: bool, settings: Callable[..., LimitSettings]
) -> None:
    """Within a run with the toggle; outside of it nothing is changed."""
    model = Model(seen=[])
    with govern(Gates(settings())) if is_governed else nullcontext():
        answers = await asyncio.gather(*(model.ainvoke(str(number)) for number in range(MANY)))
    assert [answer.text for answer in answers] == [str(number) for number in range(MANY)]
    waited = model.seen.index("sent")
    assert waited < 5 if is_governed else waited == MANY


async def test_between_two_turns_the_loop_does_everything_else() -> None:
    """And they come in order."""
    rounds, began = 0, []

    def count() -> None:
        nonlocal rounds
        rounds += 1
        loop.call_soon(count)

    async def begin(number: int) -> None:
        await my_turn()
        began.append((number, rounds))

    loop = asyncio.get_running_loop()
    loop.call_soon(count)
    await asyncio.gather(*map(begin, range(MANY)))
    assert [number for number, _ in began] == list(range(MANY))
    assert len({at for _, at in began}) == MANY


async def test_alone_one_does_not_wait() -> None:
    """Not even for one round of the loop, and again once others have had theirs."""
    turns = Turns()
    for _ in range(2):
        with pytest.raises(StopIteration):
            turns.mine().send(None)
        await asyncio.sleep(0)


async def test_whoever_was_cancelled_keeps_nobody_waiting() -> None:
    """Its turn is the next one's."""
    tasks = [asyncio.create_task(my_turn()) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in done] == [False, True, False, False]


def test_every_loop_has_its_own() -> None:
    """One that was closed while calls waited leaves nothing behind for the next."""

    async def left() -> None:
        await my_turn()
        asyncio.get_running_loop().call_soon(asyncio.create_task, my_turn())

    for _ in range(2):
        asyncio.run(left())
    asyncio.run(asyncio.wait_for(my_turn(), 5))
