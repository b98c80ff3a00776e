"""Optimizing graphs from Python code."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

import pytest
from langchain_core.runnables.config import merge_configs
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.memory import InMemoryStore

import optiflow
from optiflow import api, errors
from optiflow.errors import ConfigurationError
from optiflow.optimizations import registry
from optiflow.optimizations.base import Decision, Optimization, Options
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan
from optiflow.settings import get_settings
from optiflow.workflow.base import Workflow
from optiflow.workflow.graph_workflow import GraphWorkflow

held: ContextVar[bool] = ContextVar("held", default=False)


class State(TypedDict, total=False):
    text: str


class Shout(Optimization[Options]):
    """Rewrites: every node shouts."""

    name: ClassVar[str] = "shout"

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        for node in plan.nodes.values():
            shouting = node.runnable | (lambda update: {"text": update["text"] + "!"})
            plan = plan.with_node(node.with_runnable(shouting))
            plan = plan.decide(Decision(self.name, node.name, "applied", "shouts"))
        return plan


class Hold(Optimization[Options]):
    """Acts around the run."""

    name: ClassVar[str] = "hold"

    @contextmanager
    def activate(self) -> Iterator[Any]:
        token = held.set(True)
        yield dict
        held.reset(token)


class Idle(Optimization[Options]):
    """Does nothing."""

    name: ClassVar[str] = "idle"


@pytest.fixture(autouse=True)
def _toggles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three toggles and no others."""
    toggles = {toggle.name: toggle for toggle in (Shout, Hold, Idle)}
    monkeypatch.setattr(registry, "available", lambda: toggles)
    monkeypatch.setattr(registry, "options_of", lambda group: [])
    registry.preset.cache_clear()


def node(state: State) -> State:
    """Say whether the run-level toggle is held."""
    return {"text": f"{state.get('text', '')} {'held' if held.get() else 'free'}".strip()}


@pytest.fixture
def builder() -> StateGraph[State]:
    """A graph of one node."""
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


@entrypoint()
def functional(question: str) -> str:
    """The functional API."""
    return f"{question} {'held' if held.get() else 'free'}"


def test_public_names_are_complete_and_lazy() -> None:
    """Each name exists, every error is among them, and importing costs neither LangGraph nor Hydra."""
    assert list(optiflow.__all__) == sorted(optiflow.__all__)
    for name in optiflow.__all__:
        assert getattr(optiflow, name) is not None
    assert set(errors.__all__) - {"nearest_name"} <= set(optiflow.__all__) <= set(dir(optiflow))
    with pytest.raises(AttributeError, match="has no attribute 'optimise'"):
        _ = optiflow.optimise
    heavy = ("langgraph", "hydra", "pydantic", "sqlalchemy", "rich", "structlog")
    program = f"import sys, optiflow; sys.exit([name for name in {heavy} if name in sys.modules] or None)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_compile_rewrites_and_holds(builder: StateGraph[State]) -> None:
    """Both halves of a toggle act, and the builder is not changed."""
    graph = optiflow.compile(builder, ["shout", "hold"], name="mine", checkpointer=False)
    assert isinstance(graph, CompiledStateGraph)
    assert (graph.name, graph.checkpointer) == ("mine", False)
    assert graph.invoke({"text": "a"}) == {"text": "a held!"}
    assert asyncio.run(graph.ainvoke({"text": "a"})) == {"text": "a held!"}
    assert builder.compile().invoke({"text": "a"}) == {"text": "a free"}
    # Whoever compiles the builder of an optimized graph starts from the graph as it was written.
    assert graph.builder is builder


def test_toggles_are_given_in_three_ways(builder: StateGraph[State]) -> None:
    """One name, several, or options by name; one that is not enabled stays off."""
    assert optiflow.compile(builder, "shout").invoke({"text": "a"}) == {"text": "a free!"}
    assert optiflow.compile(builder, ("hold",)).invoke({"text": "a"}) == {"text": "a held"}
    options: dict[str, dict[str, Any]] = {"shout": {"enabled": False}, "hold": {}}
    assert optiflow.compile(builder, options).invoke({"text": "a"}) == {"text": "a held"}
    assert type(optiflow.compile(builder, [])) is CompiledStateGraph
    with pytest.raises(ConfigurationError, match=r"opt=shut: no such option; did you mean 'shout'\?"):
        optiflow.compile(builder, "shut")
    with pytest.raises(ConfigurationError, match=r"opt.hold.loud: no such key; known: enabled"):
        optiflow.compile(builder, {"hold": {"loud": True}})


def test_presets_are_those_of_the_configuration(builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """``all`` means what ``+opt=all`` means."""
    monkeypatch.undo()
    registry.preset.cache_clear()
    assert {toggle.name for toggle in api.toggles_of("all")} == set(registry.preset("all"))
    assert api.toggles_of("none") == ()


def test_kill_switch_holds_toggles_off(builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable turns a toggle off, whatever the code says."""
    monkeypatch.setenv("OPTIFLOW_DISABLE", "shout")
    get_settings.cache_clear()
    assert optiflow.compile(builder, ["shout", "hold"]).invoke({"text": "a"}) == {"text": "a held"}


def test_graph_that_does_not_compile_says_so_as_langgraph_does() -> None:
    """The exception is LangGraph's own."""
    with pytest.raises(ValueError, match="Graph must have an entrypoint"):
        optiflow.compile(StateGraph(State), "shout")


def test_optimize_keeps_every_setting(builder: StateGraph[State]) -> None:
    """What the graph was compiled with, bound to and given afterwards survives; the graph itself stays."""
    compiled = builder.compile(
        checkpointer=InMemorySaver(),
        store=InMemoryStore(),
        cache=InMemoryCache(),
        interrupt_before=["node"],
        name="mine",
        debug=False,
    ).with_config(tags=["bound"])
    compiled.step_timeout = 12.5
    graph = optiflow.optimize(compiled, ["shout", "hold"])
    for name in ("checkpointer", "store", "cache", "interrupt_before_nodes", "name", "debug", "config"):
        assert getattr(graph, name) == getattr(compiled, name), name
    assert graph.step_timeout == 12.5
    config: Any = {"configurable": {"thread_id": "1"}}
    assert graph.invoke({"text": "a"}, config) == {"text": "a"}
    assert graph.invoke(None, config) == {"text": "a held!"}
    config = {"configurable": {"thread_id": "2"}}
    compiled.invoke({"text": "a"}, config)
    assert compiled.invoke(None, config) == {"text": "a free"}
    # An optimized graph is optimized from its source, not once more.
    again = optiflow.optimize(graph, ["shout"])
    config = {"configurable": {"thread_id": "3"}}
    again.invoke({"text": "a"}, config)
    assert again.invoke(None, config) == {"text": "a free!"}


def test_defaults_that_compiling_wrote_are_not_written_twice() -> None:
    """LangGraph adds a default error handler as a node when it compiles, and refuses to do it once more."""

    def fail(state: State) -> State:
        raise LookupError("no such thing")

    builder = StateGraph(State)
    builder.set_node_defaults(error_handler=lambda state: {"text": "handled"})
    builder.add_node("node", fail)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    compiled = builder.compile()
    assert compiled.invoke({"text": "a"}) == {"text": "handled"}
    assert optiflow.optimize(compiled, "hold").invoke({"text": "a"}) == {"text": "handled"}


def test_entrypoint_takes_what_acts_around_the_run() -> None:
    """It has no builder to rewrite, which is said."""
    graph = optiflow.optimize(functional, ["shout", "hold"])
    assert graph.invoke("a") == "a held"  # type: ignore[comparison-overlap]
    assert functional.invoke("a") == "a free"  # type: ignore[comparison-overlap]
    assert optiflow.explain(functional, ["shout", "hold"]) == (
        Decision("shout", "*", "refused", "there is no StateGraph to rewrite, as for an @entrypoint"),
        Decision("hold", "*", "applied", "acts around the run; there is no StateGraph to rewrite"),
    )


def test_graph_changed_after_compiling_is_not_rewritten(builder: StateGraph[State]) -> None:
    """Its builder no longer says what it does."""
    compiled = builder.compile()
    compiled.nodes["more"] = compiled.nodes["node"]
    assert [each.action for each in optiflow.explain(compiled, ["shout"])] == ["refused"]
    assert optiflow.optimize(compiled, ["hold"]).invoke({"text": "a"}) == {"text": "a held"}


def test_explain_has_a_decision_for_every_toggle(builder: StateGraph[State]) -> None:
    """One that looked at no node is explained too."""
    expected = (
        Decision("shout", "node", "applied", "shouts"),
        Decision("hold", "*", "applied", "acts around the run and changes no node"),
        Decision("idle", "*", "refused", "finds nothing in this graph that it could do"),
    )
    assert optiflow.explain(builder, ["shout", "hold", "idle"]) == expected
    assert optiflow.explain(builder.compile(), ["shout", "hold", "idle"]) == expected


def test_fresh_graph_comes_back_itself_where_nothing_is_rewritten(builder: StateGraph[State]) -> None:
    """A refusal costs nothing; what acts around the run is put around the very same graph."""
    compiled = builder.compile()
    assert api.optimize_fresh(compiled, api.toggles_of("idle")) is compiled
    assert type(compiled) is CompiledStateGraph
    assert api.optimize_fresh(compiled, api.toggles_of("hold")) is compiled
    assert compiled.invoke({"text": "a"}) == {"text": "a held"}
    assert api.optimize_fresh(functional, api.toggles_of("shout")) is functional
    rewritten = api.optimize_fresh(builder.compile(), api.toggles_of("shout"))
    assert rewritten.invoke({"text": "a"}) == {"text": "a free!"}


def test_building_is_known(builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """A patched compile can tell OptiFlow's own calls from the program's."""
    seen: list[bool] = []
    plain = StateGraph.compile

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(api.building())
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(StateGraph, "compile", watched)
    optiflow.compile(builder, "shout")
    builder.compile()
    assert seen == [True, False]


def test_plan_of_a_workflow(builder: StateGraph[State]) -> None:
    """Declared or the user's own, with checkpointer, declared effects and settings; none for an entrypoint."""
    effects = {"node": Effects.declared({"text"}, {"text"})}
    fields: Any = {"name": "w", "builder": builder, "input": {}, "output_key": "text", "input_digest": ""}
    declared = api.plan_of(Workflow(**fields, effects=effects), InMemorySaver())
    assert declared is not None
    assert declared.nodes["node"].effects == effects["node"]
    assert isinstance(declared.build().checkpointer, InMemorySaver)
    compiled = builder.compile(name="mine")
    users = api.plan_of(GraphWorkflow(**fields, effects=effects, compiled=compiled), InMemorySaver())
    assert users is not None
    built = users.build()
    assert built.name == "mine"
    assert isinstance(built.checkpointer, InMemorySaver)
    assert compiled.checkpointer is None
    assert api.plan_of(GraphWorkflow(**fields, effects={}, compiled=functional)) is None


@dataclass(frozen=True)
class Swaps:
    """Gives the compiled graph another saver and more configuration."""

    def install(self, compiled: Any) -> None:
        """Do it."""
        compiled.checkpointer = InMemorySaver()
        compiled.config = merge_configs({"configurable": {"ours": 1}}, compiled.config)


class Swap(Optimization[Options]):
    """Replaces settings, and acts around no run."""

    name: ClassVar[str] = "swap"

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.with_finisher(Swaps())


@pytest.mark.parametrize("opt", [["swap"], ["swap", "hold"]])
def test_rollback_gives_the_users_own_graph(
    opt: list[str], builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What toggles replaced is as it was, whether the graph was compiled here or optimized, copied or bound since."""
    toggles = {toggle.name: toggle for toggle in (Swap, Hold)}
    monkeypatch.setattr(registry, "available", lambda: toggles)
    monkeypatch.setattr(registry, "preset", lambda name: {} if name == "none" else {name: {}})
    monkeypatch.setattr(api, "preset", registry.preset)
    saver = InMemorySaver()
    compiled = builder.compile(checkpointer=saver, name="mine")
    for optimized in (
        optiflow.optimize(compiled, opt),
        optiflow.compile(builder, opt, checkpointer=saver, name="mine"),
        optiflow.optimize(optiflow.optimize(compiled, opt), opt),
        optiflow.optimize(compiled, opt).copy({}),
    ):
        assert optimized.checkpointer is not saver
        plain = optiflow.optimize(optimized, "none")
        assert type(plain) is CompiledStateGraph
        assert (plain.checkpointer, plain.name, plain.config) == (saver, "mine", compiled.config)
        assert vars(plain).keys() == vars(compiled).keys()
    bound = optiflow.optimize(compiled, opt).with_config(tags=["bound"], configurable={"theirs": 2})
    expected = compiled.with_config(tags=["bound"], configurable={"theirs": 2}).config
    assert bound.config["configurable"] == {"ours": 1, "theirs": 2}
    assert optiflow.optimize(bound, "none").config == expected


def test_settings_changed_since_are_kept(builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a toggle put there is taken away."""
    monkeypatch.setattr(registry, "available", lambda: {"swap": Swap})
    optimized = optiflow.optimize(builder.compile(checkpointer=InMemorySaver(), name="mine"), ["swap"])
    optimized.checkpointer = theirs = InMemorySaver()
    optimized.name = "renamed"
    plain = optiflow.optimize(optimized, [])
    assert (plain.checkpointer, plain.name) == (theirs, "renamed")
    assert [decision.toggle for decision in optiflow.explain(optimized, ["swap"])] == ["swap"]


def test_rollback_of_a_savers_replacement(builder: StateGraph[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """The toggles of the project, one after another: the saver is the user's, and can be replaced again."""
    monkeypatch.undo()
    registry.preset.cache_clear()
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        saver = SqliteSaver(connection)
        compiled = builder.compile(checkpointer=saver)
        optimized = optiflow.optimize(compiled, "all")
        assert optimized.checkpointer is not saver
        plain = optiflow.optimize(optimized, "none")
        assert (plain.checkpointer, type(plain)) == (saver, CompiledStateGraph)
        assert not hasattr(plain, "run_toggles")
        again = optiflow.explain(optimized, "durability")
        assert [(each.toggle, each.action) for each in again] == [("durability", "applied")]


def test_rollback_of_an_entrypoint() -> None:
    """It is what it was, too."""
    plain = optiflow.optimize(optiflow.optimize(functional, ["hold"]), [])
    assert type(plain) is type(functional)
    assert plain.invoke("a") == "a free"  # type: ignore[comparison-overlap]
