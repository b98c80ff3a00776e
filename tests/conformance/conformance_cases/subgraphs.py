"""Graphs in graphs."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import operator
import time
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from optiflow.analysis.equivalence import Observer, Recorder

STREAMED = ("updates", ("values", "updates"))


class Shared(TypedDict, total=False):
    text: str
    trail: Annotated[list[str], operator.add]


class Own(TypedDict, total=False):
    word: str
    length: int
    doubled: int


def upper(state: Shared) -> Shared:
    time.sleep(INSTANT)
    return {"text": state["text"].upper(), "trail": ["upper"]}


def exclaim(state: Shared) -> Shared:
    time.sleep(INSTANT)
    return {"text": state["text"] + "!", "trail": ["exclaim"]}


def measure(state: Own) -> Own:
    time.sleep(INSTANT)
    return {"length": len(state["word"])}


def double(state: Own) -> Own:
    time.sleep(INSTANT)
    return {"doubled": state["length"] * 2}


def sequence(state: Any, *nodes: Any) -> StateGraph:
    time.sleep(INSTANT)
    builder = StateGraph(state)
    builder.add_sequence(nodes)
    name = nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__
    builder.add_edge(START, name)
    return builder


def before(state: Shared) -> Shared:
    time.sleep(INSTANT)
    return {"trail": ["before"]}


def after(state: Shared) -> Shared:
    time.sleep(INSTANT)
    return {"trail": ["after"]}


# A subgraph over the parent's keys returns its whole state, so a reducer of the parent sees the old entries again.
@case(
    input={"text": "hi", "trail": []},
    output={"text": "HI!", "trail": ["before", "before", "upper", "exclaim", "after"]},
    stream_modes=STREAMED,
    refusals={"parallel": {"inner": "a graph of its own"}},
)
def a_subgraph_with_the_parents_state(recorder: Recorder) -> Built:
    inner = sequence(Shared, upper, exclaim).compile()
    return sequence(Shared, before, ("inner", inner), after)


@case(input={"text": "word", "trail": []}, output={"text": "word has 4, doubled 8"}, stream_modes=STREAMED)
def a_subgraph_with_a_state_of_its_own(recorder: Recorder) -> Built:
    inner = sequence(Own, measure, double).compile()

    def ask(state: Shared) -> Shared:
        found = inner.invoke({"word": state["text"]})
        return {"text": f"{found['word']} has {found['length']}, doubled {found['doubled']}"}

    return sequence(Shared, before, ask, after)


@case(input={"text": "word", "trail": []}, output={"text": "word has 4"}, modes=ASYNC)
def a_subgraph_awaited_in_a_node(recorder: Recorder) -> Built:
    inner = sequence(Own, measure, double).compile()

    async def ask(state: Shared, config: RunnableConfig) -> Shared:
        found = await inner.ainvoke({"word": state["text"]}, config)
        return {"text": f"{found['word']} has {found['length']}"}

    return sequence(Shared, before, ask, after)


@case(
    input={"text": "hi", "trail": []},
    output={"text": "HI!!"},
    stream_modes=STREAMED,
)
def nested_subgraphs(recorder: Recorder) -> Built:
    innermost = sequence(Shared, upper, exclaim).compile()
    middle = sequence(Shared, ("innermost", innermost), exclaim).compile()
    return sequence(Shared, before, ("middle", middle), after)


class Wide(TypedDict, total=False):
    text: str
    word: str
    length: int
    doubled: int


@case(input={"text": "hi", "word": "lamp"}, output={"text": "HI", "word": "lamp", "length": 4, "doubled": 8})
def a_subgraph_that_sees_some_of_the_parents_keys(recorder: Recorder) -> Built:
    def shout(state: Wide) -> Wide:
        time.sleep(INSTANT)
        return {"text": state["text"].upper()}

    inner = sequence(Own, measure, double).compile()
    return sequence(Wide, shout, ("inner", inner))


@case(
    input={"text": "hi", "trail": []},
    output={"text": "HI", "trail": ["in the child", "target"]},
)
def a_command_to_the_parent(recorder: Recorder) -> Built:
    def leave(state: Shared) -> Command:
        return Command(
            graph=Command.PARENT, goto="target", update={"text": state["text"].upper(), "trail": ["in the child"]}
        )

    def target(state: Shared) -> Shared:
        time.sleep(INSTANT)
        return {"trail": ["target"]}

    child = StateGraph(Shared)
    child.add_node("leave", leave)
    child.add_edge(START, "leave")
    builder = StateGraph(Shared)
    builder.add_node("child", child.compile(), destinations=("target",))
    builder.add_node("target", target)
    builder.add_edge(START, "child")
    return builder


@case(input={"text": "hi", "trail": []}, resumes=("yes",), output={"text": "HI yes"}, stream_modes=STREAMED)
def an_interrupt_in_a_subgraph(recorder: Recorder) -> Built:
    def ask(state: Shared) -> Shared:
        time.sleep(INSTANT)
        recorder.effect("asked")
        return {"text": f"{state['text']} {interrupt('sure?')}"}

    inner = sequence(Shared, upper, ask).compile()
    return sequence(Shared, before, ("inner", inner), after), {"checkpointer": InMemorySaver()}


@case(input={"text": "hi", "trail": []}, resumes=("one", "two"), output={"text": "hi one two"})
def interrupts_in_nested_subgraphs(recorder: Recorder) -> Built:
    def ask(state: Shared) -> Shared:
        first = interrupt("first?")
        return {"text": f"{state['text']} {first} {interrupt('second?')}"}

    innermost = sequence(Shared, ask).compile()
    middle = sequence(Shared, ("innermost", innermost)).compile()
    return sequence(Shared, before, ("middle", middle), after), {"checkpointer": InMemorySaver()}


def talk_twice(observer: Observer) -> None:
    observer.run({"text": "hi"})
    observer.run({"text": "ho"})


@case(script=talk_twice, output={"text": "ho", "trail": ["seen 2"]})
def a_subgraph_with_a_memory_of_its_own(recorder: Recorder) -> Built:
    class Memory(TypedDict, total=False):
        text: str
        seen: Annotated[int, operator.add]
        trail: Annotated[list[str], lambda _, new: new]

    def remember(state: Memory) -> dict[str, Any]:
        time.sleep(INSTANT)
        return {"seen": 1}

    def tell(state: Memory) -> dict[str, Any]:
        time.sleep(INSTANT)
        return {"trail": [f"seen {state['seen']}"]}

    class Outer(TypedDict, total=False):
        text: str
        trail: Annotated[list[str], lambda _, new: new]

    inner = StateGraph(Memory)
    inner.add_sequence([("remember", remember), ("tell", tell)])
    inner.add_edge(START, "remember")
    builder = StateGraph(Outer)
    builder.add_node("inner", inner.compile(checkpointer=True))
    builder.add_edge(START, "inner")
    builder.add_edge("inner", END)
    return builder, {"checkpointer": InMemorySaver()}


@case(
    input={"text": "hi", "trail": []},
    output={"text": "hi!", "trail": ["exclaim", "upper"]},
    concurrent=frozenset({"left", "right"}),
)
def two_subgraphs_at_once(recorder: Recorder) -> Built:
    class Left(TypedDict, total=False):
        text: str

    class Right(TypedDict, total=False):
        trail: Annotated[list[str], operator.add]

    left = StateGraph(Left)
    left.add_node("exclaim", lambda state: {"text": state["text"] + "!"})
    left.add_edge(START, "exclaim")
    right = StateGraph(Right)
    right.add_node("exclaim", lambda state: {"trail": ["exclaim"]})
    right.add_node("upper", lambda state: {"trail": ["upper"]})
    right.add_edge(START, "exclaim")
    right.add_edge("exclaim", "upper")
    builder = StateGraph(Shared)
    builder.add_node("left", left.compile())
    builder.add_node("right", right.compile())
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    return builder


class Facts(TypedDict, total=False):
    text: str
    length: int
    upper: str
    first: str
    summary: str
    answer: str


def find_length(state: Facts) -> Facts:
    time.sleep(0.002)
    return {"length": len(state["text"])}


def find_upper(state: Facts) -> Facts:
    time.sleep(0.001)
    return {"upper": state["text"].upper()}


def find_first(state: Facts) -> Facts:
    time.sleep(0.001)
    return {"first": state["text"][:1]}


def summarize(state: Facts) -> Facts:
    return {"summary": f"{state['upper']} {state['length']} {state['first']}"}


FACTS: dict[str, Any] = {
    "input": {"text": "lamp"},
    "output": {"summary": "LAMP 4 l"},
    "applied": {"parallel": frozenset({"inner.find_upper", "inner.find_first"})},
}


def facts() -> Any:
    return sequence(Facts, find_length, find_upper, find_first, summarize)


def enter(state: Facts) -> Facts:
    return {"answer": "entered"}


@case(**FACTS, stream_modes=STREAMED)
def a_subgraph_whose_nodes_overlap(recorder: Recorder) -> Built:
    return sequence(Facts, enter, ("inner", facts().compile()))


@case(**FACTS)
def a_subgraph_whose_nodes_overlap_with_a_checkpointer(recorder: Recorder) -> Built:
    return sequence(Facts, enter, ("inner", facts().compile())), {"checkpointer": InMemorySaver()}


@case(**{**FACTS, "applied": {"parallel": frozenset({"middle.inner.find_upper"})}})
def a_subgraph_of_a_subgraph_whose_nodes_overlap(recorder: Recorder) -> Built:
    middle = sequence(Facts, enter, ("inner", facts().compile())).compile()
    return sequence(Facts, enter, ("middle", middle)), {"checkpointer": InMemorySaver()}


@case(**FACTS, resumes=("yes",))
def an_interrupt_after_nodes_of_a_subgraph_that_overlap(recorder: Recorder) -> Built:
    def ask(state: Facts) -> Facts:
        return {"answer": interrupt("sure?")}

    inner = facts()
    inner.add_node("ask", ask)
    inner.add_edge("summarize", "ask")
    return sequence(Facts, enter, ("inner", inner.compile())), {"checkpointer": InMemorySaver()}


class Many(TypedDict, total=False):
    text: str
    summary: Annotated[list[str], operator.add]


@case(
    input={"text": "a lamp stands"},
    output={"summary": ["A 1 a", "LAMP 4 l", "STANDS 6 s"]},
    concurrent=frozenset({"inner"}),
)
def a_subgraph_whose_nodes_overlap_sent_to_several_times(recorder: Recorder) -> Built:
    inner = facts().compile()

    def run(state: Facts, config: RunnableConfig) -> dict[str, Any]:
        return {"summary": [inner.invoke(state, config)["summary"]]}

    builder = StateGraph(Many)
    builder.add_node("inner", run, input_schema=Facts)
    builder.set_conditional_entry_point(
        lambda state: [Send("inner", {"text": word}) for word in state["text"].split()], ["inner"]
    )
    return builder


@case(input={"text": "lamp"}, output={"summary": "LAMP 4 l", "answer": "..."})
def a_subgraph_whose_nodes_overlap_in_a_loop(recorder: Recorder) -> Built:
    builder = StateGraph(Facts)
    builder.add_node("enter", lambda state: {"text": state["text"], "length": state.get("length", 0)})
    builder.add_node("inner", facts().compile())
    builder.add_node("again", lambda state: {"answer": state.get("answer", "") + "."})
    builder.add_edge(START, "enter")
    builder.add_edge("enter", "inner")
    builder.add_edge("inner", "again")
    builder.add_conditional_edges("again", lambda state: END if len(state["answer"]) == 3 else "enter", ["enter", END])
    return builder, {"checkpointer": InMemorySaver()}
