"""Models, tools, agents and their messages."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import json
import operator
import time
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from conformance_cases.case import ASYNC, EVERY, INSTANT, Built, case
from conformance_cases.models import EchoModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from langgraph.warnings import LangGraphDeprecatedSinceV10

from optiflow.analysis.equivalence import Observer, Recorder

STREAMED = ("messages", ("messages", "updates"))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def fail(a: int) -> int:
    """Fail."""
    raise ValueError(f"can't do {a}")


class Calculator(EchoModel):
    """Asks the tool for what the human wants, then tells the result."""

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage(f"the answer is {last.text}")
        wanted = [int(word) for word in last.text.split() if word.isdigit()]
        calls = [{"name": "add", "args": {"a": number, "b": 1}, "id": f"call-{number}"} for number in wanted]
        return AIMessage("let me see", tool_calls=calls)


class Counting(EchoModel):
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


def reporting(model: Any) -> StateGraph:
    def find_facts(state: Report) -> Report:
        return {
            "facts": model.invoke([SystemMessage("Facts"), HumanMessage(state["topic"])]).text,
            "messages": ["facts"],
        }

    def find_style(state: Report) -> Report:
        return {"style": model.invoke(f"style for {state['topic']}").text, "messages": ["style"]}

    def find_title(state: Report) -> Report:
        return {"title": model.invoke(f"title for {state['topic']}").text, "messages": ["title"]}

    def write(state: Report) -> Report:
        prompt = f"{state['facts']} / {state['style']} / {state['title']}"
        return {"text": model.invoke(prompt).text, "messages": ["text"]}

    builder = StateGraph(Report)
    builder.add_sequence([find_facts, find_style, find_title, write])
    builder.add_edge(START, "find_facts")
    return builder


REPORT = {
    "input": {"topic": "lamps", "messages": []},
    "output": {
        "text": "heard: heard: lamps / heard: style for lamps / heard: title for lamps",
        "messages": ["facts", "style", "title", "text"],
    },
}


@case(**REPORT, stream_modes=STREAMED, modes=EVERY)
def a_chain_of_independent_model_calls(recorder: Recorder) -> Built:
    return reporting(EchoModel())


@case(**REPORT)
def a_chain_of_model_calls_with_a_checkpointer(recorder: Recorder) -> Built:
    return reporting(EchoModel()), {"checkpointer": InMemorySaver()}


@case(**REPORT, modes=ASYNC, stream_modes=STREAMED)
def a_chain_of_independent_asynchronous_model_calls(recorder: Recorder) -> Built:
    model = EchoModel()

    async def find_facts(state: Report) -> Report:
        said = await model.ainvoke([SystemMessage("Facts"), HumanMessage(state["topic"])])
        return {"facts": said.text, "messages": ["facts"]}

    async def find_style(state: Report) -> Report:
        return {"style": (await model.ainvoke(f"style for {state['topic']}")).text, "messages": ["style"]}

    async def find_title(state: Report) -> Report:
        return {"title": (await model.ainvoke(f"title for {state['topic']}")).text, "messages": ["title"]}

    async def write(state: Report) -> Report:
        said = await model.ainvoke(f"{state['facts']} / {state['style']} / {state['title']}")
        return {"text": said.text, "messages": ["text"]}

    builder = StateGraph(Report)
    builder.add_sequence([find_facts, find_style, find_title, write])
    builder.add_edge(START, "find_facts")
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
