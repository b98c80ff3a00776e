"""Runs that write checkpoints, and what they left in the database."""

from __future__ import annotations

import copy
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt


class State(TypedDict, total=False):
    """What the graph keeps."""

    messages: Annotated[list[Any], add_messages]
    found: Annotated[list[int], operator.add]
    answer: str


def write_graph() -> StateGraph:
    """A conversation with parallel tasks, a subgraph with an interrupt, and a node that fails once."""
    failures = iter([True])

    def ask(state: State) -> dict[str, Any]:
        return {
            "messages": [AIMessage("looking", tool_calls=[{"name": "look", "args": {"at": 1}, "id": "c1"}], id="a")]
        }

    def look(state: dict[str, Any]) -> dict[str, Any]:
        return {"found": [state["n"]]}

    def approve(state: State) -> dict[str, Any]:
        return {"answer": interrupt("right?")}

    def answer(state: State) -> dict[str, Any]:
        if next(failures, False):
            raise RuntimeError("not yet")
        return {"messages": [AIMessage(f"{state['answer']}: {sum(state['found'])}", id="b")]}

    inner = StateGraph(State)
    inner.add_node("approve", approve)
    inner.add_edge(START, "approve")
    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("look", look)
    builder.add_node("inner", inner.compile())
    builder.add_node("answer", answer)
    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", lambda state: [Send("look", {"n": n}) for n in range(3)], ["look"])
    builder.add_edge("look", "inner")
    builder.add_edge("inner", "answer")
    return builder


class Dictated(BaseCheckpointSaver[str]):
    """A saver that writes down what it is asked to write, and lets another one do it."""

    def __init__(self, saver: Any) -> None:
        super().__init__(serde=saver.serde)
        self.saver = saver
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.get_next_version = saver.get_next_version  # type: ignore[method-assign]

    def get_tuple(self, config: Any) -> Any:
        """Read."""
        return self.saver.get_tuple(config)

    def list(self, config: Any, **given: Any) -> Any:
        """Read all."""
        return self.saver.list(config, **given)

    def put(self, config: Any, *given: Any) -> Any:
        """Note, then write."""
        self.calls.append(("put", (config, *copy.deepcopy(given))))
        return self.saver.put(config, *given)

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Note, then write."""
        self.calls.append(("put_writes", (config, copy.deepcopy(list(writes)), task_id, task_path)))
        self.saver.put_writes(config, writes, task_id, task_path)


@pytest.fixture
def dictate() -> Any:
    """Runs a graph with LangGraph's saver through everything that writes; returns what it had to write."""

    def run(saver: Any) -> list[tuple[str, tuple[Any, ...]]]:
        dictated = Dictated(saver)
        graph = write_graph().compile(checkpointer=dictated)
        config: Any = {"configurable": {"thread_id": "t"}, "metadata": {"who": "me"}}
        graph.invoke({"messages": [HumanMessage("hello", id="h")]}, config)
        with pytest.raises(RuntimeError, match="not yet"):
            graph.invoke(Command(resume="yes"), config)
        graph.invoke(None, config)
        graph.update_state(config, {"messages": [AIMessage("by hand", id="c")]}, as_node="ask")
        past = [each for each in graph.get_state_history(config) if each.next == ("inner",)][-1]
        graph.invoke(None, past.config)
        assert len([name for name, _ in dictated.calls if name == "put"]) > 8
        return dictated.calls

    return run
