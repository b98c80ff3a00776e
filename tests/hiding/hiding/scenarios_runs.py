"""Graphs that run twice, whose functions a test replaces, or that share a context or a store."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any
from unittest import mock

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from hiding.generator_parts import a_moving_place, a_shared_place, scene
from hiding.models import Echo
from hiding.scene import Scene, scenario
from hiding.steps import asking, idle, resting


@scenario
def a_second_run(dice: random.Random, asynchronous: bool) -> Scene:
    """What the first run left behind is there for the second."""
    shared = a_shared_place(dice) if dice.random() < 0.5 else a_moving_place(dice)
    look, move = shared.look, shared.move
    nodes = [asking("k0", idle, lambda s: look(None)), asking("k1", lambda s: look(None)), resting("k2")]
    more: dict[str, Any] = {} if move is None else {"between": move}
    return scene(nodes, asynchronous, turns=2, during=shared.during, **more)


def helped(text: str) -> str:
    """Stands to be replaced."""
    return f"{text}!"


@scenario
def a_function_replaced_between_two_runs(dice: random.Random, asynchronous: bool) -> Scene:
    patch = mock.patch(f"{__name__}.helped", side_effect=map(str, range(99)))

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        try:
            yield
        finally:
            patch.stop()

    nodes = [asking("k0", idle, lambda s: helped("a")), asking("k1", lambda s: helped("b")), asking("k2")]
    return scene(nodes, asynchronous, turns=2, between=patch.start, during=during)


@scenario
def a_model_replaced_by_a_test(dice: random.Random, asynchronous: bool) -> Scene:
    results = [ChatResult(generations=[ChatGeneration(message=AIMessage(content=str(n)))]) for n in range(9)]
    name = "_agenerate" if asynchronous else "_generate"
    nodes = [asking("k0"), asking("k1"), asking("k2")]
    return scene(nodes, asynchronous, during=lambda: mock.patch.object(Echo, name, side_effect=results))
