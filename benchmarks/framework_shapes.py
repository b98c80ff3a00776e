"""Graphs whose nodes do next to nothing, shaped as in LangGraph's own benchmark: what is left is the framework."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypedDict, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import create_react_agent
from langgraph.types import Send
from pydantic import BaseModel, create_model

__all__ = ["SHAPES", "Shape"]

FIELDS = 300
"""State keys of the wide graph."""


@dataclass(frozen=True)
class Shape:
    """One graph and what it is called with."""

    make: Callable[[bool, Any], Any]
    """Compiles it: whether its nodes are async, and the checkpointer."""

    input: Callable[[], Any]
    """A fresh input."""

    calls: int = 1
    """Calls that are timed together, so that a sample is long enough for the clock."""


def step(asynchronous: bool, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same node, sync or async."""
    if not asynchronous:
        return work

    async def awaited(state: Any) -> Any:
        return work(state)

    return awaited


def chain(asynchronous: bool, schema: Any, works: Mapping[str, Callable[[Any], Any]]) -> StateGraph[Any]:
    """Nodes one after another."""
    builder = StateGraph(schema)
    before = START
    for name, work in works.items():
        builder.add_node(name, cast("Any", step(asynchronous, work)))
        builder.add_edge(before, name)
        before = name
    return builder


class Joke(TypedDict, total=False):
    """The state of one branch."""

    subject: str
    jokes: Annotated[list[str], operator.add]
    rounds: int


class Jokes(TypedDict):
    """The state of the fan-out."""

    subjects: list[str]
    jokes: Annotated[list[str], operator.add]


def fan_out(asynchronous: bool, checkpointer: Any) -> Any:
    """One subgraph for each subject, each of which goes round twice."""
    works = {
        "edit": lambda state: {"subject": state["subject"] + "!"},
        "tell": lambda state: {"jokes": [f"a joke about {state['subject']}"]},
        "count": lambda state: {"rounds": state.get("rounds", 0) + 1},
    }
    inner = chain(asynchronous, Joke, works)
    inner.add_conditional_edges("count", lambda state: END if state["rounds"] > 1 else "edit", ["edit", END])
    builder = StateGraph(Jokes)
    builder.add_node("branch", inner.compile())
    builder.add_conditional_edges(
        START, lambda state: [Send("branch", {"subject": each}) for each in state["subjects"]], ["branch"]
    )
    return builder.compile(checkpointer=checkpointer)


class Scripted(BaseChatModel):
    """Asks for a tool as often as it is told to, then answers."""

    turns: int

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Scripted:
        """The script knows its tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = sum(isinstance(message, ToolMessage) for message in messages)
        calls = [{"name": "look", "args": {"place": str(turn)}, "id": str(turn)}] if turn < self.turns else []
        message = AIMessage(content="answer", id=str(turn), tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        # Without a thread: what is measured is not the executor.
        return self._generate(args[0])


def look(place: str) -> str:
    """Look around."""
    return place


async def alook(place: str) -> str:
    """Look around."""
    return place


alook.__name__ = "look"


def agent(turns: int) -> Callable[[bool, Any], Any]:
    """A ReAct agent that calls a tool ``turns`` times."""

    def make(asynchronous: bool, checkpointer: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return create_react_agent(
                Scripted(turns=turns), [alook if asynchronous else look], checkpointer=checkpointer
            )

    return make


@cache
def wide_schema() -> Any:
    """Keys of the kinds that states are made of."""
    kinds = (str, int, Annotated[list[str], operator.add], dict[str, Any])
    return TypedDict("Wide", {f"key{at}": kinds[at % 4] for at in range(FIELDS)}, total=False)  # type: ignore[operator]


def wide(asynchronous: bool, checkpointer: Any) -> Any:
    """Nodes that read and write three keys of many."""

    def work(at: int) -> Callable[[Any], Any]:
        return lambda state: {
            f"key{4 * at}": str(state.get(f"key{4 * at + 1}")),
            f"key{4 * at + 1}": at,
            f"key{4 * at + 2}": [str(at)],
        }

    return chain(asynchronous, wide_schema(), {f"n{at}": work(at) for at in range(25)}).compile(
        checkpointer=checkpointer
    )


def wide_input() -> dict[str, Any]:
    """A value for every key."""
    values: tuple[Any, ...] = ("text", 1, ["item"], {"deep": {"value": [1, 2, 3]}})
    return {f"key{at}": values[at % 4] for at in range(FIELDS)}


class Part(BaseModel):
    """A nested model."""

    name: str
    weights: list[float]


@cache
def model_schema() -> Any:
    """A pydantic state of twenty fields, one of them reduced, one nested."""
    plain: dict[str, Any] = {f"field{at}": (int, 0) for at in range(18)}
    return create_model("Model", **plain, parts=(list[Part], ...), messages=(Annotated[list[str], operator.add], ...))


def validated(asynchronous: bool, checkpointer: Any) -> Any:
    """Nodes over a pydantic state."""

    def work(at: int) -> Callable[[Any], Any]:
        return lambda state: {f"field{at}": state.field1 + at, "messages": [f"n{at}"]}

    return chain(asynchronous, model_schema(), {f"n{at}": work(at) for at in range(10)}).compile(
        checkpointer=checkpointer
    )


def model_input() -> dict[str, Any]:
    """What the model needs."""
    return {"messages": ["hi"], "parts": [{"name": str(at), "weights": [0.5] * 4} for at in range(10)]}


class Counter(TypedDict):
    """The state of the straight chains."""

    count: int


def sequential(nodes: int) -> Callable[[bool, Any], Any]:
    """Nodes in a row that each add one."""

    def make(asynchronous: bool, checkpointer: Any) -> Any:
        works = {f"n{at}": lambda state: {"count": state["count"] + 1} for at in range(nodes)}
        return chain(asynchronous, Counter, works).compile(checkpointer=checkpointer)

    return make


def subjects(count: int) -> Callable[[], dict[str, Any]]:
    """The input of the fan-out."""
    return lambda: {"subjects": [f"subject {at}" for at in range(count)], "jokes": []}


def asked() -> dict[str, Any]:
    """The input of the agents."""
    return {"messages": [("user", "What do you see?")]}


SHAPES: Mapping[str, Shape] = {
    "fan-out to 10 subgraphs": Shape(fan_out, subjects(10), calls=2),
    "fan-out to 100 subgraphs": Shape(fan_out, subjects(100)),
    "ReAct agent, 10 turns": Shape(agent(10), asked, calls=3),
    "ReAct agent, 100 turns": Shape(agent(100), asked),
    "wide state, 25 nodes x 300 keys": Shape(wide, wide_input, calls=2),
    "pydantic state, 10 nodes": Shape(validated, model_input, calls=8),
    "10 sequential nodes": Shape(sequential(10), lambda: {"count": 0}, calls=12),
    "1000 sequential nodes": Shape(sequential(1000), lambda: {"count": 0}),
}
