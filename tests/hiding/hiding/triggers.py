"""Nodes during which something changes what others share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hiding.models import LLM
from hiding.scene import Pair, Role

__all__ = ["asking", "logging_with", "touching", "writing"]


def asking(llm: Any) -> Role:
    """A node that asks this model."""

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            return {key: llm.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            return {key: (await llm.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role


def writing(more: str) -> Role:
    """A node that writes to a reduced key too."""

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content, more: key}

        async def asynchronous(s: Any) -> Any:
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content, more: key}

        return sync, asynchronous

    return role


def logging_with(listening: logging.Handler, filters: list[logging.Filter]) -> Role:
    """A node that logs to a logger of its own."""
    logger = logging.Logger("hiding")
    logger.addHandler(listening)
    for each in filters:
        logger.addFilter(each)

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            text = LLM.invoke(f"{key} {s[need]}"[:40]).content
            logger.warning("done %s", key)
            return {key: text}

        async def asynchronous(s: Any) -> Any:
            text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
            logger.warning("done %s", key)
            return {key: text}

        return sync, asynchronous

    return role


def touching(touch: Callable[[str], Any]) -> Role:
    """A node that does something with a text that moves the shared thing on the way."""

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            text = LLM.invoke(f"{key} {s[need]}"[:40]).content
            return {key: [text, touch(key)]}

        async def asynchronous(s: Any) -> Any:
            text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
            return {key: [text, touch(key)]}

        return sync, asynchronous

    return role
