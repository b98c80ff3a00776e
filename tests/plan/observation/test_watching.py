"""A watched graph does what the plain one does, and what its nodes did is known afterwards."""

from __future__ import annotations

import asyncio
import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from optiflow.monitor.observation import NodeObservation
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.observation import outside
from optiflow.plan.observation.watching import Watcher, watched

Node = Callable[[Any], Any]


class Items(TypedDict, total=False):
    """State as a dict."""

    a: int
    b: int
    log: Annotated[list[Any], operator.add]


class Model(BaseModel):
    """State as a pydantic model."""

    a: int = 0
    b: int = 0
    log: Annotated[list[Any], operator.add] = []


@dataclass
class Data:
    """State as a dataclass."""

    a: int = 0
    b: int = 0
    log: Annotated[list[Any], operator.add] | None = None


@pytest.fixture(autouse=True)
def _traced_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python traces no audit hook, for coverage say, that doesn't ask for it."""
    monkeypatch.setattr(outside._hear, "__cantrace__", True, raising=False)


def _chain(schema: Any, *nodes: tuple[str, Node], **options: Any) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(schema)
    for name, node in nodes:
        builder.add_node(name, node, **options)
    for before, after in zip([START, *(name for name, _ in nodes)], [*(name for name, _ in nodes), END], strict=True):
        builder.add_edge(before, after)
    return builder


def _watch(builder: StateGraph[Any], *declared: str) -> tuple[Any, Watcher]:
    """The watched graph; the effects of the nodes named are declared, so that their reads are of interest."""
    watcher = Watcher()
    effects = {name: Effects.declared(set(), set()) for name in declared}
    return watched(GraphPlan.of(builder, effects=effects), watcher).build(), watcher


def test_what_nodes_read_and_write_is_known_afterwards() -> None:
    """Synchronous and asynchronous nodes, updates and commands; a node that never ran is not there."""

    async def second(state: Items) -> Command[Any]:
        return Command(update={"a": state["b"], "unheard of": 1})

    builder = _chain(Items, ("first", lambda state: {"b": state.get("a", 0)}), ("second", second))
    builder.add_node("never", lambda state: {})
    builder.add_conditional_edges("first", lambda state: "second", ["second", "never"])
    graph, watcher = _watch(builder, "first", "second", "never")
    assert asyncio.run(graph.ainvoke({"a": 1})) == {"a": 1, "b": 1, "log": []}
    assert watcher.observed == {
        "first": NodeObservation(("a",), ("b",)),
        "second": NodeObservation(("b",), ("a",)),
    }


def test_reads_are_left_alone_where_nothing_is_held_to_be_known(tmp_path: Path) -> None:
    """Such a node gets the very state that LangGraph made; what it writes and touches is noted all the same."""
    types = []

    def unknown(state: Any) -> Any:
        types.append(type(state))
        (tmp_path / "notes.txt").write_text("notes")
        return {"b": 1}

    graph, watcher = _watch(_chain(Items, ("unknown", unknown)))
    graph.invoke({"a": 1})
    assert types == [dict]
    heard = f"opened '{tmp_path / 'notes.txt'}' for writing"
    assert watcher.observed == {"unknown": NodeObservation(None, ("b",), (heard,))}


def test_a_runnable_as_a_node_shows_its_input_to_callbacks_and_is_not_tracked() -> None:
    """Its writes are noted."""
    graph, watcher = _watch(_chain(Items, ("step", RunnableLambda(lambda state: {"b": state["a"]}))), "step")
    assert graph.invoke({"a": 1})["b"] == 1
    assert watcher.observed == {"step": NodeObservation(None, ("b",))}


def test_what_a_send_brings_is_not_the_state() -> None:
    """The node that gets it is not tracked."""
    builder: StateGraph[Any] = StateGraph(Items)
    builder.add_node("worker", lambda sent: {"log": [sent["a"]]})
    builder.add_conditional_edges(START, lambda state: [Send("worker", {"a": n}) for n in range(3)], ["worker"])
    graph, watcher = _watch(builder, "worker")
    assert graph.invoke({})["log"] == [0, 1, 2]
    assert watcher.observed == {"worker": NodeObservation(None, ("log",))}


def test_nodes_of_subgraphs_are_watched_by_their_dotted_names() -> None:
    """The subgraph of the user stays as it is."""
    inner = _chain(Items, ("deep", lambda state: {"b": state["a"]})).compile()
    work = inner.nodes["deep"].node
    graph, watcher = _watch(_chain(Items, ("sub", inner), ("after", lambda state: {"a": state["b"] + 1})))
    assert graph.invoke({"a": 1})["a"] == 2
    assert watcher.observed["sub.deep"] == NodeObservation(("a",), ("b",))
    assert watcher.observed["sub"].reads is None
    assert watcher.observed["after"] == NodeObservation(("b",), ("a",))
    assert inner.nodes["deep"].node is work


@pytest.mark.parametrize("watching", [False, True])
def test_a_second_attempt_gets_what_the_first_left(watching: bool) -> None:
    """LangGraph gives both the same dict, so what the first changed in it, the second sees."""
    attempts = []

    def flaky(state: Any) -> Any:
        attempts.append(dict(state))
        state["b"] = 7
        if len(attempts) == 1:
            raise ValueError("once")
        return state

    builder = _chain(Items, ("flaky", flaky), retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ValueError))
    graph = _watch(builder, "flaky")[0] if watching else builder.compile()
    assert graph.invoke({"a": 1}) == {"a": 1, "b": 7, "log": []}
    assert attempts == [{"a": 1, "log": []}, {"a": 1, "b": 7, "log": []}]


def test_what_escapes_of_an_object_is_what_it_would_have_been() -> None:
    """A state that a node kept is of its own class once the node has ended, even if it raised."""
    kept: list[Any] = []

    def keeps(state: Any) -> Any:
        kept.append(state)
        if state.a:
            raise ValueError("a")
        return {}

    graph, watcher = _watch(_chain(Model, ("keeps", keeps)), "keeps")
    graph.invoke({"a": 0})
    with pytest.raises(ValueError, match="a"):
        graph.invoke({"a": 1})
    assert [type(state) for state in kept] == [Model, Model]
    assert watcher.observed["keeps"].reads == ("a",)


def _reads_one(state: Any) -> Any:
    return {"b": (state["a"] if isinstance(state, dict) else state.a) + 1}


def _reads_all(state: Any) -> Any:
    seen = {**state} if isinstance(state, dict) else {"a": state.a, "b": state.b}
    return {"log": [json.dumps(seen, default=str, sort_keys=True)]}


def _changes(state: Any) -> Any:
    if isinstance(state, dict):
        state["a"] = 5
        return {"log": [sorted(state)], "a": state["a"]}
    state.a = 5
    return {"log": [state.a]}


def _fails(state: Any) -> Any:
    raise ValueError(f"nothing to be done with {state!r}")


def _asks(state: Any) -> Any:
    return {"log": [interrupt("what now?")]}


async def _waits(state: Any) -> Any:
    await asyncio.sleep(0)
    return {"log": [type(state).__name__, state.__class__.__name__]}


def _goes(state: Any) -> Any:
    return Command(update={"log": ["went"]})


_NODES: list[Node] = [_reads_one, _reads_all, _changes, _fails, _asks, _waits, _goes]


_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def _events(graph: Any, value: Any) -> list[str]:
    """Everything that a run streams, without ids and times, and how it ended."""
    events: list[str] = []
    config = {"configurable": {"thread_id": "t"}}
    try:
        for turn, modes in ((value, ["values", "updates", "messages"]), (Command(resume="this"), ["updates", "tasks"])):
            events += [repr(event) async for event in graph.astream(turn, config, stream_mode=modes)]
        async for event in graph.astream_events(value, config, version="v2"):
            events.append(f"{event['event']} {event['name']} {event['tags']} {event['data']}")
    except Exception as error:  # noqa: BLE001 - how the run failed is compared
        events.append(repr(error))
    events.append(repr((await graph.aget_state(config)).values))
    return [_ID.sub("id", event) for event in events]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([Items, Model, Data]),
    st.lists(st.sampled_from(_NODES), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_watching_never_changes_a_run(schema: Any, nodes: list[Node], value: int) -> None:
    """The same events in the same order, the same errors and the same state, for every kind of state and node."""
    builder = _chain(schema, *((f"n{place}", node) for place, node in enumerate(nodes)))
    given_ = {"a": value, "log": []}
    names = [f"n{place}" for place in range(len(nodes))]
    plain = builder.compile(checkpointer=InMemorySaver())
    effects = {name: Effects.declared(set(), set()) for name in names}
    options = {"checkpointer": InMemorySaver()}
    watching = watched(GraphPlan.of(builder, effects=effects, compile_options=options), Watcher()).build()
    assert asyncio.run(_events(plain, given_)) == asyncio.run(_events(watching, given_))


@pytest.mark.parametrize("schema", [Items, Model, Data])
def test_what_inference_holds_to_be_known_is_what_is_seen(schema: Any) -> None:
    """A node that does what its code says is never refuted: the two agree on what reads everything."""
    items: list[Node] = [
        lambda state: {"b": state["a"]},
        lambda state: {"b": len(state)},
        lambda state: {"b": 1 if state else 0},
        lambda state: {"b": 1 if "a" in state else 0},
        lambda state: {"log": [key for key in state]},  # noqa: C416
        lambda state: {"log": [str(state)]},
        lambda state: {"log": [{**state}]},
        lambda state: {"b": state.get("a", 1)},
        lambda state: {"b": isinstance(state, dict)},
        lambda state: {"b": state == {}},
        lambda state: {"log": [not state]},
    ]
    attributes: list[Node] = [
        lambda state: {"b": state.a},
        lambda state: {"log": [str(state)]},
        lambda state: {"b": 1 if state else 0},
        lambda state: {"b": state == 1},
        lambda state: {"b": getattr(state, "a")},  # noqa: B009
    ]
    for node in items if schema is Items else attributes:
        builder = _chain(schema, ("node", node))
        graph, watcher = _watch(builder)
        graph.invoke({"a": 1, "log": []})
        effects, seen = GraphPlan.of(builder).nodes["node"].effects, watcher.observed["node"]
        if effects.reads is not None and seen.reads is not None:
            assert effects.reads >= set(seen.reads), effects
        if effects.writes is not None:
            assert effects.writes >= set(seen.writes), effects
