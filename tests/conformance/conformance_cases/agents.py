"""Models, tools, agents and their messages."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import json
import operator
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
from conformance_cases.models import EchoModel, StreamingEchoModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from langgraph.warnings import LangGraphDeprecatedSinceV10

from optiflow.analysis.equivalence import Observer, Recorder
from optiflow.plan.declare import effects

STREAMED = ("messages", ("messages", "updates"))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def fail(a: int) -> int:
    """Fail."""
    raise ValueError(f"can't do {a}")


class Calculator(StreamingEchoModel):
    """Asks the tool for what the human wants, then tells the result."""

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage(f"the answer is {last.text}")
        wanted = [int(word) for word in last.text.split() if word.isdigit()]
        calls = [{"name": "add", "args": {"a": number, "b": 1}, "id": f"call-{number}"} for number in wanted]
        return AIMessage("let me see", tool_calls=calls)


class Counting(StreamingEchoModel):
    """Says how many messages there were."""

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        return AIMessage(f"message number {len(messages)}")


@case(
    input={"messages": [HumanMessage("add 2", id="h1")]},
    stream_modes=STREAMED,
    concurrent=frozenset({"tools"}),
)
def a_react_agent(recorder: Recorder) -> Built:
    model = Calculator().bind_tools([add])
    builder = StateGraph(MessagesState)

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder


@case(input={"messages": [HumanMessage("add 2 and 3", id="h1")]}, concurrent=frozenset({"tools"}))
def the_prebuilt_react_agent(recorder: Recorder) -> Built:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangGraphDeprecatedSinceV10)
        agent = create_react_agent(Calculator(), [add], prompt="You can add.")
    return agent.builder


def talk(observer: Observer) -> None:
    observer.run({"messages": ["add 2"]})
    observer.run({"messages": ["add 5"]})


@case(script=talk, concurrent=frozenset({"tools"}))
def the_prebuilt_react_agent_with_a_memory(recorder: Recorder) -> Built:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangGraphDeprecatedSinceV10)
        agent = create_react_agent(Calculator(), [add])
    return agent.builder, {"checkpointer": InMemorySaver()}


class Report(TypedDict, total=False):
    topic: str
    facts: str
    style: str
    title: str
    text: str
    messages: Annotated[list[str], operator.add]


def reporting(model: Any, vouch: Callable[..., Any] = effects) -> StateGraph:
    @vouch(reads=["topic"], writes=["facts", "messages"])
    def find_facts(state: Report) -> Report:
        said = model.invoke([SystemMessage("Facts"), HumanMessage(state["topic"])])
        return {"facts": said.text, "messages": ["facts"]}

    @vouch(reads=["topic"], writes=["style", "messages"])
    def find_style(state: Report) -> Report:
        return {"style": model.invoke(f"style for {state['topic']}").text, "messages": ["style"]}

    @vouch(reads=["topic"], writes=["title", "messages"])
    def find_title(state: Report) -> Report:
        return {"title": model.invoke(f"title for {state['topic']}").text, "messages": ["title"]}

    @vouch(reads=["facts", "style", "title"], writes=["text", "messages"])
    def write(state: Report) -> Report:
        said = model.invoke(f"{state['facts']} / {state['style']} / {state['title']}")
        return {"text": said.text, "messages": ["text"]}

    builder = StateGraph(Report)
    builder.add_sequence([find_facts, find_style, find_title, write])
    builder.add_edge(START, "find_facts")
    return builder


def not_vouched(**_: object) -> Callable[[Any], Any]:
    return lambda node: node


REPORT: dict[str, Any] = {
    "input": {"topic": "lamps", "messages": []},
    "output": {
        "text": "heard: heard: lamps / heard: style for lamps / heard: title for lamps",
        "messages": ["facts", "style", "title", "text"],
    },
    "applied": {"parallel": frozenset({"find_style", "find_title"})},
}


@case(**REPORT, stream_modes=STREAMED)
def independent_requests_to_a_model_that_streams(recorder: Recorder) -> Built:
    return reporting(StreamingEchoModel())


@case(**REPORT, stream_modes=STREAMED)
def independent_requests_to_a_model_of_the_users(recorder: Recorder) -> Built:
    return reporting(EchoModel(), not_vouched)


@case(**REPORT)
def independent_requests_with_a_checkpointer(recorder: Recorder) -> Built:
    return reporting(StreamingEchoModel()), {"checkpointer": InMemorySaver()}


@case(**REPORT, modes=ASYNC, stream_modes=STREAMED)
def independent_asynchronous_requests(recorder: Recorder) -> Built:
    model = StreamingEchoModel()

    @effects(reads=["topic"], writes=["facts", "messages"])
    async def find_facts(state: Report) -> Report:
        said = await model.ainvoke([SystemMessage("Facts"), HumanMessage(state["topic"])])
        return {"facts": said.text, "messages": ["facts"]}

    @effects(reads=["topic"], writes=["style", "messages"])
    async def find_style(state: Report) -> Report:
        return {"style": (await model.ainvoke(f"style for {state['topic']}")).text, "messages": ["style"]}

    @effects(reads=["topic"], writes=["title", "messages"])
    async def find_title(state: Report) -> Report:
        return {"title": (await model.ainvoke(f"title for {state['topic']}")).text, "messages": ["title"]}

    @effects(reads=["facts", "style", "title"], writes=["text", "messages"])
    async def write(state: Report) -> Report:
        said = await model.ainvoke(f"{state['facts']} / {state['style']} / {state['title']}")
        return {"text": said.text, "messages": ["text"]}

    builder = StateGraph(Report)
    builder.add_sequence([find_facts, find_style, find_title, write])
    builder.add_edge(START, "find_facts")
    return builder


@case(input={"topic": "lamps", "messages": []}, failure="RuntimeError: no facts")
def a_failure_before_requests_that_may_have_begun(recorder: Recorder) -> Built:
    def find_facts(state: Report) -> Report:
        time.sleep(0.005)
        raise RuntimeError("no facts")

    builder = reporting(StreamingEchoModel())
    builder.nodes["find_facts"].runnable = RunnableLambda(find_facts)
    return builder


# Asking the same thing twice on purpose gives two samples: neither may be saved.
@case(input={"topic": "lamps", "messages": []}, output={"facts": "heard: lamps", "style": "heard: lamps"})
def the_same_question_asked_twice(recorder: Recorder) -> Built:
    model = EchoModel(temperature=1.0)

    def first(state: Report) -> Report:
        return {"facts": model.invoke(state["topic"]).text}

    def second(state: Report) -> Report:
        return {"style": model.invoke(state["topic"]).text}

    builder = StateGraph(Report)
    builder.add_sequence([first, second])
    builder.add_edge(START, "first")
    return builder


@case(input={"messages": [HumanMessage("hi", id="h1")]})
def two_agents_in_turn_over_one_conversation(recorder: Recorder) -> Built:
    model = Counting()

    def one(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def two(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_sequence([one, two])
    builder.add_edge(START, "one")
    return builder


@case(input={"messages": [HumanMessage("hi", id="h1")]}, stream_modes=STREAMED)
def messages_sent_straight_to_the_reader(recorder: Recorder) -> Built:
    def speak(state: MessagesState) -> dict[str, Any]:
        time.sleep(INSTANT)
        return {"messages": [AIMessage("one", id="m1"), AIMessage("two")]}

    def speak_again(state: MessagesState) -> dict[str, Any]:
        time.sleep(INSTANT)
        return {"messages": [AIMessage("three")]}

    builder = StateGraph(MessagesState)
    builder.add_sequence([speak, speak_again])
    builder.add_edge(START, "speak")
    return builder


@case(
    input={"messages": [AIMessage("", tool_calls=[{"name": "fail", "args": {"a": 1}, "id": "c1"}])]},
    failure="can't do 1",
)
def a_tool_that_fails(recorder: Recorder) -> Built:
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([fail], handle_tool_errors=False))
    builder.add_edge(START, "tools")
    return builder


@case(input={"topic": "lamps", "messages": []}, output={"text": json.dumps({"topic": "lamps"})})
def a_node_that_serializes_the_state(recorder: Recorder) -> Built:
    def style(state: Report) -> Report:
        time.sleep(INSTANT)
        return {"style": state["topic"]}

    def serialize(state: Report) -> Report:
        time.sleep(INSTANT)
        return {"text": json.dumps({key: value for key, value in state.items() if key == "topic"})}

    builder = StateGraph(Report)
    builder.add_sequence([style, serialize])
    builder.add_edge(START, "style")
    return builder
