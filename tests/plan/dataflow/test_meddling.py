"""Handlers that may change what they are told of are told in time; others may be told later."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from random import shuffle as random_shuffle
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler, StdOutCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph

import optiflow
from optiflow.monitor.run_observer import RunObserver
from optiflow.plan.dataflow.meddling import may_change_what_it_is_told

LOG = logging.getLogger(__name__)


class Reading(BaseCallbackHandler):
    """Looks at everything and keeps what it likes."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.tokens = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.seen.append(messages[0][-1].content)
        for message in messages[0]:
            print(len(message.content))
        super().on_chat_model_start(serialized, messages, **kwargs)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        usage = response.generations[0][0].message.usage_metadata or {}
        self.tokens += usage.get("total_tokens", 0)
        LOG.info("answer %s", response)
        text = json.dumps({"n": [str(each) for each in response.generations]})
        self.seen[0:0] = [f"{text}" if text else ""]

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        if isinstance(inputs, dict) and (question := inputs.get("q")):
            self.seen.append({"question": question, **inputs})


class Nothing(BaseCallbackHandler):
    """Does nothing."""


class Redacting(BaseCallbackHandler):
    """Changes a question before it is asked."""

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        messages[0][0].content = "***"


class RedactingInALoop(BaseCallbackHandler):
    """The same by another name."""

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        for batch in messages:
            for each in batch:
                each.content = "***"


class Adding(BaseCallbackHandler):
    """Adds to what the node is given."""

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        inputs.update(q="other")


class Growing(BaseCallbackHandler):
    """Changes a list in place."""

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        prompts += ["more"]


class Deleting(BaseCallbackHandler):
    """Takes something away."""

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        del outputs["a"]


class Assigning(BaseCallbackHandler):
    """Changes an item under a name of its own."""

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        first, *_ = (outputs, 1)
        first["a"] = 2


class Handing(BaseCallbackHandler):
    """Hands what it is told to somebody else."""

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.work(outputs)

    def work(self, outputs: Any) -> None:
        """Changes it."""
        outputs["a"] = 1


class Noting(BaseCallbackHandler):
    """Hands what it is told to a method and a function that only look."""

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.note("end", outputs, kwargs)
        self.note("again", outputs, note(outputs))

    def note(self, name: str, outputs: Any, more: Any) -> None:
        """Keeps it."""
        print(name, outputs, more)


class HandingOut(BaseCallbackHandler):
    """Hands what it is told to another package."""

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        random_shuffle(outputs)


def note(values: Any) -> str:
    """Only looks."""
    return re.sub("a", "b", str(values))


class HandingToAFunction(BaseCallbackHandler):
    """Hands what it is told to a function."""

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        change(kwargs)


class Matching(BaseCallbackHandler):
    """Takes what it is told apart in a way that is not followed."""

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        match response:
            case _:
                pass


class Setting(BaseCallbackHandler):
    """Sets an attribute by name."""

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        setattr(response, "llm_output", None)  # noqa: B010


class Inheriting(Redacting):
    """As the class that it is made of."""


def change(values: Any) -> None:
    """Changes it."""
    values.clear()


class Made(BaseCallbackHandler):
    """Its method has no source."""


exec("def on_llm_end(self, response, **kwargs): pass", globals())
Made.on_llm_end = globals()["on_llm_end"]  # type: ignore[method-assign]

MEDDLING = (
    Redacting, RedactingInALoop, Adding, Growing, Deleting, Assigning, Handing, HandingToAFunction, Matching, Setting,
    Inheriting, Made, HandingOut,
)  # fmt: skip


@pytest.mark.parametrize("cls", [Reading, Nothing, StdOutCallbackHandler, Noting], ids=lambda cls: cls.__name__)
def test_a_handler_that_only_looks(cls: type[BaseCallbackHandler]) -> None:
    """Reading, printing, comparing and keeping change nothing."""
    assert not may_change_what_it_is_told(cls())


@pytest.mark.parametrize("cls", MEDDLING, ids=lambda cls: cls.__name__)
def test_a_handler_that_may_change_something(cls: type[BaseCallbackHandler]) -> None:
    """By whatever name, or by handing it to somebody else."""
    assert may_change_what_it_is_told(cls())


def test_the_observer_of_a_run_only_looks() -> None:
    """OptiFlow's own is in the application's folder while it is developed."""
    assert not may_change_what_it_is_told(RunObserver(time.perf_counter))


def test_listeners_are_looked_at() -> None:
    """LangChain wraps them in a handler of its own."""

    def looks(run: Any) -> None:
        print(run.name)

    def changes(run: Any) -> None:
        run.outputs["a"] = 1

    def handler_of(listener: Any) -> Any:
        factory = RunnableLambda(lambda x: x).with_listeners(on_end=listener).config_factories[0]  # type: ignore[attr-defined]
        return factory({})["callbacks"][0]

    assert not may_change_what_it_is_told(handler_of(looks))
    assert may_change_what_it_is_told(handler_of(changes))


class Echo(BaseChatModel):
    """Says what it was asked, in capitals."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **settings: Any) -> ChatResult:
        time.sleep(0.01)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].content.upper()))])


MODEL = Echo()


class State(TypedDict, total=False):
    """What the nodes hand on."""

    a: str
    b: str


def first(state: State) -> State:
    """Asks."""
    return {"a": MODEL.invoke("first").text}


def second(state: State) -> State:
    """Asks as well."""
    return {"b": MODEL.invoke("second").text}


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@pytest.mark.parametrize(("handler", "early"), [(Redacting, 0), (Reading, 1)])
def test_a_question_is_changed_before_it_is_asked(handler: type[BaseCallbackHandler], early: int, mode: str) -> None:
    """A handler that redacts is told in time, so its node is not started early; one that reads is told later."""
    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    plain, graph = builder.compile(), optiflow.compile(builder, "parallel")

    def answer(compiled: Any) -> Any:
        config: Any = {"callbacks": [handler()]}
        return asyncio.run(compiled.ainvoke({}, config)) if mode == "ainvoke" else compiled.invoke({}, config)

    assert answer(graph) == answer(plain)
    assert graph.nodes["first"].node.schedule.tally.statistics()["started_early"] == early
