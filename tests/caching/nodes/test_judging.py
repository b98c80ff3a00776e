"""Which nodes are kept, and why not the others."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import logging
import random
import threading
import time
import uuid
from typing import Any, TypedDict

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import CachePolicy, Command, Overwrite, Send, interrupt
from pydantic import BaseModel, field_validator

from optiflow import api
from optiflow.caching.nodes.judging import _classes
from optiflow.plan.declare import effects
from optiflow.plan.graph_plan import GraphPlan

log = logging.getLogger(__name__)


class State(TypedDict, total=False):
    """Two keys."""

    a: Any
    b: Any


def decided(builder: StateGraph[Any, Any, Any, Any], **options: Any) -> dict[str, tuple[str, str]]:
    """What is decided about each node."""
    decisions = api.explain(builder, {"cache": {"nodes": "auto", **options}})
    return {each.node: (each.action, each.reason) for each in decisions}


def alone(node: Any, schema: Any = State, **options: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph of one node."""
    return StateGraph(schema).add_node("node", node, **options).add_edge(START, "node").add_edge("node", END)


cold = ChatOpenAI(model="gpt-4o", api_key="none", temperature=0)
warm = ChatOpenAI(model="gpt-4o", api_key="none", temperature=0.7)
seeded = ChatOpenAI(model="gpt-4o", api_key="none", temperature=0.7, seed=1)


def waits(state: State) -> dict[str, Any]:
    """Safe, and worth it."""
    time.sleep(0)
    return {"b": state["a"]}


async def awaits(state: State) -> dict[str, Any]:
    """The same, asynchronously, knowing of times as such."""
    await asyncio.sleep(0)
    return {"b": state["a"] + datetime.timedelta(seconds=1)}


def asks_cold(state: MessagesState) -> dict[str, Any]:
    """Asks a model at temperature 0."""
    return {"messages": [cold.invoke(state["messages"])]}


def asks_seeded(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
    """Asks a model with a seed, and hands the configuration on."""
    return {"messages": [seeded.invoke(state["messages"], config)]}


def asks_warm(state: MessagesState) -> dict[str, Any]:
    """Draws an answer."""
    return {"messages": [warm.invoke(state["messages"])]}


def warms(state: MessagesState) -> dict[str, Any]:
    """Draws an answer from a model that would not."""
    return {"messages": [cold.invoke(state["messages"], temperature=1)]}


def makes(state: MessagesState) -> dict[str, Any]:
    """Makes a model."""
    return {"messages": [ChatOpenAI(model="gpt-4o").invoke([HumanMessage("hi")])]}


def computes(state: State) -> dict[str, Any]:
    """Is done in no time."""
    return {"b": state["a"] + 1}


def prints(state: State) -> dict[str, Any]:
    """Says what it does."""
    time.sleep(0)
    print(state["a"])
    return {"b": 1}


def logs(state: State) -> dict[str, Any]:
    """Says it to a log."""
    time.sleep(0)
    log.info("working")
    return {"b": 1}


def clocks(state: State) -> dict[str, Any]:
    """Notes the time."""
    time.sleep(0)
    return {"b": datetime.datetime.now(datetime.UTC)}


def times(state: State) -> dict[str, Any]:
    """Notes it as a number."""
    time.sleep(0)
    return {"b": time.time()}


def names(state: State) -> dict[str, Any]:
    """Makes an id."""
    time.sleep(0)
    return {"b": str(uuid.uuid4())}


def draws(state: State) -> dict[str, Any]:
    """Rolls a die."""
    time.sleep(0)
    return {"b": random.random()}


def tells_tags(state: State, config: RunnableConfig) -> dict[str, Any]:
    """Reads what tells one run from another."""
    time.sleep(0)
    return {"b": config["tags"]}


def tells_all(state: State, config: RunnableConfig) -> dict[str, Any]:
    """Prints the whole configuration into its answer."""
    time.sleep(0)
    return {"b": f"{config}"}


def iterates(state: State, config: RunnableConfig) -> dict[str, Any]:
    """Reads every entry."""
    time.sleep(0)
    return {"b": [key for key in config["configurable"]]}  # noqa: C416 - a comprehension is what is looked at


def asks_back(state: State) -> dict[str, Any]:
    """Interrupts."""
    return {"b": interrupt("?")}


def commands(state: State) -> Any:
    """Goes somewhere."""
    return Command(goto=END)


def sends(state: State) -> Any:
    """Sends."""
    return Command(goto=[Send("node", {})])


def streams(state: State) -> dict[str, Any]:
    """Streams data of its own."""
    get_stream_writer()("data")
    return {"b": 1}


def injected(state: State, writer: Any) -> dict[str, Any]:
    """Gets no writer, for its parameter has another type; to be sure, see below."""
    return {"b": 1}


@pytest.mark.parametrize(
    ("node", "schema", "kept_by"),
    [
        (waits, State, "'a'"),
        (awaits, State, "'a'"),
        (asks_cold, MessagesState, "its whole input"),
        (asks_seeded, MessagesState, "its whole input"),
        (effects(reads={"a"}, writes={"b"})(lambda state: {"b": state["a"]}), State, "'a'"),
        (effects(reads=(), writes={"b"})(lambda state: {"b": 1}), State, "its code alone"),
    ],
)
def test_auto_keeps(node: Any, schema: Any, kept_by: str) -> None:
    """What gives the same again and takes time; the reason says by what it is kept."""
    assert decided(alone(node, schema))["node"] == ("applied", f"its outcome is kept by {kept_by}")


@pytest.mark.parametrize(
    ("node", "schema", "reason"),
    [
        (computes, State, "it only computes"),
        (prints, State, "prints or logs"),
        (logs, State, "prints or logs"),
        (clocks, State, "asks the clock"),
        (times, State, "asks the clock"),
        (names, State, "makes an id"),
        (draws, State, "calls random"),
        (tells_tags, State, "it reads the run's tags"),
        (tells_all, State, "it reads the run's configuration as a whole"),
        (iterates, State, "it reads the run's configuration as a whole"),
        (asks_warm, MessagesState, "its model ChatOpenAI has neither temperature 0 nor a seed"),
        (warms, MessagesState, "it may set how random its model is"),
        (makes, MessagesState, "it makes a model of class ChatOpenAI"),
        (asks_back, State, "interrupts the run"),
        (commands, State, "Command"),
        (streams, State, "not known"),
        (RunnableLambda(waits), State, "a RunnableLambda is not followed"),
    ],
)
def test_auto_leaves_alone(node: Any, schema: Any, reason: str) -> None:
    """What would give something else, or has to be seen."""
    action, why = decided(alone(node, schema))["node"]
    assert (action, reason in why) == ("refused", True), why


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (asks_back, "it may interrupt the run"),
        (commands, "it may say where the run goes"),
        (sends, "it may"),
        (streams, "it may stream data of its own"),
        (RunnableLambda(waits), "a RunnableLambda is not followed"),
    ],
)
def test_nobody_can_answer_for_what_acts_on_the_run(node: Any, reason: str) -> None:
    """Naming such a node does not help."""
    action, why = decided(alone(node), nodes=["node"])["node"]
    assert (action, reason in why) == ("refused", True), why


LOCK = threading.Lock()


def locks(state: State) -> dict[str, Any]:
    """Knows of something that can't be compared."""
    time.sleep(0)
    return {"b": LOCK is None}


def test_code_that_cannot_be_compared_is_left_alone_unless_named() -> None:
    """Somebody then answers for it."""
    assert decided(alone(locks))["node"] == ("refused", "it uses a lock, which can't be compared")
    assert decided(alone(locks), nodes=["node"])["node"][0] == "applied"


def test_a_node_that_waits_only_by_its_looks() -> None:
    """Its code shows that it does not."""

    def helps(state: State) -> dict[str, Any]:
        return {"b": _plus_one(state["a"])}

    assert "it only computes" in decided(alone(helps))["node"][1]


def _plus_one(number: int) -> int:
    return number + 1


class Kind(enum.Enum):
    """What a held thing is."""

    ONE = 1


class Held(BaseModel):
    """What a state holds in a list."""

    kind: Kind = Kind.ONE


@dataclasses.dataclass
class Unreadable:
    """A class whose types can't be read."""

    value: NoSuchType  # type: ignore[name-defined]  # noqa: F821


class Full(TypedDict, total=False):
    """A state with classes of the application."""

    a: list[Held | None]
    b: Unreadable


def keeps(state: Full) -> dict[str, Any]:
    """Returns one of them."""
    return {"a": [Held()]}


def test_what_the_types_of_a_state_name_may_be_kept() -> None:
    """However deep; what can't be read names nothing more."""
    builder = alone(keeps, Full)
    assert set(_classes(GraphPlan.of(builder))) == {Overwrite, Held, Kind, Unreadable}
    graph = api.compile(builder, {"cache": {"nodes": ["node"]}})
    assert [graph.invoke({"b": Unreadable(1)})["a"] for _ in range(2)] == [[Held()]] * 2
    assert graph.run_toggles[0]._kept()["node_hits"] == 1


def test_a_node_that_is_named_is_kept_by_all_that_it_is_given() -> None:
    """The others are left alone, and a name that is none is told."""
    builder = alone(prints).add_node("more", draws).add_edge(START, "more")
    told = decided(builder, nodes=["node", "nod"])
    assert told["node"] == ("applied", "its outcome is kept by 'a'")
    assert told["more"] == ("refused", "it is not among the nodes that are named")
    assert told["nod"] == ("refused", "no such node; did you mean 'node'?")
    assert decided(builder, nodes=["more"])["more"][1] == "its outcome is kept by its whole input"


def test_random_answers_are_kept_where_all_are_wanted() -> None:
    """Whoever merges all calls says that any answer will do."""
    assert decided(alone(asks_warm, MessagesState), merge_calls="all")["node"][0] == "applied"


def test_langgraphs_own_policies_and_places_are_left_alone() -> None:
    """Cache policies, declared destinations, error handlers, injected values."""
    assert "cache policy of LangGraph's" in decided(alone(waits, cache_policy=CachePolicy()))["node"][1]
    builder = StateGraph(State).set_node_defaults(cache_policy=CachePolicy()).add_node("node", waits)
    assert "cache policy of LangGraph's" in decided(builder.add_edge(START, "node"))["node"][1]
    assert "it says where the run goes" in decided(alone(waits, destinations=(END,)))["node"][1]
    from langgraph.types import StreamWriter

    def writes(state: State, writer: StreamWriter) -> dict[str, Any]:
        return {}

    assert decided(alone(writes), nodes=["node"])["node"] == ("refused", "it takes the run's writer")

    def handles(state: State) -> dict[str, Any]:
        return {"b": "handled"}

    handled = StateGraph(State).add_node("node", waits, error_handler=handles).add_edge(START, "node")
    told = decided(handled, nodes=[name for name in handled.nodes if name != "node"])
    assert "it runs only to handle an error" in {why for _, why in told.values()}


def test_a_schema_with_code_of_its_own_is_read_as_a_whole() -> None:
    """A validator may compute one field from another."""

    class Checked(BaseModel):
        a: int = 0
        b: int = 0

        @field_validator("a")
        @classmethod
        def _check(cls, value: int) -> int:
            return value

    def node(state: Checked) -> dict[str, Any]:
        time.sleep(0)
        return {"b": state.a}

    assert decided(alone(node, Checked))["node"] == ("applied", "its outcome is kept by its whole input")


def test_subgraphs_are_looked_into() -> None:
    """A graph is no node to keep, its nodes are."""
    told = decided(StateGraph(State).add_node("sub", alone(waits).compile()).add_edge(START, "sub"))
    assert told["sub"] == ("refused", "it is a graph of its own, whose nodes are looked at")
    assert told["sub.node"][0] == "applied"


def test_other_toggles_change_nothing_about_it() -> None:
    """What the application wrote is what is looked at, whoever has changed it before."""

    async def blocks(state: State) -> dict[str, Any]:
        time.sleep(0)
        return {"b": state["a"]}

    builder = alone(blocks)
    options: dict[str, Any] = {"async": {"offload": True}, "cache": {"nodes": "auto"}, "parallel": {}}
    told = [each for each in api.explain(builder, options) if each.node == "node"]
    assert [(each.toggle, each.action) for each in told][:2] == [("async", "applied"), ("cache", "applied")]
    graph = api.compile(builder, options)
    assert [asyncio.run(graph.ainvoke({"a": 1}))["b"] for _ in range(2)] == [1, 1]
    cache = next(toggle for toggle in graph.run_toggles if toggle.name == "cache")
    assert cache._kept()["node_hits"] == 1
