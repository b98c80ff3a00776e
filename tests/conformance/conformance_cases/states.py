"""Kinds of state, schemas, reducers and channels."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from conformance_cases.case import INSTANT, Built, case
from langgraph.graph import START, StateGraph
from langgraph.types import Overwrite
from pydantic import BaseModel, Field

from optiflow.analysis.equivalence import Recorder

PAUSE = 0.001


def sequence(state: Any, *nodes: Any, **schemas: Any) -> StateGraph:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"weight": state.count * 0.25}


def total_order(state: Order) -> dict[str, Any]:
    time.sleep(INSTANT)
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
        time.sleep(INSTANT)
        return {"count": -5}

    return sequence(Order, price_order, spoil, weigh_order, total_order)


def replace_order(state: Order) -> Order:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"weight": len(state.item) * 0.25, "log": ["weigh"]}


def total_parcel(state: Parcel) -> dict[str, Any]:
    time.sleep(INSTANT)
    return {"total": f"{state.price} for {state.weight}", "log": ["total"]}


@case(input={"item": "lamp"}, output={"total": "6.0 for 1.0", "log": ["price", "weigh", "total"]})
def a_dataclass_state(recorder: Recorder) -> Built:
    return sequence(Parcel, price_parcel, weigh_parcel, total_parcel)


def look_by_name(state: Parcel) -> dict[str, Any]:
    time.sleep(INSTANT)
    return {"total": ",".join(str(getattr(state, name)) for name in ("item", "price", "weight"))}


def look_at_all(state: Parcel) -> dict[str, Any]:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"letters": len(state["question"])}


def answer(state: Working) -> Working:
    time.sleep(INSTANT)
    return {"answer": f"{state['words']} words, {state['letters']} letters"}


@case(input={"question": "who goes there"}, output={"answer": "3 words, 14 letters"})
def input_and_output_schemas(recorder: Recorder) -> Built:
    return sequence(Working, count_words, count_letters, answer, input_schema=Question, output_schema=Answer)


def hide(state: Working) -> Secret:
    time.sleep(INSTANT)
    return {"clue": state["question"][:3]}


def use_clue(state: Secret) -> Working:
    time.sleep(INSTANT)
    return {"answer": f"clue {state['clue']}"}


@case(input={"question": "who goes there"}, output={"answer": "clue who", "words": 3})
def a_private_channel_between_two_nodes(recorder: Recorder) -> Built:
    return sequence(Working, hide, count_words, use_clue)


class Slim(TypedDict):
    words: int


def see_slim(state: Slim) -> Working:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"entries": ["beta"], "counts": {"b": 1, "both": 1}, "longest": "beta?"}


def omega(state: Books) -> Books:
    time.sleep(INSTANT)
    return {"entries": ["omega"], "longest": "o"}


def close_books(state: Books) -> Books:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"entries": Overwrite(["anew"])}


@case(input={"entries": ["in"]}, output={"entries": ["anew", "omega"]})
def a_reducer_overwritten(recorder: Recorder) -> Built:
    return sequence(Books, zeta, overwrite, omega)
