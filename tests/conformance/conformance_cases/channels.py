"""Reducers, messages, channels and managed values."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import INSTANT, Built, case
from conformance_cases.states import PAUSE, sequence
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels import DeltaChannel, EphemeralValue, LastValue, Topic, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.managed import IsLastStep, RemainingSteps

from optiflow.analysis.equivalence import Observer, Recorder


class Rewritten(TypedDict, total=False):
    value: str
    seen: str
    other: str


def write_once(state: Rewritten) -> Rewritten:
    time.sleep(PAUSE)
    return {"value": "once"}


def see(state: Rewritten) -> Rewritten:
    time.sleep(INSTANT)
    return {"seen": state["value"]}


def write_again(state: Rewritten) -> Rewritten:
    time.sleep(INSTANT)
    return {"value": "again"}


def elsewhere(state: Rewritten) -> Rewritten:
    time.sleep(INSTANT)
    return {"other": "elsewhere"}


@case(input={"value": "in"}, output={"value": "again", "seen": "once", "other": "elsewhere"})
def a_key_written_read_and_written_again(recorder: Recorder) -> Built:
    return sequence(Rewritten, write_once, see, elsewhere, write_again)


@case(input={"value": "in"}, output={"value": "again", "other": "elsewhere"})
def a_key_written_twice_and_never_read(recorder: Recorder) -> Built:
    return sequence(Rewritten, write_once, elsewhere, write_again)


@case(input={"value": "in"}, failure="InvalidUpdateError", modes=("invoke", "ainvoke"))
def two_writers_of_one_key_at_once(recorder: Recorder) -> Built:
    builder = StateGraph(Rewritten)
    builder.add_node("once", write_once)
    builder.add_node("again", write_again)
    builder.add_edge(START, "once")
    builder.add_edge(START, "again")
    return builder


class Dialogue(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    note: str


def greet(state: Dialogue) -> Dialogue:
    time.sleep(PAUSE)
    return {"messages": [AIMessage("hello")]}


def ask_back(state: Dialogue) -> Dialogue:
    time.sleep(INSTANT)
    return {"messages": [AIMessage("how are you?", id="kept")]}


def correct(state: Dialogue) -> Dialogue:
    time.sleep(INSTANT)
    return {"messages": [AIMessage("how are you today?", id="kept")]}


def drop_first(state: Dialogue) -> Dialogue:
    time.sleep(INSTANT)
    return {"messages": [RemoveMessage(id=state["messages"][0].id)]}


def texts(state: Dialogue) -> Dialogue:
    time.sleep(INSTANT)
    return {"note": " | ".join(message.text for message in state["messages"])}


@case(input={"messages": ["hi"]}, output={"note": "hi | hello | how are you?"})
def messages_without_ids(recorder: Recorder) -> Built:
    return sequence(Dialogue, greet, ask_back, texts)


@case(input={"messages": [HumanMessage("hi", id="h1")]}, output={"note": "hello | how are you today?"})
def messages_corrected_and_removed(recorder: Recorder) -> Built:
    return sequence(Dialogue, greet, ask_back, correct, drop_first, texts)


@case(input={"messages": ["hi"]}, output={"note": "hi | hello | hello"})
def equal_messages_stay_two(recorder: Recorder) -> Built:
    return sequence(Dialogue, ("greet", greet), ("greet_again", greet), texts)


class Channels(TypedDict, total=False):
    text: str
    deltas: Annotated[list[str], DeltaChannel(lambda state, writes: [*state, *(w for write in writes for w in write)])]
    fleeting: Annotated[str, EphemeralValue]
    topic: Annotated[list[str], Topic(str)]
    kept_topic: Annotated[list[str], Topic(str, accumulate=True)]
    untracked: Annotated[Any, UntrackedValue]
    explicit: Annotated[str, LastValue]
    seen: Annotated[list[str], operator.add]


def use_channels(state: Channels) -> dict[str, Any]:
    time.sleep(PAUSE)
    return {"deltas": ["one"], "fleeting": "now", "topic": "t1", "kept_topic": "k1", "untracked": 1, "explicit": "x"}


def see_channels(state: Channels) -> dict[str, Any]:
    time.sleep(INSTANT)
    return {
        "seen": [f"{state.get('fleeting')} {state.get('topic')} {state.get('kept_topic')} {state.get('untracked')}"],
        "deltas": ["two"],
        "kept_topic": ["k2", "k3"],
    }


def see_later(state: Channels) -> dict[str, Any]:
    time.sleep(INSTANT)
    return {"seen": [f"{state.get('fleeting')} {state.get('topic')} {state.get('kept_topic')} {state.get('deltas')}"]}


SEEN = ["now ['t1'] ['k1'] 1", "None None ['k1', 'k2', 'k3'] ['one', 'two']"]


@case(
    input={"text": "in"},
    output={"seen": SEEN},
    refusals={"parallel": {"see_channels": "changes from step to step", "see_later": "changes from step to step"}},
)
def channels_of_every_kind(recorder: Recorder) -> Built:
    return sequence(Channels, use_channels, see_channels, see_later)


@case(input={"text": "in"}, output={"seen": SEEN})
def channels_of_every_kind_with_a_checkpointer(recorder: Recorder) -> Built:
    return sequence(Channels, use_channels, see_channels, see_later), {"checkpointer": InMemorySaver()}


class Deltas(TypedDict, total=False):
    deltas: Annotated[list[str], DeltaChannel(lambda state, writes: [*state, *(w for write in writes for w in write)])]
    text: str


def delta_one(state: Deltas) -> Deltas:
    time.sleep(PAUSE)
    return {"deltas": ["one"]}


def delta_two(state: Deltas) -> Deltas:
    time.sleep(INSTANT)
    return {"deltas": ["two"]}


def delta_text(state: Deltas) -> Deltas:
    time.sleep(INSTANT)
    return {"text": "/".join(state["deltas"])}


def talk(observer: Observer) -> None:
    observer.run({"deltas": ["in"]})
    observer.run({"deltas": ["again"]})


@case(script=talk, output={"text": "in/one/two/again/one/two"})
def a_delta_channel_over_two_runs(recorder: Recorder) -> Built:
    return sequence(Deltas, delta_one, delta_two, delta_text), {"checkpointer": InMemorySaver()}


class Counted(TypedDict, total=False):
    text: str
    left: RemainingSteps
    last: IsLastStep
    a: str
    b: str
    note: str


def plain_a(state: Counted) -> Counted:
    time.sleep(PAUSE)
    return {"a": state["text"]}


def plain_b(state: Counted) -> Counted:
    time.sleep(INSTANT)
    return {"b": state["text"]}


def count_down(state: Counted) -> Counted:
    time.sleep(INSTANT)
    return {"note": f"{state['left']} {state['last']}"}


@case(input={"text": "in"}, output={"note": "2 False"}, config={"recursion_limit": 5})
def managed_values(recorder: Recorder) -> Built:
    return sequence(Counted, plain_a, plain_b, count_down)


@case(input={"text": "in"}, output={"note": "1 True"}, config={"recursion_limit": 4})
def the_last_step(recorder: Recorder) -> Built:
    return sequence(Counted, plain_a, plain_b, count_down)


@case(input=["in"], output=["in", "a", "b"])
def a_state_that_is_no_mapping(recorder: Recorder) -> Built:
    def append_a(state: list[str]) -> list[str]:
        return ["a"]

    def append_b(state: list[str]) -> list[str]:
        return ["b"]

    return sequence(Annotated[list, operator.add], append_a, append_b)


@case(input={"text": "hi", "n": 3}, output={"text": "hi!"})
def an_untyped_dict_state(recorder: Recorder) -> Built:
    def shout(state: dict[str, Any]) -> dict[str, Any]:
        time.sleep(INSTANT)
        return {**state, "text": state["text"] + "!"}

    def again(state: dict[str, Any]) -> dict[str, Any]:
        time.sleep(INSTANT)
        return state

    return sequence(dict, shout, again)
