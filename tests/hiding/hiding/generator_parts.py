"""What scenarios have in common: a hiding place at random, chains, a handler that writes everything down."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from hiding.scene import PLACES, Pair, Scene, Shared, chain, state_of

__all__ = ["Witness", "a_moving_place", "a_shared_place", "built", "heard", "scene", "token"]


def a_shared_place(dice: random.Random) -> Shared:
    """A hiding place that changes by being looked at, and that nodes close over."""
    return _any_place(dice, lambda shared: shared.move is None and shared.held is None)


def a_moving_place(dice: random.Random) -> Shared:
    """A hiding place that something else changes, and that nodes close over."""
    return _any_place(dice, lambda shared: shared.move is not None and shared.held is None)


def _any_place(dice: random.Random, wanted: Any) -> Shared:
    names = sorted(PLACES)
    while True:
        shared = PLACES[dice.choice(names)]()
        if wanted(shared):
            return shared


class Witness(BaseCallbackHandler):
    """Writes down the order of events."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
        """A node, or a part of one, starts."""
        self._log.append(f"{more.get('name')} starts")

    def on_chain_end(self, outputs: Any, **more: Any) -> None:
        """A node, or a part of one, ends."""
        self._log.append("ends")

    def on_chain_error(self, error: BaseException, **more: Any) -> None:
        """A node, or a part of one, fails."""
        self._log.append(f"fails: {type(error).__name__}")

    def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
        """A model is asked."""
        self._log.append(f"asked {messages[0][-1].content}")

    def on_llm_end(self, response: Any, **more: Any) -> None:
        """A model has answered."""
        self._log.append(f"answered {response.generations[0][0].message.content}")

    def on_tool_start(self, serialized: Any, input_str: str, **more: Any) -> None:
        """A tool is called."""
        self._log.append(f"tool {input_str}")

    def on_custom_event(self, name: str, data: Any, **more: Any) -> None:
        """A node tells something."""
        self._log.append(f"{name} {data}")


def heard(log: list[str]) -> Witness:
    """A handler that writes to a log."""
    return Witness(log)


def scene(nodes: Sequence[Pair], asynchronous: bool, **more: Any) -> Scene:
    """A chain over the usual state."""
    return built(state_of(len(nodes)), nodes, asynchronous, **more)


def built(schema: Any, nodes: Sequence[Pair], asynchronous: bool, **more: Any) -> Scene:
    """A chain over a state of its own; ``input`` is what it begins with."""
    given = more.pop("input", {"q": "question"})
    return Scene(chain(schema, [node[asynchronous] for node in nodes]), given, **more)


def token(item: Any) -> Any:
    """What is compared of an item of the stream of messages: its text, or the node that it came from."""
    if hasattr(item, "content"):
        return item.content
    return item.get("langgraph_node") if isinstance(item, dict) else item
