"""Checkpoints: interrupts, breakpoints, memory and time travel."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from conformance_cases.case import Built, case
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send, StateSnapshot, interrupt

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
    return {"text": f"text on {state['topic']}", "log": ["write"]}


def publish(state: Draft) -> Draft:
    return {"final": f"{state['outline']}; {state['text']}; {state.get('review')}", "log": ["publish"]}


def drafting(*nodes: Any, **options: Any) -> Built:
    builder = StateGraph(Draft)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__)
    return builder, {"checkpointer": InMemorySaver(), **options}


TOPIC = {"topic": "lamps", "log": []}
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
        recorder.effect("counted")
        return {"log": ["count"]}

    return drafting(outline, write, ("count", count), reviewer(recorder), publish)


@case(input=TOPIC, resumes=("a", "b", "c"), output={"review": "a b c"})
def several_interrupts_in_one_node(recorder: Recorder) -> Built:
    def review(state: Draft) -> Draft:
        return {"review": " ".join([interrupt("first"), interrupt("second"), interrupt("third")])}

    return drafting(outline, review, write, publish)


@case(input=TOPIC, resumes=("a", "b"), output={"review": "b", "text": "a"})
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


@case(script=go_on, output={"final": "outline of lamps; text on lamps; None"})
def a_breakpoint_before_a_node(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_before=["write"])


@case(script=go_on, output={"final": "outline of lamps; text on lamps; None"})
def a_breakpoint_after_a_node(recorder: Recorder) -> Built:
    return drafting(outline, write, publish, interrupt_after=["write"])


def go_on_often(observer: Observer) -> None:
    observer.run(TOPIC)
    for _ in range(3):
        observer.run(None)


@case(script=go_on_often, output={"final": "outline of lamps; text on lamps; None"})
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


def about_to_run(node: str) -> Callable[[StateSnapshot], bool]:
    return lambda snapshot: snapshot.next == (node,)


def replay(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None, at=about_to_run("publish"))


@case(script=replay, output={"final": "outline of lamps; text on lamps; None"}, effects=("ended", "ended"))
def a_replay_from_an_old_checkpoint(recorder: Recorder) -> Built:
    def end(state: Draft) -> Draft:
        recorder.effect("ended")
        return {"log": ["end"]}

    return drafting(outline, write, publish, ("end", end))


def replay_inside(observer: Observer) -> None:
    observer.run(TOPIC)
    observer.run(None, at=about_to_run("end"))


@case(script=replay_inside, output={"log": ["counted", "outline", "end"]}, effects=("counted", "ended", "ended"))
def a_replay_among_nodes_that_touch_the_world(recorder: Recorder) -> Built:
    def count(state: Draft) -> Draft:
        recorder.effect("counted")
        return {"log": ["counted"]}

    def end(state: Draft) -> Draft:
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
