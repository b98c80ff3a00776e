"""Runnables of LangChain."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

from typing import Any

from langchain_core.runnables import (
    ConfigurableField,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from hiding.models import Echo, answered
from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def listeners_of_a_chain_that_count() -> Shared:
    runs: list[str] = []
    CHAIN = RunnableLambda(lambda text: f"{text}{len(runs)}").with_listeners(on_end=lambda run: runs.append("end"))
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_retry_that_counts() -> Shared:
    tick = ticker()

    def flaky(text: str) -> str:
        number = tick()
        if number % 2:
            raise ConnectionError("again")
        return f"{text}{number}"

    CHAIN = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_fallback_that_counts() -> Shared:
    tick = ticker()

    def failing(text: str) -> str:
        raise ConnectionError(str(tick()))

    CHAIN = RunnableLambda(failing).with_fallbacks([RunnableLambda(lambda text: f"{text}{tick()}")])
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_branch_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnableBranch((lambda text: tick() % 2 == 0, lambda text: "even"), lambda text: "odd")
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def parallel_parts_that_count() -> Shared:
    tick = ticker()
    CHAIN = RunnableParallel(number=lambda text: tick())
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def an_assignment_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnablePassthrough.assign(number=lambda given: tick())
    return Shared(lambda held: CHAIN.invoke({"a": 1}))


@place
def a_passthrough_that_counts() -> Shared:
    seen: list[Any] = []
    CHAIN = RunnablePassthrough(seen.append) | RunnableLambda(lambda text: len(seen))
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_generator_that_counts() -> Shared:
    tick = ticker()

    def shout(parts: Any) -> Any:
        for part in parts:
            yield f"{part}{tick()}"

    CHAIN = RunnableGenerator(shout)
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_batch_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnableLambda(lambda text: f"{text}{tick()}")
    return Shared(lambda held: CHAIN.batch(["a"]))


@place
def a_configurable_chain() -> Shared:
    class Suffixed(Echo):
        suffix: str = "?"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(f"{messages[-1].content}{self.suffix}")

    llm = Suffixed()
    CHAIN = llm.configurable_fields(suffix=ConfigurableField("suffix"))

    def move() -> None:
        llm.suffix += "?"

    return Shared(lambda held: CHAIN.invoke("a").content, move)
