"""Policies, failures and what they leave behind."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import Observer, Recorder


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
    time.sleep(INSTANT)
    return {"b": state["text"] + "b", "log": ["b"]}


def do_c(state: Work) -> Work:
    time.sleep(INSTANT)
    return {"c": state["a"] + state["b"], "log": ["c"]}


def fail_b(state: Work) -> Work:
    time.sleep(INSTANT)
    raise ValueError(f"b can't do {state['text']}")


def fail_a_slowly(state: Work) -> Work:
    time.sleep(0.01)
    raise RuntimeError("a failed")


def fail_c(state: Work) -> Work:
    time.sleep(INSTANT)
    raise KeyError("c")


async def fail_b_async(state: Work) -> Work:
    await asyncio.sleep(INSTANT)
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
        time.sleep(INSTANT)
        recorder.effect("touched")
        return {"b": "touched"}

    return sequence(fail_a_slowly, touch, do_c), {"checkpointer": InMemorySaver()}


def twice(observer: Observer) -> None:
    observer.run(TEXT)
    observer.run(None)


@case(script=twice, failure="ValueError: b can't do x")
def a_failure_that_comes_again_on_resume(recorder: Recorder) -> Built:
    return sequence(do_a, fail_b, do_c), {"checkpointer": InMemorySaver()}


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
