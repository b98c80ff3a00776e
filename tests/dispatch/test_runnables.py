"""What code in a node gets to know, with and without somebody who listens."""

from __future__ import annotations

import asyncio
import operator
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypedDict
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableSequence
from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy, Send, StreamWriter, TracePolicy

from optiflow import api
from optiflow.dispatch.runnables import LeanCallable, LeanSequence, lean_sequence
from optiflow.dispatch.tally import counting

IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
leaking: ContextVar[str] = ContextVar("leaking", default="clean")


class State(TypedDict, total=False):
    seen: Annotated[list[Any], operator.add]
    left: int


def shape(value: Any) -> Any:
    """A value without what differs from run to run: ids, times, addresses."""
    if isinstance(value, BaseCallbackManager):
        return {type(value).__name__: shape(vars(value))}
    if isinstance(value, dict):
        return {IDS.sub("ID", str(key)): shape(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [shape(each) for each in value]
    if isinstance(value, str | UUID):
        return IDS.sub("ID", str(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {field.name: shape(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, float):
        return "a time"
    return value if isinstance(value, int | bool | None) else type(value).__name__


def told(state: State, config: RunnableConfig, runtime: Runtime, store: BaseStore, writer: StreamWriter) -> State:
    """A node: all that a node can ask for."""
    writer("written")
    own = config["callbacks"]
    around = var_child_runnable_config.get()
    assert around is not None
    assert around["callbacks"] is own
    assert own.parent_run_id is not None  # type: ignore[union-attr]
    assert type(runtime) is Runtime
    what = {"config": config, "around": around, "runtime": runtime, "store": store}
    return {"seen": [(shape(what), leaking.get())], "left": state.get("left", 0) + 1}


async def told_async(
    state: State, config: RunnableConfig, runtime: Runtime, store: BaseStore, writer: StreamWriter
) -> State:
    """The same in async code, which leaves its mark in its own context."""
    seen = told(state, config, runtime, store, writer)
    leaking.set("leaked")
    return seen


def route(state: State, config: RunnableConfig, runtime: Runtime) -> Any:
    """A router, which is told of too."""
    heard.append(shape({"state": state["left"], "config": config, "around": var_child_runnable_config.get()}))
    return [Send("sent", {"left": 5})] if state["left"] == 3 else END


heard: list[Any] = []


def telling(node: Any) -> StateGraph[Any]:
    """An edge, a subgraph, a router and a Send."""
    inner = StateGraph(State).add_node("deep", node).add_edge(START, "deep")
    builder = StateGraph(State)
    builder.add_node("first", node, metadata={"mine": 1}, retry_policy=RetryPolicy(max_attempts=1))
    builder.add_node("inner", inner.compile())
    builder.add_node("second", node)
    builder.add_node("sent", node)
    builder.add_edge(START, "first").add_edge("first", "inner")
    builder.add_edge("inner", "second")
    builder.add_conditional_edges("first", route, [END, "sent"])
    builder.add_conditional_edges("second", route, [END, "sent"])
    return builder


CONFIGS: list[Any] = [
    {},
    {"tags": ["one", "two"], "metadata": {"user": "u", "number": 1}, "run_name": "mine", "max_concurrency": 2},
    {"configurable": {"thread_id": "t", "custom": [1]}, "recursion_limit": 12},
    {"metadata": {"nested": {"a": 1}}, "tags": ["one"]},
]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_a_node_is_told_what_langgraph_tells_it(config: Any, asynchronous: bool) -> None:
    """Config, context, runtime and store are the same but for ids, in nodes, subgraphs, routers and sent nodes."""
    seen: list[Any] = []
    for arm in ("none", "dispatch"):
        heard.clear()
        saver = InMemorySaver() if "configurable" in config else None
        builder = telling(told_async if asynchronous else told)
        graph = api.compile(builder, arm, checkpointer=saver, store=InMemoryStore())
        asked = {**config}
        output = asyncio.run(graph.ainvoke({}, asked)) if asynchronous else graph.invoke({}, asked)
        seen.append((output, sorted(heard, key=str)))
    assert len(seen[0][0]["seen"]) == 5
    assert seen[1] == seen[0]


class Heard(BaseCallbackHandler):
    """A handler that a node gives to its own model call."""

    run_inline = True

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, *, parent_run_id: Any, **kwargs: Any) -> None:
        self.calls.append((parent_run_id, shape(kwargs["tags"]), shape(kwargs["metadata"])))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_handler_that_a_node_brings_hears_of_the_same_calls(asynchronous: bool) -> None:
    """Tags and metadata are handed down, and two calls of one node have one parent."""
    seen: list[Any] = []
    for arm in ("none", "dispatch"):
        handler = Heard()
        model = FakeListChatModel(responses=["a"])

        def call(state: State, model: Any = model, handler: Any = handler) -> State:
            model.invoke("one", {"callbacks": [handler]})
            model.invoke("two", {"callbacks": [handler], "tags": ["own"]})
            return {"left": 1}

        async def acall(state: State, model: Any = model, handler: Any = handler) -> State:
            await model.ainvoke("one", {"callbacks": [handler]})
            await model.ainvoke("two", {"callbacks": [handler], "tags": ["own"]})
            return {"left": 1}

        node: Any = acall if asynchronous else call
        builder = StateGraph(State).add_node("call", node, metadata={"node": "m"}).add_edge(START, "call")
        graph = api.compile(builder, arm)
        config: Any = {"tags": ["run"], "metadata": {"user": "u"}}
        asyncio.run(graph.ainvoke({}, config)) if asynchronous else graph.invoke({}, config)
        parents, *rest = zip(*handler.calls, strict=True)
        assert len(set(parents)) == 1
        seen.append(rest)
    assert seen[0] == seen[1]
    assert "run" in seen[0][0][0]


def run_of(step: Any, asynchronous: bool) -> tuple[Any, Any]:
    """What a graph of one such node returns, plain and lean."""
    results = []
    for arm in ("none", "dispatch"):
        graph = api.compile(StateGraph(State).add_node("node", step).add_edge(START, "node"), arm)
        results.append(asyncio.run(graph.ainvoke({"left": 1})) if asynchronous else graph.invoke({"left": 1}))
    return results[0], results[1]


def further(state: State) -> State:
    """Work of a runnable: what context it is in."""
    config = var_child_runnable_config.get()
    assert config is not None
    return {"seen": [shape(config.get("metadata")), shape(config["callbacks"].tags)], "left": 9}  # type: ignore[union-attr]


async def gives_a_runnable(state: State) -> Any:
    """A node that leaves its work to a runnable."""
    return RunnableLambda(further)


def gives_one(state: State) -> Any:
    """The same, sync."""
    return RunnableLambda(further)


@pytest.mark.parametrize(
    ("step", "asynchronous"),
    [
        (gives_one, False),
        (gives_a_runnable, True),
        (gives_one, True),
        (RunnableLambda(further), False),
        (RunnableLambda(further), True),
        (RunnableSequence(RunnableLambda(further), RunnableLambda(lambda state: state)), False),
        (RunnableSequence(RunnableLambda(further), RunnableLambda(lambda state: state)), True),
        (RunnableCallable(further, trace=False), False),
        (RunnableCallable(further), True),
        (RunnableCallable(further, tags=["own"]), False),
        (RunnableCallable(gives_one), False),
        (RunnableCallable(None, gives_a_runnable), True),
    ],
)
def test_work_of_every_kind_does_the_same(step: Any, asynchronous: bool) -> None:
    """Functions that return runnables, runnables, sequences of them, and functions without runs of their own."""
    plain, lean = run_of(step, asynchronous)
    assert lean == plain
    assert plain["left"] == 9


def test_a_trace_policy_sees_every_payload() -> None:
    """It runs whether somebody traces or not, so that node is LangGraph's."""
    seen: list[Any] = []
    policy = TracePolicy(process_inputs=lambda value: seen.append(value) or value)
    builder = StateGraph(State).add_node("node", lambda state: {"left": 2}, trace_policy=policy)
    builder.add_edge(START, "node")
    assert api.compile(builder, "dispatch").invoke({"left": 1})["left"] == 2
    assert seen == [{"left": 1, "seen": []}]
    refused = {each.node: each.reason for each in api.explain(builder, "dispatch") if each.action == "refused"}
    assert "trace policy" in refused["node"]
    assert lean_sequence(RunnableSeq(further, further, trace_inputs=lambda value: value)) is None


def test_a_runnable_that_no_graph_calls_is_langgraphs() -> None:
    """Without a config or with arguments of its own there is no run that one could leave out."""
    lean = lean_sequence(RunnableSeq(lambda value, more=0: value + 1 + more, lambda value: value * 2))
    assert isinstance(lean, LeanSequence)
    assert isinstance(lean.steps[0], LeanCallable)
    assert lean.invoke(1) == 4
    assert lean.invoke(1, {}) == 4
    assert lean.invoke(1, None, more=1) == 6
    assert asyncio.run(lean.ainvoke(1)) == 4
    assert lean.steps[0].invoke(1) == 2
    assert lean.steps[0].invoke(1, None, more=1) == 3
    assert asyncio.run(lean.steps[0].ainvoke(1)) == 2


class Started(BaseCallbackHandler):
    """Hears of every run."""

    run_inline = True

    def __init__(self) -> None:
        self.runs: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs.append((kwargs["name"], shape(kwargs["tags"]), shape(kwargs["metadata"])))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_somebody_who_listens_hears_everything(asynchronous: bool) -> None:
    """With a handler every run is told of, as by LangGraph."""
    runs = []
    for arm in ("none", "dispatch"):
        handler = Started()
        graph = api.compile(telling(told_async if asynchronous else told), arm, store=InMemoryStore())
        config: Any = {"callbacks": [handler]}
        with counting() as tally:
            asyncio.run(graph.ainvoke({}, config)) if asynchronous else graph.invoke({}, config)
        assert not tally.runs_lean
        runs.append(sorted(handler.runs, key=str))
    assert len(runs[0]) > 8
    assert runs[0] == runs[1]


@pytest.mark.parametrize("owner", [RunnableSeq, RunnableCallable])
def test_a_replaced_runnable_is_left_in_place(owner: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that replaces LangGraph's own methods gets to see every call."""
    graph = api.compile(telling(told), "dispatch", store=InMemoryStore())
    seen: list[str] = []
    plain: Callable[..., Any] = owner.invoke  # type: ignore[attr-defined]

    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(type(self).__name__)
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(owner, "invoke", traced)
    graph.invoke({})
    assert {"LeanSequence" if owner is RunnableSeq else "LeanCallable"} <= {*seen}
