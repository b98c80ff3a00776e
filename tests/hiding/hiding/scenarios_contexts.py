"""Graphs whose nodes share a context or a store."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import itertools
import random
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore

from hiding.models import LLM
from hiding.scene import Lab, Scene, chain, scenario, state_of


@scenario
def a_context_that_a_node_changes(dice: random.Random, asynchronous: bool) -> Scene:
    class Settings:
        def __init__(self) -> None:
            self.number = 0

        def count(self) -> int:
            self.number += 1
            return self.number

    def writes(s: Any, runtime: Runtime[Any]) -> Any:
        text = LLM.invoke("about k0").content
        runtime.context.number += 1
        return {"k0": text}

    def reads(s: Any, runtime: Runtime[Any]) -> Any:
        found = runtime.context.number
        return {"k1": [found, LLM.invoke("about k1").content]}

    def counts(s: Any, runtime: Runtime[Any]) -> Any:
        found = runtime.context.count()
        return {"k2": [found, LLM.invoke("about k2").content]}

    settings = Settings()
    nodes = [writes, reads, counts] if dice.random() < 0.5 else [counts, reads, counts]
    builder = chain(state_of(3), nodes, context_schema=Settings)
    return Scene(builder, {"q": "question"}, context=settings, after=lambda: settings.number)


@scenario
def a_context_that_a_handler_changes(dice: random.Random, asynchronous: bool) -> Scene:
    context = {"asked": 0}

    class Counting(BaseCallbackHandler):
        def on_llm_end(self, response: Any, **_: Any) -> None:
            context["asked"] += 1

    def reads(key: str) -> Any:
        def sync(s: Any, runtime: Runtime[Any]) -> Any:
            found = runtime.context["asked"]
            return {key: [found, LLM.invoke(f"about {key}").content]}

        return sync

    builder = chain(state_of(3), [reads("k0"), reads("k1"), reads("k2")], context_schema=dict)
    return Scene(builder, {"q": "question"}, Lab(callbacks=[Counting()]), context=context)


@scenario
def a_store_with_code(dice: random.Random, asynchronous: bool) -> Scene:
    numbers = itertools.count(1)

    class Counting(InMemoryStore):
        def get(self, *args: Any, **named: Any) -> Any:
            return next(numbers)

    def reads(key: str) -> Any:
        def sync(s: Any, runtime: Runtime[Any]) -> Any:
            assert runtime.store is not None
            found = runtime.store.get(("a",), "b")
            return {key: [found, LLM.invoke(f"about {key}").content]}

        return sync

    builder = chain(state_of(3), [reads("k0"), reads("k1"), reads("k2")])
    return Scene(builder, {"q": "question"}, Lab(compiling={"store": Counting()}))
