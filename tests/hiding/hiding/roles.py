"""Nodes: the innocent ones that wait, and those that look at a shared thing."""

# ruff: noqa: D103 - what a node does, its name says

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from hiding.models import LLM
from hiding.scene import Look, Pair

__all__ = ["EARLY", "INNOCENT", "LATE", "asks", "collects", "fails", "moves", "sleeps"]


def sleeps(key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        time.sleep(pause)
        return {key: f"{key} after {len(str(s[need]))}"}

    async def asynchronous(s: Any) -> Any:
        await asyncio.sleep(pause)
        return {key: f"{key} after {len(str(s[need]))}"}

    return sync, asynchronous


def asks(key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

    async def asynchronous(s: Any) -> Any:
        return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

    return sync, asynchronous


def asks_twice(key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        draft = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: LLM.invoke(f"better {draft}"[:40]).content}

    async def asynchronous(s: Any) -> Any:
        draft = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: (await LLM.ainvoke(f"better {draft}"[:40])).content}

    return sync, asynchronous


INNOCENT = (asks, asks, asks_twice, sleeps)


def collects(keys: tuple[str, ...]) -> Pair:
    """The last node: everything that the others wrote."""

    def sync(s: Any) -> Any:
        return {"out": [s.get(key) for key in keys]}

    async def asynchronous(s: Any) -> Any:
        return {"out": [s.get(key) for key in keys]}

    return sync, asynchronous


def moves(move: Callable[[], object], first: bool) -> Callable[[str, str, float], Pair]:
    """A node that changes the shared thing by itself, before or after its wait."""

    def before(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            move()
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            move()
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    def behind(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            text = LLM.invoke(f"{key} {s[need]}"[:40]).content
            move()
            return {key: text}

        async def asynchronous(s: Any) -> Any:
            text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
            move()
            return {key: text}

        return sync, asynchronous

    return before if first else behind


def looks_first(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        found = look(s.get("held"))
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [found, text]}

    async def asynchronous(s: Any) -> Any:
        found = look(s.get("held"))
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [found, text]}

    return sync, asynchronous


def looks_last(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [text, look(s.get("held"))]}

    async def asynchronous(s: Any) -> Any:
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [text, look(s.get("held"))]}

    return sync, asynchronous


def looks_asleep(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        found = look(s.get("held"))
        time.sleep(pause)
        return {key: [found, len(str(s[need]))]}

    async def asynchronous(s: Any) -> Any:
        found = look(s.get("held"))
        await asyncio.sleep(pause)
        return {key: [found, len(str(s[need]))]}

    return sync, asynchronous


def only_looks(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        return {key: [look(s.get("held")), len(str(s[need]))]}

    async def asynchronous(s: Any) -> Any:
        return {key: [look(s.get("held")), len(str(s[need]))]}

    return sync, asynchronous


def looks_and_tells(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        return {key: LLM.invoke(f"{look(s.get('held'))} {s[need]}"[:40]).content}

    async def asynchronous(s: Any) -> Any:
        return {key: (await LLM.ainvoke(f"{look(s.get('held'))} {s[need]}"[:40])).content}

    return sync, asynchronous


def looks_between(look: Look, key: str, need: str, pause: float) -> Pair:
    """Neither at its start nor at its end."""

    def sync(s: Any) -> Any:
        draft = LLM.invoke(f"{key} {s[need]}"[:40]).content
        found = look(s.get("held"))
        return {key: [found, LLM.invoke(f"better {draft}"[:40]).content]}

    async def asynchronous(s: Any) -> Any:
        draft = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        found = look(s.get("held"))
        return {key: [found, (await LLM.ainvoke(f"better {draft}"[:40])).content]}

    return sync, asynchronous


def looks_twice(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        before = look(s.get("held"))
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [before, text, look(s.get("held"))]}

    async def asynchronous(s: Any) -> Any:
        before = look(s.get("held"))
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [before, text, look(s.get("held"))]}

    return sync, asynchronous


def looks_in_a_thread(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        found = look(s.get("held"))
        time.sleep(pause)
        return {key: [found, LLM.invoke(f"{key} {s[need]}"[:40]).content]}

    async def asynchronous(s: Any) -> Any:
        found = await asyncio.to_thread(look, s.get("held"))
        return {key: [found, (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content]}

    return sync, asynchronous


def looks_and_gathers(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any) -> Any:
        found = look(s.get("held"))
        return {key: [found, LLM.batch([f"{key} {s[need]}"[:40]])[0].content]}

    async def asynchronous(s: Any) -> Any:
        found = look(s.get("held"))
        (answer,) = await asyncio.gather(asyncio.wait_for(LLM.ainvoke(f"{key} {s[need]}"[:40]), 9))
        return {key: [found, answer.content]}

    return sync, asynchronous


def fails(key: str, need: str, pause: float) -> Pair:
    """What would come after it must not have happened."""

    def sync(s: Any) -> Any:
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        raise ValueError(f"no use for {text}")

    async def asynchronous(s: Any) -> Any:
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        raise ValueError(f"no use for {text}")

    return sync, asynchronous


def looks_in_the_context(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any, runtime: Runtime[Any]) -> Any:
        found = look(runtime.context)
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [found, text]}

    async def asynchronous(s: Any, runtime: Runtime[Any]) -> Any:
        found = look(runtime.context)
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [found, text]}

    return sync, asynchronous


def looks_in_the_context_last(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any, runtime: Runtime[Any]) -> Any:
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [text, look(runtime.context)]}

    async def asynchronous(s: Any, runtime: Runtime[Any]) -> Any:
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [text, look(runtime.context)]}

    return sync, asynchronous


def looks_in_the_configuration_last(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any, config: RunnableConfig) -> Any:
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [text, look(config["configurable"]["held"])]}

    async def asynchronous(s: Any, config: RunnableConfig) -> Any:
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [text, look(config["configurable"]["held"])]}

    return sync, asynchronous


def looks_in_the_configuration(look: Look, key: str, need: str, pause: float) -> Pair:
    def sync(s: Any, config: RunnableConfig) -> Any:
        found = look(config["configurable"]["held"])
        text = LLM.invoke(f"{key} {s[need]}"[:40]).content
        return {key: [found, text]}

    async def asynchronous(s: Any, config: RunnableConfig) -> Any:
        found = look(config["configurable"]["held"])
        text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
        return {key: [found, text]}

    return sync, asynchronous


Reader = Callable[[Look, str, str, float], Pair]

EARLY: dict[str, tuple[Reader, ...]] = {
    "state": (
        looks_first,
        looks_first,
        looks_asleep,
        only_looks,
        looks_and_tells,
        looks_in_a_thread,
        looks_and_gathers,
    ),
    "context": (looks_in_the_context,),
    "configuration": (looks_in_the_configuration,),
}
"""Nodes that look before they wait, by where they have the shared thing from."""
LATE: dict[str, tuple[Reader, ...]] = {
    "state": (looks_last, looks_between, looks_twice),
    "context": (looks_in_the_context_last,),
    "configuration": (looks_in_the_configuration_last,),
}
"""Nodes that look after they have waited."""
