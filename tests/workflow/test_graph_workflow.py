"""A user's graph as a workflow, loaded and run to its end."""

from __future__ import annotations

import atexit
import operator
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from optiflow.api import own_graph
from optiflow.config.graph import EffectsConfig, GraphWorkflowConfig
from optiflow.errors import InputError
from optiflow.workflow.base import Workflow
from optiflow.workflow.graph_workflow import (
    GraphWorkflow,
    load_graph_workflow,
    open_graph_workflow,
    run_to_end,
)


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


class Context(TypedDict):
    user: str


def greet(state: State, runtime: Runtime[Context]) -> State:
    """Read the input and the context."""
    user = runtime.context["user"] if runtime.context else "nobody"
    return {"log": [f"{state['text']} {user}"]}


def ask(name: str) -> Callable[[State], State]:
    """A node that asks."""

    def node(state: State) -> State:
        return {"log": [f"{name}: {interrupt(f'{name}?')}"]}

    return node


def make_builder(**nodes: Any) -> StateGraph[State, Context]:
    """Nodes that all follow the start."""
    builder = StateGraph(State, context_schema=Context)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder


simple = make_builder(greet=greet)
asking = make_builder(first=ask("first"), second=ask("second"))
stopping = make_builder(greet=greet).compile(checkpointer=InMemorySaver(), interrupt_before=["greet"], name="mine")


@entrypoint()
def functional(question: str) -> str:
    """The functional API."""
    return f"{question}!"


class Synchronous(InMemorySaver):
    """A saver without asynchronous methods, as some are."""

    aget_tuple = aput = aput_writes = BaseCheckpointSaver.aget_tuple  # type: ignore[assignment]


class Refusing(InMemorySaver):
    """One with methods that only say so, as LangGraph's own on SQLite."""

    async def aget_tuple(self, config: Any) -> Any:
        raise NotImplementedError("use the asynchronous saver")

    aput = aput_writes = aget_tuple  # type: ignore[assignment]


synchronous = make_builder(greet=greet, second=ask("second")).compile(checkpointer=Synchronous())
refusing = make_builder(greet=greet, second=ask("second")).compile(checkpointer=Refusing())
synchronous_stopping = make_builder(greet=greet).compile(checkpointer=Synchronous(), interrupt_before=["greet"])


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GraphWorkflow]:
    """Load one of this file's graphs."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "graphs_of_this_test", sys.modules[__name__])

    def load(name: str, **given: Any) -> GraphWorkflow:
        config = GraphWorkflowConfig(kind="graph", ref=f"graphs_of_this_test:{name}", **given)
        with open_graph_workflow(config) as workflow:
            return workflow

    return load


async def test_builder_is_run_with_input_and_context(load: Callable[..., GraphWorkflow]) -> None:
    """Everything that a run needs is in the workflow."""
    workflow = load(
        "simple",
        input='{"text": "hello"}',
        context={"user": "me"},
        config={"recursion_limit": 7},
        output="text",
        effects={"greet": EffectsConfig(reads=("text",), writes=("log",))},
    )
    assert isinstance(workflow, Workflow)
    assert (workflow.name, workflow.builder, workflow.output_key) == ("simple", simple, "text")
    assert workflow.effects["greet"].reads == {"text"}
    assert workflow.effects["greet"].source == "declared"
    assert (workflow.config, workflow.checkpointer) == ({"recursion_limit": 7}, None)
    assert await run_to_end(workflow.compiled, workflow) == {"text": "hello", "log": ["hello me"]}


def test_digest_tells_inputs_apart(load: Callable[..., GraphWorkflow]) -> None:
    """The digest covers everything that was given and nothing else."""
    first = load("simple", input={"text": "a"}).input_digest
    assert first == load("simple", input='{"text": "a"}').input_digest
    others = [
        load("simple", input={"text": "b"}),
        load("simple", input={"text": "a"}, context={"user": "me"}),
        load("simple", input={"text": "a"}, resume=("x",)),
        load("simple", input={"text": "a"}, config={"recursion_limit": 3}),
    ]
    assert first not in {other.input_digest for other in others}


async def test_interrupts_are_answered_in_order(load: Callable[..., GraphWorkflow]) -> None:
    """A graph without a checkpointer gets one, and each interrupt its value."""
    workflow = load("asking", input={"text": "a"}, resume=("one", "two"))
    assert workflow.checkpointer is not None
    with workflow.checkpointer() as saver:
        graph = asking.compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "given"}}
        output = await run_to_end(graph, workflow, config)
        assert output["log"] == ["first: one", "second: two"]
        assert graph.get_state(config).values == output
        with pytest.raises(InputError, match=r"thread_id='given': the checkpointer has this thread already; leave it"):
            await run_to_end(graph, workflow, config)
        other = replace(workflow, resume=("1", "2"))
        assert (await run_to_end(graph, other, thread_id="another"))["log"] == ["first: 1", "second: 2"]
    assert saver.get({"configurable": {"thread_id": "another"}}) is not None


@pytest.mark.parametrize(("given", "kind"), [("memory", InMemorySaver), ("none", bool)])
def test_a_graphs_own_checkpointer_can_be_replaced(load: Callable[..., GraphWorkflow], given: str, kind: type) -> None:
    """By one in memory, or by none."""
    workflow = load("stopping", checkpointer=given)
    assert workflow.checkpointer is not None
    with workflow.checkpointer() as checkpointer:
        assert type(checkpointer) is kind
        assert own_graph(workflow, checkpointer).checkpointer is checkpointer
    assert own_graph(workflow).checkpointer is workflow.compiled.checkpointer is not checkpointer


async def test_too_few_and_too_many_resume_values(load: Callable[..., GraphWorkflow]) -> None:
    """Either is said, with what the graph asks for."""
    too_few = load("asking", input={"text": "a"}, resume=("one",))
    graph = asking.compile(checkpointer=InMemorySaver())
    with pytest.raises(InputError, match=r"has 1 values left where the graph waits for 2: 'first\?', 'second\?'"):
        await run_to_end(graph, too_few)
    too_many = load("asking", input={"text": "a"}, resume=("one", "two", "three"))
    with pytest.raises(InputError, match=r"1 more values than interrupts: \['three'\]"):
        await run_to_end(graph, too_many)


async def test_breakpoints_are_passed(load: Callable[..., GraphWorkflow]) -> None:
    """A breakpoint asks for nothing, so any value goes on."""
    workflow = load("stopping", input={"text": "a"}, resume=("go on",))
    assert workflow.checkpointer is None
    assert (await run_to_end(workflow.compiled, workflow))["log"] == ["a nobody"]


@pytest.mark.parametrize("name", ["synchronous", "refusing"])
async def test_synchronous_savers_are_used_synchronously(load: Callable[..., GraphWorkflow], name: str) -> None:
    """LangGraph refuses to run them asynchronously."""
    workflow = load(name, input={"text": "a"}, resume=("yes",))
    assert (await run_to_end(workflow.compiled, workflow))["log"] == ["a nobody", "second: yes"]
    stopping = load("synchronous_stopping", input={"text": "a"}, resume=("go on",))
    assert (await run_to_end(stopping.compiled, stopping))["log"] == ["a nobody"]


async def test_entrypoint(load: Callable[..., GraphWorkflow]) -> None:
    """A graph of the functional API has no builder."""
    workflow = load("functional", input='"why"')
    assert workflow.builder is None
    assert await run_to_end(workflow.compiled, workflow) == "why!"
    assert load("functional", input='"why"', output="anything").output_key == "anything"


async def test_declared_workflows_are_run_too() -> None:
    """The same function runs every workflow."""
    workflow = Workflow(
        name="declared", builder=simple, input={"text": "a"}, effects={}, output_key="text", input_digest=""
    )
    assert (await run_to_end(simple.compile(), workflow))["log"] == ["a nobody"]


def test_names_that_do_not_exist(load: Callable[..., GraphWorkflow]) -> None:
    """A key or a node that the graph does not have is named, with the nearest that it has."""
    with pytest.raises(InputError, match=r"workflow.output='txt': no such key; did you mean 'text'\?"):
        load("simple", output="txt")
    with pytest.raises(InputError, match=r"workflow.effects.gret: the graph has no such node; did you mean 'greet'"):
        load("simple", effects={"gret": EffectsConfig(reads=(), writes=())})
    with pytest.raises(InputError, match=r"workflow.input.txt: the graph's input has no such key"):
        load("simple", input={"txt": "a"})


def test_loaded_graph_is_held_until_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., GraphWorkflow]
) -> None:
    """What a factory opened is closed at exit."""
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    (tmp_path / "holding.py").write_text(
        "from contextlib import contextmanager\n"
        "from graphs_of_this_test import simple\n"
        "events = []\n"
        "@contextmanager\n"
        "def make():\n"
        "    events.append('opened')\n"
        "    yield simple\n"
        "    events.append('closed')\n"
    )
    reference = f"{tmp_path / 'holding.py'}:make"
    workflow = load_graph_workflow(GraphWorkflowConfig(kind="graph", ref=reference, input={"text": "a"}))
    events = sys.modules.pop("holding").events
    assert workflow.compiled.invoke({"text": "a"})["log"] == ["a nobody"]
    assert events == ["opened"]
    at_exit[0]()
    assert events == ["opened", "closed"]
