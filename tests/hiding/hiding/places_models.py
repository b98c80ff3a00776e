"""Models of LangChain."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import (
    RunnableLambda,
)
from pydantic import PrivateAttr

from hiding.models import Echo, answered
from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def a_model_that_counts() -> Shared:
    class Counting(Echo):
        _calls: int = PrivateAttr(default=0)

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            self._calls += 1
            return answered(f"#{self._calls}")

    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_counts_in_its_class() -> Shared:
    class Counting(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            Counting.calls += 1  # type: ignore[attr-defined]
            return answered(f"#{Counting.calls}")  # type: ignore[attr-defined]

    Counting.calls = 0  # type: ignore[attr-defined]
    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_counts_out_of_sight() -> Shared:
    tick = ticker()

    class Counting(Echo):
        def _call_out(self) -> str:
            return f"#{tick()}"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(self._call_out())

    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_is_changed() -> Shared:
    class Suffixed(Echo):
        suffix: str = ""

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(f"{messages[-1].content}{self.suffix}")

    llm = Suffixed()

    def move() -> None:
        llm.suffix += "!"

    return Shared(lambda held: llm.invoke("a").content, move)


@place
def a_binding_that_is_changed() -> Shared:
    class Bound(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **named: Any) -> Any:
            return answered(str(named.get("n")))

    llm = Bound().bind(n=0)

    def move() -> None:
        llm.kwargs["n"] += 1  # type: ignore[index]

    return Shared(lambda held: llm.invoke("a").content, move)


@place
def the_parameters_of_a_model() -> Shared:
    tick = ticker()
    seen: list[int] = []

    class Telling(Echo):
        @property
        def _identifying_params(self) -> dict[str, Any]:
            seen.append(tick())
            return {"n": len(seen)}

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(str(self._identifying_params["n"]))

    llm = Telling()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_list_of_answers() -> Shared:
    llm = FakeListChatModel(responses=[f"answer {number}" for number in range(9)])
    return Shared(lambda held: llm.invoke("a").content)


@place
def an_iterator_of_answers() -> Shared:
    llm = GenericFakeChatModel(messages=iter(AIMessage(str(number)) for number in range(99)))
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_list_of_answers_behind_a_chain() -> Shared:
    llm = FakeListChatModel(responses=[f"answer {number}" for number in range(9)])
    CHAIN = RunnableLambda(lambda text: text) | llm.with_retry() | StrOutputParser()
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_model_with_a_handler_that_is_read() -> Shared:
    class Calls(BaseCallbackHandler):
        number = 0

        def on_llm_end(self, response: Any, **_: Any) -> None:
            self.number += 1

    calls = Calls()
    llm = Echo(callbacks=[calls], pause=0.001)
    return Shared(lambda held: [calls.number, llm.invoke("a").content, calls.number])


@place
def the_handler_of_usage() -> Shared:
    class Priced(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            made = answered("a")
            message: Any = made.generations[0].message
            message.usage_metadata = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            message.response_metadata = {"model_name": "priced"}
            return made

    usage = UsageMetadataCallbackHandler()
    llm = Priced()

    def move() -> None:
        llm.invoke("a", {"callbacks": [usage]})

    return Shared(lambda held: usage.usage_metadata.get("priced", {}).get("total_tokens", 0), move)
