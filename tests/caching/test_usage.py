"""What models answer in a block."""

from __future__ import annotations

import asyncio

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from optiflow.caching.usage import collect_answers, cost
from optiflow.tokens.prices import price_usd


def model(*answers: AIMessage) -> GenericFakeChatModel:
    """A model that gives these answers."""
    return GenericFakeChatModel(messages=iter(answers))


def answer(tokens: int) -> AIMessage:
    """An answer of so many tokens."""
    usage = {"input_tokens": 1, "output_tokens": tokens, "total_tokens": tokens + 1}
    return AIMessage("a", usage_metadata=usage, response_metadata={"model_name": "gpt-4o"})


async def test_answers_are_heard_wherever_they_are_given() -> None:
    """In tasks and threads of the block, and nowhere else."""
    asked = model(answer(1), answer(10), answer(100), AIMessage("no usage", id="own"))
    asked.invoke("outside")
    with collect_answers() as answers:
        first, second = await asyncio.gather(asked.ainvoke("x"), asyncio.to_thread(asked.invoke, "y"))
        asked.invoke("z")
    assert sorted(answers.usages) == [("", 0, 0), ("gpt-4o", 1, 10), ("gpt-4o", 1, 100)]
    assert answers.ids == {first.id, second.id, "own"}
    model(answer(5)).invoke("after")
    assert len(answers.usages) == 3


def test_tokens_and_money() -> None:
    """Dollars as far as a price is known."""
    tokens, dollars = cost([("gpt-4o", 1000, 500), ("own-model", 10, 1), ("", 1, 1)])
    assert tokens == 1513
    assert dollars == (price_usd("gpt-4o", 1000, 500) or 0.0)
