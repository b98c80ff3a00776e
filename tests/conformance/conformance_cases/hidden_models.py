"""Models that remember what they were asked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import time
from typing import Any

from conformance_cases.case import INSTANT, Built, case
from conformance_cases.hidden import PAUSE, TEXT, Note, chain, slow
from conformance_cases.models import EchoModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from pydantic import Field

from optiflow.analysis.equivalence import Recorder


@case(input=TEXT, output={"two": "one", "three": "two"}, refusals={"parallel": {"node_1": "keeps its place"}})
def a_model_that_answers_in_turn(recorder: Recorder) -> Built:
    model = FakeListChatModel(responses=["one", "two"])

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


@case(input=TEXT, output={"two": "one", "three": "two"}, refusals={"parallel": {"node_1": "keeps its place"}})
def a_model_that_reads_a_script(recorder: Recorder) -> Built:
    model = GenericFakeChatModel(messages=iter([AIMessage("one"), AIMessage("two")]))

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


class CountingModel(EchoModel):
    """Answers by the number of questions so far."""

    asked: list[int] = Field(default_factory=list)

    def answer(self, messages: Any) -> AIMessage:
        self.asked.append(1)
        return AIMessage(f"sample {len(self.asked)}")


@case(input=TEXT, output={"two": "sample 1", "three": "sample 2"}, refusals={"parallel": {"node_1": "did not make"}})
def a_model_of_the_users_that_counts(recorder: Recorder) -> Built:
    model = CountingModel()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": model.invoke(state["text"]).text}

    def second(state: Note) -> Note:
        return {"three": model.invoke(state["text"]).text}

    return chain(first, second)


@case(input=TEXT, output={"two": "heard: hi", "three": "heard: hi!"})
def runnables_that_ask_a_model(recorder: Recorder) -> Built:
    model = EchoModel()

    def ask(state: Note) -> Note:
        return {"two": model.invoke(state["text"]).text}

    def ask_louder(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": model.invoke(state["text"] + "!").text}

    return chain(slow, RunnableLambda(ask), RunnableLambda(ask_louder))
