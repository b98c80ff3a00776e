"""What changes a shared thing from coroutines: handlers, listeners and the consumer of a stream."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.types import StreamWriter

from hiding.models import LLM, Echo
from hiding.roles import asks
from hiding.scene import Lab, Pair, Role, change
from hiding.triggers import asking

Move = Callable[[], object]


class Waiting(AsyncCallbackHandler):
    """Moves the shared thing after a moment, while the run waits for it."""

    def __init__(self, move: Move) -> None:
        self._move = move

    async def on_llm_end(self, response: Any, **_: Any) -> None:
        """A model has answered."""
        await asyncio.sleep(0)
        self._move()


@change
def a_coroutine_that_handles_answers(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(Waiting(move))
    return asks


@change
def a_coroutine_that_handles_answers_of_the_model(lab: Lab, move: Move) -> Role:
    return asking(Echo(callbacks=[Waiting(move)]))


@change
def a_coroutine_that_listens(lab: Lab, move: Move) -> Role:
    async def ended(run: Any) -> None:
        await asyncio.sleep(0)
        move()

    heard = LLM.with_alisteners(on_end=ended)

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            return {key: LLM.with_listeners(on_end=lambda run: move()).invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            return {key: (await heard.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role


@change
def a_coroutine_in_a_chain(lab: Lab, move: Move) -> Role:
    def step(text: str) -> str:
        move()
        return text

    async def astep(text: str) -> str:
        await asyncio.sleep(0)
        move()
        return text

    return asking(RunnableLambda(step, astep) | LLM)


@change
def a_callback_of_the_loop(lab: Lab, move: Move) -> Role:
    """Called by the event loop as soon as the node waits."""

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            move()
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            asyncio.get_running_loop().call_soon(move)
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role


@change
def a_consumer_of_what_a_writer_writes(lab: Lab, move: Move) -> Role:
    def consume(item: Any) -> None:
        if item[0] == "custom":
            move()

    lab.consumers.append(consume)

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any, writer: StreamWriter) -> Any:
            writer({"at": key})
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any, writer: StreamWriter) -> Any:
            writer({"at": key})
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role


@change
def a_node_that_changes_its_configuration(lab: Lab, move: Move) -> Role:
    """The node reaches the shared thing through a function in the configuration."""
    lab.configurable["moved"] = move

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any, config: RunnableConfig) -> Any:
            config["configurable"]["moved"]()
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any, config: RunnableConfig) -> Any:
            config["configurable"]["moved"]()
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role
