"""A StateGraph as data, and back."""

# ruff: noqa: D103 - the functions besides the tests are nodes to look at

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy

from optiflow.errors import ConfigurationError
from optiflow.optimizations.base import Decision
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan


class State(TypedDict, total=False):
    a: int
    log: Annotated[list[str], operator.add]


def first(state: State) -> dict[str, Any]:
    return {"a": state.get("a", 0) + 1, "log": ["first"]}


async def second(state: State) -> dict[str, Any]:
    return {"log": ["second"]}


def handler(state: State) -> dict[str, Any]:
    return {"log": ["handled"]}


def route(state: State) -> str:
    return END if state["a"] > 1 else "first"


def build() -> StateGraph[Any]:
    """A builder that uses much of what a node may have."""
    builder = StateGraph(State)
    builder.add_node("first", first, retry_policy=RetryPolicy(), metadata={"x": 1}, error_handler=handler)
    builder.add_node("second", second, cache_policy=CachePolicy(), timeout=TimeoutPolicy(run_timeout=5), defer=True)
    builder.add_node("third", first, destinations=("first",))
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge(["first", "second"], "third")
    builder.add_conditional_edges("third", route)
    builder.set_node_defaults(retry_policy=RetryPolicy(max_attempts=7), error_handler=handler)
    return builder


def test_a_plan_tells_what_the_builder_holds() -> None:
    """Nodes with their policies, edges, branches, channels and schemas."""
    builder = build()
    plan = GraphPlan.of(builder, compile_options={"name": "mine"})
    nodes = plan.nodes
    assert nodes["first"].retry_policy == RetryPolicy()
    assert nodes["first"].metadata == {"x": 1}
    assert nodes["first"].error_handler == "__error_handler__first"
    assert nodes["__error_handler__first"].is_error_handler
    assert nodes["second"].cache_policy is not None
    assert nodes["second"].timeout.run_timeout == 5
    assert nodes["second"].defer
    assert nodes["third"].ends == ("first",)
    assert nodes["third"].input_schema is State
    assert plan.edges == {(START, "first"), ("first", "second")}
    assert plan.waiting_edges == {(("first", "second"), "third")}
    assert list(plan.branches["third"]) == ["route"]
    assert set(plan.channels) == {"a", "log"}
    assert plan.state_schema in plan.schemas
    assert plan.managed == {}
    assert plan.compile_options["name"] == "mine"


async def test_building_never_touches_the_users_builder() -> None:
    """Compiling writes node defaults into specs, adds a default handler: into the clone only."""
    builder = build()
    before = (dict(builder.nodes), [spec.retry_policy for spec in builder.nodes.values()], set(builder.edges))
    graph = GraphPlan.of(builder, compile_options={"name": "mine", "checkpointer": InMemorySaver()}).build()
    assert (dict(builder.nodes), [spec.retry_policy for spec in builder.nodes.values()], set(builder.edges)) == before
    assert builder.compiled is False
    plain = build().compile(name="mine")
    assert graph.name == plain.name
    assert graph.get_graph().to_json() == plain.get_graph().to_json()
    config: Any = {"configurable": {"thread_id": "1"}}
    assert await graph.ainvoke({"log": []}, config) == await plain.ainvoke({"log": []})


def test_a_compiled_graph_keeps_its_settings() -> None:
    """What was set on or bound to a compiled graph is there in the rebuilt one."""
    compiled = build().compile(checkpointer=InMemorySaver(), interrupt_before=["second"], name="mine", debug=False)
    compiled.step_timeout = 9
    bound: Any = compiled.with_config(tags=["t"])
    again = GraphPlan.of(bound).build()
    assert again is not bound
    for name in ("checkpointer", "interrupt_before_nodes", "name", "step_timeout", "config", "stream_mode", "debug"):
        assert getattr(again, name) == getattr(bound, name)
    assert again.builder is not bound.builder


def test_subclasses_of_the_builder_stay_what_they_are() -> None:
    """A subclass with attributes of its own compiles its own way."""

    class Mine(StateGraph[Any]):
        extra = "none"

        def compile(self, *args: Any, **kwargs: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
            return super().compile(*args, **{**kwargs, "name": self.extra})

    builder = Mine(State)
    builder.add_node("first", first)
    builder.add_edge(START, "first")
    builder.extra = "mine"
    assert GraphPlan.of(builder).build().name == "mine"


def test_rewrites_make_new_plans() -> None:
    """Nodes, edges, options and decisions are replaced in a copy."""
    plan = GraphPlan.of(build(), effects={"first": Effects.declared({"a"}, {"a", "log"})})
    node = plan.nodes["first"]
    changed = (
        plan.with_node(node.with_runnable(plan.nodes["second"].runnable).with_policy(metadata=None))
        .with_edges(plan.edges | {("second", END)})
        .with_compile_options(name="other")
        .decide(Decision("t", "first", "applied", "why"))
    )
    assert changed.nodes["first"].runnable is plan.nodes["second"].runnable
    assert changed.nodes["first"].effects == node.effects
    assert changed.nodes["first"].metadata is None
    assert list(changed.nodes) == list(plan.nodes)
    assert ("second", END) in changed.edges - plan.edges
    assert changed.compile_options["name"] == "other"
    assert [decision.node for decision in changed.decisions] == ["first"]
    assert plan.decisions == ()
    assert plan.nodes["first"].metadata == {"x": 1}


def test_subplans_are_of_plain_compiled_graphs() -> None:
    """A node that is a compiled graph has a plan; a function has none."""
    builder = StateGraph(State)
    builder.add_node("graph", build().compile())
    builder.add_node("function", first)
    plan = GraphPlan.of(builder)
    inner = plan.subplan("graph")
    assert inner is not None
    assert "third" in inner.nodes
    assert plan.subplan("function") is None
    from dataclasses import replace

    assert plan.with_node(replace(plan.nodes["graph"], subgraph=inner)).subplan("graph") is inner


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        ({"frist": Effects.declared({"a"}, set())}, r"'frist'.*did you mean 'first'"),
        ({"first": Effects.declared({"b"}, set())}, r"'first'.*'b'.*known: a, log"),
        ({"first": Effects.declared(set(), {"lgo"})}, r"'lgo'.*did you mean 'log'"),
    ],
)
def test_declared_effects_have_to_fit_the_graph(effects: dict[str, Effects], message: str) -> None:
    """A misspelt node or key is told, with the nearest right name."""
    with pytest.raises(ConfigurationError, match=message):
        GraphPlan.of(build(), effects=effects)


def test_a_compiled_graph_is_not_compiled_once_more() -> None:
    """LangGraph asks the objects that nodes close over for their attributes each time it compiles."""

    class Counting:
        asked = 0

        def __getattr__(self, name: str) -> int:
            type(self).asked += 1
            return 1

    counting = Counting()

    def node(state: State) -> State:
        return {"log": [str(counting.number)]}

    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    compiled = builder.compile()
    asked = Counting.asked
    again = GraphPlan.of(compiled).build()
    assert Counting.asked == asked
    assert again.nodes is not compiled.nodes
    assert again.nodes["node"] is not compiled.nodes["node"]
    assert again.invoke({"log": []}) == compiled.invoke({"log": []})
