"""Interrupts and breakpoints."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from conformance_cases.case import INSTANT, Built, case
from conformance_cases.persistence import TOPIC, Draft, drafting, outline, publish, write
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from optiflow.analysis.equivalence import Observer, Recorder

NEEDS_REVIEW = {"parallel": {"review": ""}}


@case(input=TOPIC, output={"final": "outline of lamps; text on lamps; None"})
def a_chain_with_a_checkpointer(recorder: Recorder) -> Built:
    return drafting(outline, write, publish)


@case(
    input=TOPIC, output={"final": "outline of lamps; text on lamps; None"}, config={"configurable": {"thread_id": "7"}}
)
def a_chain_on_a_named_thread(recorder: Recorder) -> Built:
    return drafting(outline, write, publish)


def reviewer(recorder: Recorder) -> Callable[[Draft], Draft]:
    def review(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("review begun")
        answer = interrupt({"text": state["text"]})
        recorder.effect("review ended", answer)
        return {"review": answer, "log": ["review"]}

    return review


@case(
    input=TOPIC,
    resumes=("fine",),
    output={"final": "outline of lamps; text on lamps; fine", "log": ["outline", "write", "review", "publish"]},
    effects=("review begun", "review begun", "review ended"),
    refusals=NEEDS_REVIEW,
)
def an_interrupt_and_a_resume(recorder: Recorder) -> Built:
    return drafting(outline, write, reviewer(recorder), publish)


@case(input=TOPIC, resumes=("fine",), output={"review": "fine"}, refusals=NEEDS_REVIEW)
def an_interrupt_after_nodes_that_could_overlap(recorder: Recorder) -> Built:
    def count(state: Draft) -> Draft:
        time.sleep(INSTANT)
        recorder.effect("counted")
        return {"log": ["count"]}

    return drafting(outline, write, ("count", count), reviewer(recorder), publish)


@case(
    input=TOPIC,
    resumes=("a", "b", "c"),
    output={"review": "a b c"},
    refusals={"parallel": {"review": "interrupts the run"}},
)
def several_interrupts_in_one_node(recorder: Recorder) -> Built:
    def review(state: Draft) -> Draft:
        return {"review": " ".join([interrupt("first"), interrupt("second"), interrupt("third")])}

    return drafting(outline, review, write, publish)


@case(
    input=TOPIC,
    resumes=("a", "b"),
    output={"review": "b", "text": "a"},
    refusals={"parallel": {"ask_text": "interrupts the run", "ask_review": "interrupts the run"}},
)
def interrupts_in_two_nodes_of_a_chain(recorder: Recorder) -> Built:
    def ask_text(state: Draft) -> Draft:
        return {"text": interrupt("text?")}

    def ask_review(state: Draft) -> Draft:
        return {"review": interrupt("review?")}

    return drafting(("ask_text", ask_text), outline, ("ask_review", ask_review), publish)


def answer_all(interrupts: Any) -> dict[str, str]:
    return {each.id: f"to {each.value}" for each in interrupts}


@case(
    input=TOPIC,
    resumes=(answer_all,),
    output={"text": "to text?", "review": "to review?"},
    concurrent=frozenset({"ask_text", "ask_review"}),
    modes=("invoke", "ainvoke"),
)
def interrupts_of_two_nodes_at_once(recorder: Recorder) -> Built:
    def ask_text(state: Draft) -> Draft:
        # The order of interrupts is that in which they are raised.
        time.sleep(0.02)
        return {"text": interrupt("text?")}

    def ask_review(state: Draft) -> Draft:
        return {"review": interrupt("review?")}

    builder = StateGraph(Draft)
    builder.add_node("ask_text", ask_text)
    builder.add_node("ask_review", ask_review)
    builder.add_edge(START, "ask_text")
    builder.add_edge(START, "ask_review")
    return builder, {"checkpointer": InMemorySaver()}


class Sent(TypedDict, total=False):
    item: str
    answers: Annotated[list[str], operator.add]


@case(
    input={"answers": []},
    resumes=(answer_all,),
    output={"answers": ["to lamp?", "to desk?"]},
    concurrent=frozenset({"ask"}),
    modes=("ainvoke",),
)
def interrupts_in_sent_tasks(recorder: Recorder) -> Built:
    async def ask(state: Sent) -> Sent:
        return {"answers": [interrupt(f"{state['item']}?")]}

    builder = StateGraph(Sent)
    builder.add_node("ask", ask)
    builder.set_conditional_entry_point(
        lambda state: [Send("ask", {"item": "lamp"}), Send("ask", {"item": "desk"})], ["ask"]
    )
    return builder, {"checkpointer": InMemorySaver()}


def go_on(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None)


@case(
    script=go_on,
    output={"final": "outline of lamps; text on lamps; None"},
    refusals={"parallel": {"write": "the run stops before it"}},
)
def a_breakpoint_before_a_node(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_before=["write"])


@case(script=go_on, output={"final": "outline of lamps; text on lamps; None"})
def a_breakpoint_after_a_node(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_after=["write"])


def go_on_often(observer: Observer) -> None:
    observer.run(TOPIC)
    for _ in range(3):
        observer.run(None)


@case(
    script=go_on_often,
    output={"final": "outline of lamps; text on lamps; None"},
    refusals={"parallel": {"outline": "the run stops", "write": "the run stops", "publish": "the run stops"}},
)
def breakpoints_before_all_nodes(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_before="*")


def change_and_go_on(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.update_state({"text": "by hand", "log": ["hand"]})
    observer.run(None)


@case(script=change_and_go_on, output={"final": "outline of lamps; by hand; None"})
def the_state_changed_at_a_breakpoint(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_after=["write"])


def change_as_a_node(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.update_state({"text": "by hand"}, as_node="write")
    observer.run(None)


@case(script=change_as_a_node, output={"final": "outline of lamps; by hand; None"})
def the_state_changed_in_a_nodes_name(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_before=["write"])


for when in ("before", "after"):
    for node in ("write", "publish"):

        def stopped(recorder: Recorder) -> Built:
            return drafting(outline, write, publish)

        case(
            name=f"a_run_told_to_stop_{when}_{node}",
            input=TOPIC,
            keywords={f"interrupt_{when}": [node]},
        )(stopped)
