"""Chains that hide parallelism, and those that only seem to."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, Built, case
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, RetryPolicy

from optiflow.analysis.equivalence import Recorder

PAUSE = 0.002
PARALLEL = {"parallel": frozenset({"stock", "rating"})}
CHAIN = {"item": "lamp"}
SUMMARY = {"price": 12, "stock": "lamp in stock", "rating": 4.5, "summary": "12 lamp in stock 4.5"}


class Product(TypedDict, total=False):
    item: str
    price: int
    stock: str
    rating: float
    summary: str


def chain(*names: str) -> list[tuple[str, str]]:
    return list(zip((START, *names), (*names, END), strict=True))


def price(state: Product) -> Product:
    time.sleep(PAUSE)
    return {"price": len(state["item"]) * 3}


def stock(state: Product) -> Product:
    time.sleep(PAUSE)
    return {"stock": f"{state['item']} in stock"}


def rating(state: Product) -> Product:
    time.sleep(PAUSE)
    return {"rating": len(state["item"]) + 0.5}


def summary(state: Product) -> Product:
    return {"summary": f"{state['price']} {state['stock']} {state['rating']}"}


def product_chain(*nodes: Any, state: Any = Product, **options: Any) -> StateGraph:
    builder = StateGraph(state)
    names = ("price", "stock", "rating", "summary")
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node, **options)
    for start, end in chain(*names):
        builder.add_edge(start, end)
    return builder


@case(input=CHAIN, output=SUMMARY, applied=PARALLEL)
def independent_nodes_and_a_join(recorder: Recorder) -> Built:
    return product_chain(price, stock, rating, summary)


async def price_async(state: Product) -> Product:
    await asyncio.sleep(PAUSE)
    return {"price": len(state["item"]) * 3}


async def stock_async(state: Product) -> Product:
    await asyncio.sleep(PAUSE)
    return {"stock": f"{state['item']} in stock"}


async def rating_async(state: Product) -> Product:
    await asyncio.sleep(PAUSE)
    return {"rating": len(state["item"]) + 0.5}


@case(input=CHAIN, output=SUMMARY, applied=PARALLEL, modes=ASYNC)
def independent_async_nodes_and_a_join(recorder: Recorder) -> Built:
    return product_chain(price_async, stock_async, rating_async, summary)


class Look:
    """A node that is an object: what it does depends on what it was made with."""

    def __init__(self, key: str, factor: int) -> None:
        self.key = key
        self.factor = factor

    def __call__(self, state: Product) -> dict[str, Any]:
        time.sleep(PAUSE)
        return {self.key: len(state["item"]) * self.factor}


class LookAsync:
    def __init__(self, key: str, factor: int) -> None:
        self.key = key
        self.factor = factor

    async def __call__(self, state: Product) -> dict[str, Any]:
        await asyncio.sleep(PAUSE)
        return {self.key: len(state["item"]) * self.factor}


CALLABLE_OUTPUT = {"price": 12, "stock": 16, "rating": 20, "summary": "12 16 20"}


@case(input=CHAIN, output=CALLABLE_OUTPUT, applied=PARALLEL)
def independent_callable_class_nodes_and_a_join(recorder: Recorder) -> Built:
    return product_chain(Look("price", 3), Look("stock", 4), Look("rating", 5), summary)


@case(input=CHAIN, output=CALLABLE_OUTPUT, applied=PARALLEL, modes=ASYNC)
def independent_async_callable_class_nodes_and_a_join(recorder: Recorder) -> Built:
    return product_chain(LookAsync("price", 3), LookAsync("stock", 4), LookAsync("rating", 5), summary)


class Shop:
    """Methods as nodes."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def price(self, state: Product) -> Product:
        return {"price": len(state["item"]) * self.factor}

    def stock(self, state: Product) -> Product:
        return {"stock": f"{state['item']} in stock"}

    def rating(self, state: Product) -> Product:
        return {"rating": len(state["item"]) + 0.5}


@case(input=CHAIN, output=SUMMARY)
def independent_methods_and_a_join(recorder: Recorder) -> Built:
    shop = Shop(3)
    return product_chain(shop.price, shop.stock, shop.rating, summary)


@case(input=CHAIN, output={**SUMMARY, "summary": "(12, 'lamp in stock', 4.5)"})
def lambdas_and_comprehensions(recorder: Recorder) -> Built:
    return product_chain(
        lambda state: {"price": sum(3 for _ in state["item"])},
        lambda state: {"stock": " ".join([state["item"], "in stock"])},
        lambda state: {"rating": len(state.get("item", "")) + 0.5},
        lambda state: {"summary": repr(tuple(state[key] for key in ("price", "stock", "rating")))},
    )


class Notes(TypedDict, total=False):
    first: str
    second: str
    third: str
    read: Any


def write_first(state: Notes) -> Notes:
    time.sleep(PAUSE)
    return {"first": "one"}


def write_second(state: Notes) -> Notes:
    return {"second": "two"}


def read_unpacked(state: Notes) -> Notes:
    seen = {**state}
    return {"read": sorted(seen)}


def read_copied(state: Notes) -> Notes:
    seen = dict(state)
    return {"read": sorted(seen)}


def read_items(state: Notes) -> Notes:
    return {"read": [f"{key}={value}" for key, value in state.items()]}


def read_membership(state: Notes) -> Notes:
    return {"read": ["first" in state, "third" in state, len(state)]}


def helper(state: Any) -> list[str]:
    return sorted(state)


def read_by_helper(state: Notes) -> Notes:
    return {"read": helper(state)}


def read_by_name(state: Notes) -> Notes:
    names = ["fi" + "rst", "sec" + "ond"]
    return {"read": [state[name] for name in names]}  # type: ignore[literal-required]


def read_by_get(state: Notes) -> Notes:
    return {"read": [state.get("first"), state.get("third", "none")]}


def read_attribute_of_copy(state: Notes) -> Notes:
    import copy

    return {"read": copy.deepcopy(state).get("first")}


def _reader(name: str, node: Any, read: Any) -> None:
    def build(recorder: Recorder) -> Built:
        builder = StateGraph(Notes)
        builder.add_sequence([("write_first", write_first), ("write_second", write_second), ("reader", node)])
        builder.add_edge(START, "write_first")
        return builder

    case(name=name, input={"third": "three"}, output={"read": read})(build)


_reader("reads_state_unpacked", read_unpacked, ["first", "second", "third"])
_reader("reads_state_copied", read_copied, ["first", "second", "third"])
_reader("reads_state_items", read_items, ["first=one", "second=two", "third=three"])
_reader("reads_state_membership_and_length", read_membership, [True, True, 3])
_reader("reads_state_in_a_helper", read_by_helper, ["first", "second", "third"])
_reader("reads_state_by_computed_names", read_by_name, ["one", "two"])
_reader("reads_state_by_get", read_by_get, ["one", "three"])
_reader("reads_state_deeply_copied", read_attribute_of_copy, "one")


class Shelf:
    """An object outside of the state."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: dict[str, str] = {}

    def save(self, key: str, value: str) -> None:
        self._recorder.effect("saved", [key, value])
        self._kept[key] = value

    def load(self, key: str) -> str:
        self._recorder.effect("loaded", key)
        return self._kept.get(key, "MISSING")


@case(
    input={"third": "three"},
    output={"first": "saved", "second": "three"},
    effects=("saved", "loaded"),
    refusals={"parallel": {"save": "", "load": ""}},
)
def one_node_saves_to_an_object_and_the_next_loads_from_it(recorder: Recorder) -> Built:
    shelf = Shelf(recorder)

    def save(state: Notes) -> Notes:
        time.sleep(PAUSE)
        shelf.save("note", state["third"])
        return {"first": "saved"}

    def load(state: Notes) -> Notes:
        return {"second": shelf.load("note")}

    builder = StateGraph(Notes)
    builder.add_sequence([("save", save), ("load", load)])
    builder.add_edge(START, "save")
    return builder


KEPT: list[str] = []


def keep_globally(state: Notes) -> Notes:
    time.sleep(PAUSE)
    KEPT.clear()
    KEPT.append(state["third"])
    return {"first": "kept"}


def take_globally(state: Notes) -> Notes:
    return {"second": KEPT[-1] if KEPT else "MISSING"}


@case(
    input={"third": "three"},
    output={"first": "kept", "second": "three"},
    refusals={"parallel": {"keep": "", "take": ""}},
)
def a_module_variable_passes_between_nodes(recorder: Recorder) -> Built:
    KEPT.clear()
    builder = StateGraph(Notes)
    builder.add_sequence([("keep", keep_globally), ("take", take_globally)])
    builder.add_edge(START, "keep")
    return builder


class Drafts(TypedDict, total=False):
    texts: list[str]
    first: str
    second: str


def mutate(state: Drafts) -> Drafts:
    time.sleep(PAUSE)
    state["texts"].append("mutated")
    return {"first": "done"}


def see_mutation(state: Drafts) -> Drafts:
    return {"second": " ".join(state["texts"])}


@case(
    input={"texts": ["given"]},
    output={"texts": ["given", "mutated"], "first": "done", "second": "given mutated"},
)
def a_node_mutates_a_value_of_the_state(recorder: Recorder) -> Built:
    builder = StateGraph(Drafts)
    builder.add_sequence([("mutate", mutate), ("see", see_mutation)])
    builder.add_edge(START, "mutate")
    return builder


class Log(TypedDict, total=False):
    entries: Annotated[list[str], operator.add]
    merged: Annotated[dict[str, int], operator.or_]
    last: str


def zulu(state: Log) -> Log:
    time.sleep(PAUSE * 2)
    return {"entries": ["first"], "merged": {"zulu": 1, "same": 1}, "last": "zulu"}


def alpha(state: Log) -> Log:
    return {"entries": ["second"], "merged": {"alpha": 2, "same": 2}, "last": "alpha"}


@case(
    input={"entries": ["input"], "merged": {}, "last": ""},
    output={"entries": ["input", "first", "second"], "merged": {"zulu": 1, "same": 2, "alpha": 2}, "last": "alpha"},
)
def writes_against_the_alphabet(recorder: Recorder) -> Built:
    builder = StateGraph(Log)
    builder.add_sequence([("zulu", zulu), ("alpha", alpha)])
    builder.add_edge(START, "zulu")
    return builder


class Trip(TypedDict, total=False):
    text: str
    language: str
    length: int
    shout: str
    label: str
    final: str


def find_language(state: Trip) -> Trip:
    time.sleep(PAUSE)
    return {"language": "en" if state["text"].isascii() else "??"}


def measure(state: Trip) -> Trip:
    return {"length": len(state["text"])}


def shout(state: Trip) -> Trip:
    return {"shout": state["text"].upper()}


def label(state: Trip) -> Trip:
    return {"label": f"{state['language']}:{state['length']}"}


def retext(state: Trip) -> Trip:
    return {"text": state["text"] + "!"}


def finish(state: Trip) -> Trip:
    return {"final": f"{state['text']} {state['shout']} {state['label']}"}


@case(input={"text": "hi"}, output={"final": "hi! HI en:2", "text": "hi!"})
def a_mixed_chain_with_a_write_after_reads(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    builder.add_sequence([find_language, measure, shout, label, retext, finish])
    builder.add_edge(START, "find_language")
    return builder


@case(
    input=CHAIN,
    output={**SUMMARY, "price": 3, "summary": "3 lamp in stock 4.5"},
    effects=("attempt", "attempt", "attempt"),
)
def a_retry_policy_on_a_node_that_fails_twice(recorder: Recorder) -> Built:
    attempts: list[int] = []

    def flaky(state: Product) -> Product:
        recorder.effect("attempt")
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("try again")
        return {"price": len(attempts)}

    builder = product_chain(flaky, stock, rating, summary)
    builder.nodes["price"].retry_policy = RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False)
    return builder


def use_twice(observer: Any) -> None:
    observer.run(CHAIN)
    observer.run(CHAIN)


@case(script=use_twice, output=SUMMARY, effects=("looked up",))
def a_cache_policy_over_two_runs(recorder: Recorder) -> Built:
    def looked_up(state: Product) -> Product:
        recorder.effect("looked up", state["item"])
        return {"price": len(state["item"]) * 3}

    builder = StateGraph(Product)
    builder.add_node("price", looked_up, cache_policy=CachePolicy())
    builder.add_sequence([stock, rating, summary])
    builder.add_edge(START, "price")
    builder.add_edge("price", "stock")
    return builder, {"cache": InMemoryCache()}


@case(
    input={"text": "hi"},
    output={"text": "hi", "label": "short"},
    effects=("short ran",),
)
def the_branch_not_chosen_does_not_run(recorder: Recorder) -> Built:
    def short(state: Trip) -> Trip:
        recorder.effect("short ran")
        return {"label": "short"}

    def long(state: Trip) -> Trip:
        recorder.effect("long ran")
        return {"label": "long", "shout": "never"}

    builder = StateGraph(Trip)
    builder.add_node("look", lambda state: {"text": state["text"]})
    builder.add_node("short", short)
    builder.add_node("long", long)
    builder.add_edge(START, "look")
    builder.add_conditional_edges(
        "look", lambda state: "short" if len(state["text"]) < 5 else "long", ["short", "long"]
    )
    return builder
