"""Routers whose branches may start before it is known which is taken."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
from conformance_cases.models import EchoModel, StreamingEchoModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.errors import NodeError
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send

from optiflow.analysis.equivalence import Observer, Recorder
from optiflow.plan.declare import effects

PAUSE = 0.003
MODEL = EchoModel()
STREAMING = StreamingEchoModel()
LOGGER = logging.getLogger("speculating")
APPLIED: dict[str, Any] = {"applied": {"speculate": frozenset({"decide"})}}
AGAIN = {"retry_policy": RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False, retry_on=ValueError)}
TAKEN, OTHER = {"question": "far?"}, {"question": "near?"}


class Trip(TypedDict, total=False):
    question: str
    kind: str
    answer: str
    log: Annotated[list[str], operator.add]


def decide(state: Trip) -> Trip:
    time.sleep(PAUSE)
    return {"kind": MODEL.invoke(state["question"]).text.removeprefix("heard: ")}


def near(state: Trip) -> Trip:
    print("near")
    return {"answer": MODEL.invoke("near " + state["question"]).text, "log": ["near"]}


def far(state: Trip) -> Trip:
    LOGGER.warning("far")
    first = MODEL.invoke("far " + state["question"]).text
    print("far")
    return {"answer": MODEL.invoke(first).text, "log": ["far"]}


def by_kind(state: Trip) -> Literal["near", "far"]:
    return "near" if state["kind"] == "near?" else "far"


def trip(
    decide: Any = decide, far: Any = far, route: Any = by_kind, options: Mapping[str, Mapping[str, Any]] | None = None
) -> StateGraph:
    builder = StateGraph(Trip)
    for name, node in (("decide", decide), ("near", near), ("far", far)):
        builder.add_node(name, node, **(options or {}).get(name, {}))
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", route, ["near", "far"])
    return builder


def both_ways(**declared: Any) -> Callable[[Callable[[Recorder], Built]], Callable[[Recorder], Built]]:
    """Two cases: one in which the branch that is declared last is taken, and one in which the other is."""

    def declare(build: Callable[[Recorder], Built]) -> Callable[[Recorder], Built]:
        failure = declared.pop("failure", None)
        options = {**APPLIED, **declared}
        case(f"{build.__name__}_taken", input=TAKEN, failure=failure, **options)(build)
        case(f"{build.__name__}_not_taken", input=OTHER, **options)(build)
        return build

    return declare


@both_ways()
def a_branch(recorder: Recorder) -> Built:
    return trip()


@both_ways()
def a_branch_with_a_checkpointer(recorder: Recorder) -> Built:
    return trip(), {"checkpointer": InMemorySaver()}


@effects(reads=["question"], writes=["answer"])
def stream(state: Trip) -> Trip:
    get_stream_writer()("custom")
    answer = "".join(chunk.text for chunk in STREAMING.stream("some words on " + state["question"]))
    get_stream_writer()(answer)
    return {"answer": answer}


@both_ways(stream_modes=("messages", "custom", ("messages", "updates")))
def a_branch_that_streams(recorder: Recorder) -> Built:
    return trip(far=stream)


@effects(reads=["question"], writes=["answer"])
async def stream_async(state: Trip) -> Trip:
    return {"answer": "".join([c.text async for c in STREAMING.astream("some words on " + state["question"])])}


@both_ways(stream_modes=("messages",), modes=ASYNC)
def an_asynchronous_branch_that_streams(recorder: Recorder) -> Built:
    return trip(far=stream_async)


def fail(state: Trip) -> Trip:
    MODEL.invoke("about to fail")
    raise ValueError("far fails")


@both_ways(failure="far fails")
def a_branch_that_fails(recorder: Recorder) -> Built:
    return trip(far=fail), {"checkpointer": InMemorySaver()}


@both_ways(failure="far fails")
def a_branch_that_fails_at_every_attempt(recorder: Recorder) -> Built:
    return trip(far=fail, options={"far": AGAIN})


def decide_nothing(state: Trip) -> Trip:
    time.sleep(PAUSE)
    if state["question"]:
        raise ValueError("undecided")
    return {"kind": "far?"}


@case(input=TAKEN, failure="undecided", **APPLIED)
def a_failure_in_front_of_the_router(recorder: Recorder) -> Built:
    return trip(decide=decide_nothing, options={"decide": AGAIN}), {"checkpointer": InMemorySaver()}


def take_over(state: Trip, error: NodeError) -> Trip:
    return {"answer": f"after {error.error}"}


@case(input=TAKEN, output={"answer": "after undecided"}, **APPLIED)
def an_error_handler_in_front_of_the_router(recorder: Recorder) -> Built:
    return trip(decide=decide_nothing, options={"decide": {"error_handler": take_over}})


@case(input=TAKEN, output={"answer": "heard: heard: far far?"})
def a_router_that_notes_that_it_was_asked(recorder: Recorder) -> Built:
    def route(state: Trip) -> str:
        recorder.effect("asked", state["kind"])
        return "far"

    return trip(route=route)


def route_wrongly(state: Trip) -> str:
    raise KeyError(f"no way {state['kind']}")


@case(input=TAKEN, failure="no way far?", **APPLIED)
def a_router_that_raises_behind_a_model(recorder: Recorder) -> Built:
    return trip(route=route_wrongly), {"checkpointer": InMemorySaver()}


@effects(reads=["kind"], writes=[])
def send(state: Trip) -> list[Send]:
    return [Send("far", {"question": state["kind"] + " sent"})]


@case(input=TAKEN, output={"answer": "heard: heard: far far? sent"}, **APPLIED)
def a_router_that_sends_instead(recorder: Recorder) -> Built:
    return trip(route=send)


def both(state: Trip) -> list[str]:
    return ["near", "far"]


def near_only_notes(state: Trip) -> Trip:
    return {"log": ["near"]}


@case(input=TAKEN, output={"log": ["far", "near"]}, concurrent=frozenset({"near", "far"}), **APPLIED)
def a_router_that_takes_both(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    for name, node in (("decide", decide), ("near", near_only_notes), ("far", far)):
        builder.add_node(name, node)
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", both, ["near", "far"])
    return builder


@case(input=TAKEN, output={"log": ["far", "near"]}, concurrent=frozenset({"near", "far"}), **APPLIED)
def two_routers_behind_one_node(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    for name, node in (("decide", decide), ("near", near_only_notes), ("far", far)):
        builder.add_node(name, node)
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", lambda state: "near", ["near", END])
    builder.add_conditional_edges("decide", by_kind, ["near", "far"])
    return builder


def once_more(state: Trip) -> str:
    return "far" if len(state["log"]) < 3 else END


def noted(state: Trip) -> Trip:
    time.sleep(PAUSE)
    return {"log": ["again"]}


@case(input={**TAKEN, "log": []}, output={"log": ["again", "far", "again"]}, **APPLIED)
def a_branch_taken_until_the_loop_ends(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    builder.add_node("decide", noted)
    builder.add_node("far", far)
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", once_more, [END, "far"])
    builder.add_edge("far", "decide")
    return builder


@case(input=TAKEN, failure="Recursion limit", config={"recursion_limit": 1}, **APPLIED)
def a_recursion_limit_before_the_branch(recorder: Recorder) -> Built:
    return trip()


def go_on(observer: Observer) -> None:
    observer.run(TAKEN)
    observer.run(None)


for place in ("interrupt_before", "interrupt_after"):
    for node in ("decide", "far"):

        @case(
            f"{place}_{node}_where_branches_start_early",
            script=go_on,
            output={"answer": "heard: heard: far far?"},
        )
        def stopping(recorder: Recorder, place: str = place, node: str = node) -> Built:
            return trip(), {"checkpointer": InMemorySaver(), place: [node]}


def needs_it(state: Trip) -> Trip:
    time.sleep(INSTANT)
    return {"answer": MODEL.invoke("far " + state["kind"]).text}


@case(
    input=TAKEN,
    output={"answer": "heard: far far?"},
    refusals={"speculate": {"decide": "none of its branches"}},
)
def a_branch_that_needs_what_was_decided(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    builder.add_node("decide", decide)
    builder.add_node("far", needs_it)
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", lambda state: "far", [END, "far"])
    return builder


@effects(reads=["question"], writes=["answer"])
def lies_about_its_reads(state: Trip) -> Trip:
    time.sleep(INSTANT)
    return {"answer": f"{state['question']} {state.get('kind')}"}


@both_ways()
def a_branch_that_reads_more_than_it_says(recorder: Recorder) -> Built:
    return trip(far=lies_about_its_reads)


def touches(recorder: Recorder) -> Any:
    def far(state: Trip) -> Trip:
        recorder.effect("went far", state["question"])
        return {"answer": "far"}

    return far


@case(input=OTHER, effects=(), refusals={"speculate": {"decide": "none of its branches"}})
def a_branch_with_an_effect_that_is_not_taken(recorder: Recorder) -> Built:
    builder = StateGraph(Trip)
    builder.add_node("decide", decide)
    builder.add_node("far", touches(recorder))
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", lambda state: END, ["far", END])
    return builder


def inner(builder: StateGraph) -> StateGraph:
    outer = StateGraph(Trip)
    outer.add_node("inner", builder.compile())
    outer.add_edge(START, "inner")
    return outer


@both_ways(applied={"speculate": frozenset({"inner.decide"})})
def a_branch_in_a_subgraph(recorder: Recorder) -> Built:
    return inner(trip()), {"checkpointer": InMemorySaver()}
