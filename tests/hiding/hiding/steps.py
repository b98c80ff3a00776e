"""Nodes put together from what they do before and after they wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hiding.models import LLM
from hiding.scene import Pair

__all__ = ["asking", "idle", "resting", "working"]

Act = Callable[[Any], Any]


def idle(s: Any) -> None:
    """Do nothing."""


def asking(key: str, first: Act = idle, last: Act = idle, llm: Any = LLM) -> Pair:
    """A node that asks a model between two acts."""

    def sync(s: Any) -> Any:
        one = first(s)
        text = llm.invoke(f"about {key}").content
        return {key: [one, text, last(s)]}

    async def asynchronous(s: Any) -> Any:
        one = first(s)
        text = (await llm.ainvoke(f"about {key}")).content
        return {key: [one, text, last(s)]}

    return sync, asynchronous


def resting(key: str, first: Act = idle, last: Act = idle, pause: float = 0.01) -> Pair:
    """A node that sleeps between two acts."""

    def sync(s: Any) -> Any:
        one = first(s)
        time.sleep(pause)
        return {key: [one, last(s)]}

    async def asynchronous(s: Any) -> Any:
        one = first(s)
        await asyncio.sleep(pause)
        return {key: [one, last(s)]}

    return sync, asynchronous


def working(key: str, act: Act) -> Pair:
    """A node that only acts."""

    def sync(s: Any) -> Any:
        return {key: act(s)}

    async def asynchronous(s: Any) -> Any:
        return {key: act(s)}

    return sync, asynchronous
