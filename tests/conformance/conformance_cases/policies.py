"""Retries, caches, timeouts and error handlers."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import time
from typing import Any

from conformance_cases.case import ASYNC, INSTANT, Built, case
from conformance_cases.failing import TEXT, Work, do_a, do_a_async, do_b, do_c, fail_b, sequence
from langgraph.cache.memory import InMemoryCache
from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, TimeoutPolicy

from optiflow.analysis.equivalence import Observer, Recorder

AT_ONCE = RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False)


class Flaky:
    """Fails the first times that it is called."""

    def __init__(self, recorder: Recorder, failures: int, key: str) -> None:
        self.recorder = recorder
        self.failures = failures
        self.key = key

    def __call__(self, state: Work) -> dict[str, Any]:
        time.sleep(INSTANT)
        self.recorder.effect("tried", self.key)
        self.failures -= 1
        if self.failures >= 0:
            raise ConnectionError("not yet")
        return {self.key: "at last", "log": [self.key]}


@case(input=TEXT, output={"a": "at last", "log": ["a", "b"]}, effects=("tried",) * 3)
def retries_until_success(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", Flaky(recorder, 2, "a"), retry_policy=AT_ONCE)
    builder.add_node("b", do_b)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder


@case(input=TEXT, failure="ConnectionError: not yet", effects=("tried",) * 3)
def retries_until_the_last(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", Flaky(recorder, 5, "a"), retry_policy=[RetryPolicy(retry_on=KeyError), AT_ONCE])
    builder.add_node("b", do_b)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder


@case(input=TEXT, failure="ValueError", effects=())
def a_retry_policy_that_does_not_fit(recorder: Recorder) -> Built:
    builder = sequence(do_a, do_b)
    builder.add_node("c", fail_b, retry_policy=RetryPolicy(retry_on=KeyError))
    builder.add_edge("do_b", "c")
    return builder


@case(input=TEXT, output={"a": "xa", "b": "xb", "c": "2"})
def retries_of_nodes_that_could_overlap(recorder: Recorder) -> Built:
    attempts = {"c": 0}

    def flaky_c(state: Work) -> Work:
        time.sleep(INSTANT)
        attempts["c"] += 1
        if attempts["c"] < 2:
            raise ConnectionError("not yet")
        return {"c": str(attempts["c"])}

    builder = StateGraph(Work)
    for name, node in (("a", do_a), ("b", do_b), ("c", flaky_c)):
        builder.add_node(name, node, retry_policy=AT_ONCE)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder


def run_twice(observer: Observer) -> None:
    observer.run(TEXT)
    observer.run({"text": "x"})
    observer.run({"text": "y"})


@case(script=run_twice, output={"a": "ya", "b": "yb", "c": "yayb"}, stream_modes=("updates",))
def cached_nodes_over_several_runs(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    for name, node in (("a", do_a), ("b", do_b), ("c", do_c)):
        builder.add_node(name, node, cache_policy=CachePolicy())
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder, {"cache": InMemoryCache()}


@case(script=run_twice, output={"a": "counted"}, effects=("counted", "counted"))
def a_cache_with_a_key_of_the_users(recorder: Recorder) -> Built:
    def count(state: Work) -> Work:
        time.sleep(INSTANT)
        recorder.effect("counted", state["text"])
        return {"a": "counted"}

    builder = StateGraph(Work)
    builder.add_node("count", count, cache_policy=CachePolicy(key_func=lambda state: state["text"], ttl=60))
    builder.add_edge(START, "count")
    return builder, {"cache": InMemoryCache()}


async def too_slow(state: Work) -> Work:
    await asyncio.sleep(5)
    return {"b": "never"}


async def in_time(state: Work) -> Work:
    await asyncio.sleep(0)
    return {"b": "in time"}


@case(input=TEXT, failure="NodeTimeoutError", modes=("ainvoke", "astream"))
def a_node_that_exceeds_its_timeout(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", do_a_async)
    builder.add_node("b", too_slow, timeout=0.02)
    builder.add_node("c", do_c)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder


@case(
    input=TEXT,
    output={"a": "xa", "b": "in time", "c": "xain time"},
    modes=ASYNC,
    refusals={"parallel": {"b": "idle timeout"}},
)
def a_node_within_its_timeout(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", do_a_async)
    builder.add_node("b", in_time, timeout=TimeoutPolicy(run_timeout=5, idle_timeout=5))
    builder.add_node("c", do_c)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder


def recover(state: Work, error: NodeError) -> Command:
    return Command(update={"b": f"{error.node} raised {error.error}", "log": ["recovered"]}, goto="c")


@case(
    input=TEXT,
    output={"b": "b raised b can't do x", "log": ["a", "recovered", "c"]},
    refusals={"parallel": {"__error_handler__b": "handle an error"}},
)
def an_error_handler(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", do_a)
    builder.add_node("b", fail_b, error_handler=recover)
    builder.add_node("c", do_c)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder


def recover_in_place(state: Work, error: NodeError) -> Work:
    time.sleep(INSTANT)
    return {"b": f"handled {error.node}", "log": ["handled"]}


# A handler stands in for the node's edges too: without a command, nothing follows.
@case(input=TEXT, output={"b": "handled b", "log": ["a", "handled"]})
def an_error_handler_that_returns_an_update(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", do_a)
    builder.add_node("b", fail_b, error_handler=recover_in_place)
    builder.add_node("c", lambda state: {"log": ["c"]})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder


@case(input=TEXT, output={"log": ["a", "handled"]})
def node_defaults(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.set_node_defaults(retry_policy=AT_ONCE, error_handler=recover_in_place)
    builder.add_node("a", do_a)
    builder.add_node("b", fail_b)
    builder.add_node("c", lambda state: {"log": ["c"]})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder
