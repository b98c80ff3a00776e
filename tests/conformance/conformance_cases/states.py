"""Kinds of state, schemas, reducers and channels."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from conformance_cases.case import Built, case
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels import DeltaChannel, EphemeralValue, LastValue, Topic, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.types import Overwrite
from pydantic import BaseModel, Field

from optiflow.analysis.equivalence import Observer, Recorder

PAUSE = 0.001


def sequence(state: Any, *nodes: Any, **schemas: Any) -> StateGraph:
    builder = StateGraph(state, **schemas)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__)
    return builder


class Order(BaseModel):
    item: str
    count: int = Field(default=1, ge=0)
    price: float = 0.0
    weight: float = 0.0
    total: str = ""


def price_order(state: Order) -> dict[str, Any]:
    time.sleep(PAUSE)
    return {"price": len(state.item) * 1.5}


def weigh_order(state: Order) -> dict[str, Any]:
    return {"weight": state.count * 0.25}


def total_order(state: Order) -> dict[str, Any]:
    return {"total": f"{state.price * state.count} for {state.weight}"}


@case(input={"item": "lamp", "count": "2"}, output={"count": "2", "total": "12.0 for 0.5"})
def a_pydantic_state(recorder: Recorder) -> Built:
    return sequence(Order, price_order, weigh_order, total_order)


@case(input={"item": "lamp", "count": -1}, failure="ValidationError")
def a_pydantic_state_that_refuses_its_input(recorder: Recorder) -> Built:
    return sequence(Order, price_order, weigh_order, total_order)


@case(input={"item": "lamp", "count": 2}, failure="ValidationError")
def a_pydantic_state_that_refuses_an_update(recorder: Recorder) -> Built:
    def spoil(state: Order) -> dict[str, Any]:
        return {"count": -5}

    return sequence(Order, price_order, spoil, weigh_order, total_order)


def replace_order(state: Order) -> Order:
    return Order(item=state.item, count=state.count + 1, total="replaced")


@case(input={"item": "lamp"}, output={"count": 2, "weight": 0.5})
def a_node_that_returns_a_pydantic_model(recorder: Recorder) -> Built:
    return sequence(Order, price_order, replace_order, weigh_order)


@dataclass
class Parcel:
    item: str
    price: float = 0.0
    weight: float = 0.0
    log: Annotated[list[str], operator.add] = field(default_factory=list)
    total: str = ""


def price_parcel(state: Parcel) -> dict[str, Any]:
    time.sleep(PAUSE)
    return {"price": len(state.item) * 1.5, "log": ["price"]}


def weigh_parcel(state: Parcel) -> dict[str, Any]:
    return {"weight": len(state.item) * 0.25, "log": ["weigh"]}


def total_parcel(state: Parcel) -> dict[str, Any]:
    return {"total": f"{state.price} for {state.weight}", "log": ["total"]}


@case(input={"item": "lamp"}, output={"total": "6.0 for 1.0", "log": ["price", "weigh", "total"]})
def a_dataclass_state(recorder: Recorder) -> Built:
    return sequence(Parcel, price_parcel, weigh_parcel, total_parcel)


def look_by_name(state: Parcel) -> dict[str, Any]:
    return {"total": ",".join(str(getattr(state, name)) for name in ("item", "price", "weight"))}


def look_at_all(state: Parcel) -> dict[str, Any]:
    return {"total": ",".join(f"{name}={value}" for name, value in vars(state).items() if value)}


@case(input={"item": "lamp"}, output={"total": "lamp,6.0,1.0"})
def a_dataclass_read_by_computed_names(recorder: Recorder) -> Built:
    return sequence(Parcel, price_parcel, weigh_parcel, look_by_name)


@case(input={"item": "lamp"}, output={"total": "item=lamp,price=6.0,weight=1.0,log=['price', 'weigh']"})
def a_dataclass_read_as_a_whole(recorder: Recorder) -> Built:
    return sequence(Parcel, price_parcel, weigh_parcel, look_at_all)


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Working(TypedDict, total=False):
    question: str
    words: int
    letters: int
    answer: str


class Secret(TypedDict, total=False):
    clue: str


def count_words(state: Working) -> Working:
    time.sleep(PAUSE)
    return {"words": len(state["question"].split())}


def count_letters(state: Question) -> Working:
    return {"letters": len(state["question"])}


def answer(state: Working) -> Working:
    return {"answer": f"{state['words']} words, {state['letters']} letters"}


@case(input={"question": "who goes there"}, output={"answer": "3 words, 14 letters"})
def input_and_output_schemas(recorder: Recorder) -> Built:
    return sequence(Working, count_words, count_letters, answer, input_schema=Question, output_schema=Answer)


def hide(state: Working) -> Secret:
    return {"clue": state["question"][:3]}


def use_clue(state: Secret) -> Working:
    return {"answer": f"clue {state['clue']}"}


@case(input={"question": "who goes there"}, output={"answer": "clue who", "words": 3})
def a_private_channel_between_two_nodes(recorder: Recorder) -> Built:
    return sequence(Working, hide, count_words, use_clue)


class Slim(TypedDict):
    words: int


def see_slim(state: Slim) -> Working:
    return {"answer": f"sees {sorted(state)}"}


@case(input={"question": "who goes there"}, output={"answer": "sees ['words']"})
def a_node_with_a_narrow_input_schema(recorder: Recorder) -> Built:
    return sequence(Working, count_words, count_letters, see_slim)


class Books(TypedDict, total=False):
    entries: Annotated[list[str], operator.add]
    counts: Annotated[dict[str, int], lambda old, new: {**old, **{k: old.get(k, 0) + v for k, v in new.items()}}]
    longest: Annotated[str, lambda old, new: max(old, new, key=len)]
    final: str


def zeta(state: Books) -> Books:
    time.sleep(PAUSE)
    return {"entries": ["zeta"], "counts": {"z": 1, "both": 1}, "longest": "zeta!"}


def beta(state: Books) -> Books:
    return {"entries": ["beta"], "counts": {"b": 1, "both": 1}, "longest": "beta?"}


def omega(state: Books) -> Books:
    return {"entries": ["omega"], "longest": "o"}


def close_books(state: Books) -> Books:
    return {"final": f"{state['entries']} {state['counts']} {state['longest']}"}


@case(
    input={"entries": ["in"], "counts": {}, "longest": ""},
    output={
        "entries": ["in", "zeta", "beta", "omega"],
        "counts": {"z": 1, "both": 2, "b": 1},
        "longest": "zeta!",
        "final": "['in', 'zeta', 'beta', 'omega'] {'z': 1, 'both': 2, 'b': 1} zeta!",
    },
)
def reducers_of_every_kind(recorder: Recorder) -> Built:
    return sequence(Books, zeta, beta, omega, close_books)


def overwrite(state: Books) -> dict[str, Any]:
    return {"entries": Overwrite(["anew"])}


@case(input={"entries": ["in"]}, output={"entries": ["anew", "omega"]})
def a_reducer_overwritten(recorder: Recorder) -> Built:
    return sequence(Books, zeta, overwrite, omega)


class Rewritten(TypedDict, total=False):
    value: str
    seen: str
    other: str


def write_once(state: Rewritten) -> Rewritten:
    time.sleep(PAUSE)
    return {"value": "once"}


def see(state: Rewritten) -> Rewritten:
    return {"seen": state["value"]}


def write_again(state: Rewritten) -> Rewritten:
    return {"value": "again"}


def elsewhere(state: Rewritten) -> Rewritten:
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
    return {"messages": [AIMessage("how are you?", id="kept")]}


def correct(state: Dialogue) -> Dialogue:
    return {"messages": [AIMessage("how are you today?", id="kept")]}


def drop_first(state: Dialogue) -> Dialogue:
    return {"messages": [RemoveMessage(id=state["messages"][0].id)]}


def texts(state: Dialogue) -> Dialogue:
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
    return {
        "seen": [f"{state.get('fleeting')} {state.get('topic')} {state.get('kept_topic')} {state.get('untracked')}"],
        "deltas": ["two"],
        "kept_topic": ["k2", "k3"],
    }


def see_later(state: Channels) -> dict[str, Any]:
    return {"seen": [f"{state.get('fleeting')} {state.get('topic')} {state.get('kept_topic')} {state.get('deltas')}"]}


SEEN = ["now ['t1'] ['k1'] 1", "None None ['k1', 'k2', 'k3'] ['one', 'two']"]


@case(input={"text": "in"}, output={"seen": SEEN})
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
    return {"deltas": ["two"]}


def delta_text(state: Deltas) -> Deltas:
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
    return {"b": state["text"]}


def count_down(state: Counted) -> Counted:
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
        return {**state, "text": state["text"] + "!"}

    def again(state: dict[str, Any]) -> dict[str, Any]:
        return state

    return sequence(dict, shout, again)
