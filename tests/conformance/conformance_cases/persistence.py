"""Checkpoints: interrupts, breakpoints, memory and time travel."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from conformance_cases.case import INSTANT, Built, case
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import StateSnapshot, interrupt

from optiflow.analysis.equivalence import Observer, Recorder


class Draft(TypedDict, total=False):
    topic: str
    outline: str
    text: str
    review: str
    log: Annotated[list[str], operator.add]
    final: str


def outline(state: Draft) -> Draft:
    time.sleep(0.001)
    return {"outline": f"outline of {state['topic']}", "log": ["outline"]}


def write(state: Draft) -> Draft:
    time.sleep(INSTANT)
    return {"text": f"text on {state['topic']}", "log": ["write"]}


def publish(state: Draft) -> Draft:
    time.sleep(INSTANT)
    return {"final": f"{state['outline']}; {state['text']}; {state.get('review')}", "log": ["publish"]}


def drafting(*nodes: Any, **options: Any) -> Built:
    builder = StateGraph(Draft)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__)
    return builder, {"checkpointer": InMemorySaver(), **options}


TOPIC = {"topic": "lamps", "log": []}


def about_to_run(node: str) -> Callable[[StateSnapshot], bool]:
    return lambda snapshot: snapshot.next == (node,)


def replay(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None, at=about_to_run("publish"))


@case(script=replay, output={"final": "outline of lamps; text on lamps; None"}, effects=("ended", "ended"))
def a_replay_from_an_old_checkpoint(recorder: Recorder) -> Built:
    def end(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("ended")
        return {"log": ["end"]}

    return drafting(outline, write, publish, ("end", end))


def replay_inside(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None, at=about_to_run("end"))


@case(script=replay_inside, output={"log": ["counted", "outline", "end"]}, effects=("counted", "ended", "ended"))
def a_replay_among_nodes_that_touch_the_world(recorder: Recorder) -> Built:
    def count(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("counted")
        return {"log": ["counted"]}

    def end(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("ended")
        return {"log": ["end"]}

    return drafting(("count", count), outline, ("end", end))


def fork(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.update_state({"text": "another text"}, at=about_to_run("publish"))
    observer.run(None)


@case(script=fork, output={"final": "outline of lamps; another text; None"})
def a_fork_from_an_old_checkpoint(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, ("end", lambda state: {"log": ["end"]}))


def talk(observer: Observer) -> None:
    observer.run({"topic": "lamps"})
    observer.run({"topic": "desks"})
    observer.run({"topic": "chairs"})


@case(
    script=talk, output={"final": "outline of chairs; text on chairs; None", "log": ["outline", "write", "publish"] * 3}
)
def several_inputs_on_one_thread(recorder: Recorder) -> Built:
    return drafting(outline, write, publish)


def start_by_hand(observer: Observer) -> None:
    observer.update_state({"topic": "lamps"}, as_node="__start__")
    observer.run(None)


@case(script=start_by_hand, output={"final": "outline of lamps; text on lamps; None"})
def a_thread_that_begins_with_an_update(recorder: Recorder) -> Built:
    return drafting(outline, write, publish)


def fail_and_go_on(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None)


@case(
    script=fail_and_go_on,
    output={"final": "outline of lamps; text on lamps; None", "log": ["outline", "write", "check", "publish"]},
    effects=("checked", "checked"),
)
def a_failed_run_taken_up_again(recorder: Recorder) -> Built:
    tries: list[int] = []

    def check(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("checked")
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("not yet")
        return {"log": ["check"]}

    return drafting(outline, write, check, publish)


@case(
    input=TOPIC,
    resumes=("ok",),
    output={"review": "ok", "log": ["outline", "left", "right"]},
    effects=("left ran", "right ran"),
    modes=("invoke", "ainvoke"),
    concurrent=frozenset({"left", "right"}),
)
def a_finished_sibling_of_an_interrupt_is_not_run_again(recorder: Recorder) -> Built:
    def left(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("left ran")
        return {"log": ["left"]}

    def right(state: Draft) -> Draft:
        time.sleep(0.02)
        answer = interrupt("go on?")
        recorder.effect("right ran")
        return {"review": answer, "log": ["right"]}

    builder = StateGraph(Draft)
    builder.add_node("outline", outline)
    builder.add_node("left", left)
    builder.add_node("right", right)
    builder.add_edge(START, "outline")
    builder.add_edge("outline", "left")
    builder.add_edge("outline", "right")
    return builder, {"checkpointer": InMemorySaver()}


def durable(recorder: Recorder) -> Built:
    return drafting(outline, write, publish)


for durability in ("sync", "async", "exit"):
    case(
        name=f"a_chain_with_durability_{durability}",
        input=TOPIC,
        output={"final": "outline of lamps; text on lamps; None"},
        keywords={"durability": durability},
    )(durable)
