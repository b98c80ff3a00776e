"""Policies, failures and what they leave behind."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, Built, case
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, TimeoutPolicy

from optiflow.analysis.equivalence import Observer, Recorder

AT_ONCE = RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False)


class Work(TypedDict, total=False):
    text: str
    a: str
    b: str
    c: str
    log: Annotated[list[str], operator.add]


def do_a(state: Work) -> Work:
    time.sleep(0.002)
    return {"a": state["text"] + "a", "log": ["a"]}


def do_b(state: Work) -> Work:
    return {"b": state["text"] + "b", "log": ["b"]}


def do_c(state: Work) -> Work:
    return {"c": state["a"] + state["b"], "log": ["c"]}


def fail_b(state: Work) -> Work:
    raise ValueError(f"b can't do {state['text']}")


def fail_a_slowly(state: Work) -> Work:
    time.sleep(0.01)
    raise RuntimeError("a failed")


def fail_c(state: Work) -> Work:
    raise KeyError("c")


async def fail_b_async(state: Work) -> Work:
    raise ValueError(f"b can't do {state['text']}")


async def do_a_async(state: Work) -> Work:
    await asyncio.sleep(0.002)
    return {"a": state["text"] + "a", "log": ["a"]}


def sequence(*nodes: Any) -> StateGraph:
    builder = StateGraph(Work)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__)
    return builder


TEXT = {"text": "x"}


@case(input=TEXT, failure="ValueError: b can't do x")
def a_failing_node_in_a_chain(recorder: Recorder) -> Built:
    return sequence(do_a, fail_b, do_c)


@case(input=TEXT, failure="ValueError: b can't do x")
def a_failing_node_in_a_chain_with_a_checkpointer(recorder: Recorder) -> Built:
    return sequence(do_a, fail_b, do_c), {"checkpointer": InMemorySaver()}


@case(input=TEXT, failure="ValueError: b can't do x", modes=ASYNC)
def a_failing_asynchronous_node(recorder: Recorder) -> Built:
    return sequence(do_a_async, fail_b_async, do_c), {"checkpointer": InMemorySaver()}


# Overlapped, the later node fails first; its error must not win.
@case(input=TEXT, failure="RuntimeError: a failed")
def two_failing_nodes_of_which_the_later_is_faster(recorder: Recorder) -> Built:
    return sequence(fail_a_slowly, fail_b, fail_c)


@case(input=TEXT, failure="RuntimeError: a failed")
def two_failing_nodes_with_a_checkpointer(recorder: Recorder) -> Built:
    return sequence(do_b, fail_a_slowly, fail_b), {"checkpointer": InMemorySaver()}


@case(input=TEXT, failure="RuntimeError: a failed", effects=())
def nothing_after_a_failure_is_done(recorder: Recorder) -> Built:
    def touch(state: Work) -> Work:
        recorder.effect("touched")
        return {"b": "touched"}

    return sequence(fail_a_slowly, touch, do_c), {"checkpointer": InMemorySaver()}


def twice(observer: Observer) -> None:
    observer.run(TEXT)
    observer.run(None)


@case(script=twice, failure="ValueError: b can't do x")
def a_failure_that_comes_again_on_resume(recorder: Recorder) -> Built:
    return sequence(do_a, fail_b, do_c), {"checkpointer": InMemorySaver()}


class Flaky:
    """Fails the first times that it is called."""

    def __init__(self, recorder: Recorder, failures: int, key: str) -> None:
        self.recorder = recorder
        self.failures = failures
        self.key = key

    def __call__(self, state: Work) -> dict[str, Any]:
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


@case(input=TEXT, output={"a": "xa", "b": "in time", "c": "xain time"}, modes=ASYNC)
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


@case(input=TEXT, output={"b": "b raised b can't do x", "log": ["a", "recovered", "c"]})
def an_error_handler(recorder: Recorder) -> Built:
    builder = StateGraph(Work)
    builder.add_node("a", do_a)
    builder.add_node("b", fail_b, error_handler=recover)
    builder.add_node("c", do_c)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    return builder


def recover_in_place(state: Work, error: NodeError) -> Work:
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


@case(input=TEXT, failure="InvalidUpdateError")
def a_node_that_returns_no_update(recorder: Recorder) -> Built:
    return sequence(do_a, do_b, ("wrong", lambda state: "text"), do_c)


@case(input=None, failure="EmptyInputError")
def no_input(recorder: Recorder) -> Built:
    return sequence(do_a, do_b, do_c)


@case(input={"other": 1}, failure="KeyError: 'text'")
def an_input_of_unknown_keys(recorder: Recorder) -> Built:
    return sequence(do_a, do_b, do_c)


@case(input={"log": []}, failure="KeyError")
def a_node_that_misses_a_key(recorder: Recorder) -> Built:
    return sequence(do_a, do_b, do_c)


@case(input=TEXT, failure="KeyError: 'nowhere'")
def a_router_that_fails(recorder: Recorder) -> Built:
    def route(state: Work) -> str:
        return {"x": "a"}[state["text"] and "nowhere"]

    builder = sequence(do_a, do_b, do_c)
    builder.add_node("end", do_b)
    builder.add_conditional_edges("do_c", route, ["end"])
    return builder
