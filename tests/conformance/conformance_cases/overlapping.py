"""Chains that hide parallelism, and those that only seem to."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
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
    time.sleep(INSTANT)
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
        time.sleep(INSTANT)
        return {"price": len(state["item"]) * self.factor}

    def stock(self, state: Product) -> Product:
        time.sleep(INSTANT)
        return {"stock": f"{state['item']} in stock"}

    def rating(self, state: Product) -> Product:
        time.sleep(INSTANT)
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


class Log(TypedDict, total=False):
    entries: Annotated[list[str], operator.add]
    merged: Annotated[dict[str, int], operator.or_]
    last: str


def zulu(state: Log) -> Log:
    time.sleep(PAUSE * 2)
    return {"entries": ["first"], "merged": {"zulu": 1, "same": 1}, "last": "zulu"}


def alpha(state: Log) -> Log:
    time.sleep(INSTANT)
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
    time.sleep(INSTANT)
    return {"length": len(state["text"])}


def shout(state: Trip) -> Trip:
    time.sleep(INSTANT)
    return {"shout": state["text"].upper()}


def label(state: Trip) -> Trip:
    time.sleep(INSTANT)
    return {"label": f"{state['language']}:{state['length']}"}


def retext(state: Trip) -> Trip:
    time.sleep(INSTANT)
    return {"text": state["text"] + "!"}


def finish(state: Trip) -> Trip:
    time.sleep(INSTANT)
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
        time.sleep(INSTANT)
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
        time.sleep(INSTANT)
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
        time.sleep(INSTANT)
        recorder.effect("short ran")
        return {"label": "short"}

    def long(state: Trip) -> Trip:
        time.sleep(INSTANT)
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
