"""A user's graph as a workflow: found by reference, its input read and checked, and run to its end."""

from __future__ import annotations

import atexit
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.types import Checkpointer, Command, StateSnapshot

from optiflow.checkpointers import open_checkpointer
from optiflow.config.graph import GraphWorkflowConfig
from optiflow.errors import InputError, nearest_name
from optiflow.plan.effects import Effects
from optiflow.workflow.base import Workflow
from optiflow.workflow.graph_factory import open_graph
from optiflow.workflow.graph_input import check_input, read_input
from optiflow.workflow.references import parse_reference

__all__ = [
    "GraphWorkflow",
    "declared_effects",
    "load_graph_workflow",
    "open_graph_workflow",
    "resume_value",
    "run_to_end",
]

_INTERRUPT = "__interrupt__"


@dataclass(frozen=True)
class GraphWorkflow(Workflow):
    """What a run needs to know of a user's graph.

    ``builder`` is None for a graph that was not compiled from a StateGraph, such as an ``@entrypoint``;
    ``output_key`` is empty where the result is the whole final state.
    """

    compiled: Pregel[Any, Any, Any, Any] = field(kw_only=True)
    """The graph as its author compiled it, with all its settings."""

    context: Any = None
    """The run's context."""

    config: RunnableConfig = field(default_factory=RunnableConfig)
    """The run's LangGraph configuration."""

    resume: tuple[Any, ...] = ()
    """One value for each interrupt, in order."""


def load_graph_workflow(config: GraphWorkflowConfig) -> GraphWorkflow:
    """Load a user's graph; what its factory holds open is closed when the process ends.

    Raises:
        GraphReferenceError: The reference does not lead to a graph that compiles.
        InputError: The input can't be read or does not fit the graph.
    """
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(open_graph_workflow(config))


@contextmanager
def open_graph_workflow(config: GraphWorkflowConfig) -> Iterator[GraphWorkflow]:
    """Load a user's graph and hold what its factory opened for the block.

    Raises:
        GraphReferenceError: The reference does not lead to a graph that compiles.
        InputError: The input can't be read or does not fit the graph.
    """
    reference = parse_reference(config.ref)
    with open_graph(reference, config.config, config.context) as compiled:
        value = read_input(config.input)
        check_input(compiled, value)
        yield GraphWorkflow(
            name=reference.name,
            builder=cast("StateGraph[Any, Any, Any, Any]", getattr(compiled, "builder", None)),
            input=value,
            effects=declared_effects(compiled, config),
            output_key=_output_key(compiled, config.output),
            input_digest=_digest(value, config),
            checkpointer=_opener(compiled, config),
            compiled=compiled,
            context=config.context,
            config=cast("RunnableConfig", config.config or {}),
            resume=config.resume,
        )


async def run_to_end(
    graph: Pregel[Any, Any, Any, Any],
    workflow: Workflow,
    config: RunnableConfig | None = None,
    *,
    thread_id: str | None = None,
) -> Any:
    """Run a graph on a workflow's input and answer its interrupts.

    Args:
        graph: The compiled graph, optimized or not.
        workflow: Whose input, context, configuration and resume values are used.
        config: Configuration of this run, such as callbacks; goes over the workflow's own.
        thread_id: The thread that it is kept under unless a configuration names one; by default a new one.

    Returns:
        The graph's output: the final state.

    Raises:
        InputError: There are fewer resume values than interrupts, or more; or the thread that the workflow's
            configuration names was used before, where its checkpointer is lent to it for this run.
    """
    context, resume = None, cast("tuple[Any, ...]", ())
    if isinstance(workflow, GraphWorkflow):
        context, resume = workflow.context, workflow.resume
        config = merge_configs(workflow.config, config)
    config = config or {}
    asynchronous = await _runs_asynchronously(graph)
    if graph.checkpointer:
        named = "thread_id" in (config.get("configurable") or {})
        config = merge_configs({"configurable": {"thread_id": thread_id or uuid4().hex}}, config)
        if named and workflow.checkpointer is not None:
            _check_unused(await graph.aget_state(config) if asynchronous else graph.get_state(config))
    turn: Any = workflow.input
    while True:
        if asynchronous:
            output = await graph.ainvoke(turn, config, context=context)
        else:
            output = graph.invoke(turn, config, context=context)
        interrupts = output.get(_INTERRUPT, ()) if isinstance(output, Mapping) else ()
        if interrupts:
            turn, resume = Command(resume=resume_value(interrupts, resume)), resume[len(interrupts) :]
            continue
        if not resume:
            return output
        state = await graph.aget_state(config) if asynchronous else graph.get_state(config)
        if not state.next:
            raise InputError(f"workflow.resume: {len(resume)} more values than interrupts: {list(resume)!r}")
        # A breakpoint (`interrupt_before`, `interrupt_after`) asks for nothing: any value goes on.
        turn, resume = None, resume[1:]


def _check_unused(state: StateSnapshot) -> None:
    """A run that went on where another stopped could not be compared with it."""
    if state.created_at is not None:
        raise InputError(
            f"workflow.config.configurable.thread_id={state.config['configurable']['thread_id']!r}: the checkpointer "
            "has this thread already; leave it out, and each run gets a thread of its own"
        )


def resume_value(interrupts: Sequence[Any], resume: Sequence[Any]) -> dict[str, Any]:
    """The answers to pending interrupts: the first of the values, in order, each under its interrupt's id.

    Raises:
        InputError: There are fewer values than interrupts.
    """
    if len(resume) < len(interrupts):
        asked = ", ".join(repr(interrupt.value) for interrupt in interrupts)
        raise InputError(
            f"workflow.resume has {len(resume)} values left where the graph waits for {len(interrupts)}: {asked}"
        )
    return dict(zip((interrupt.id for interrupt in interrupts), resume, strict=False))


async def _runs_asynchronously(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a graph can be run asynchronously: not with a saver that has only synchronous methods.

    The saver is asked: some have asynchronous methods, only to say that they are not there.
    """
    if isinstance(graph.checkpointer, BaseCheckpointSaver):
        try:
            await graph.checkpointer.aget_tuple({"configurable": {"thread_id": uuid4().hex, "checkpoint_ns": ""}})
        except NotImplementedError:
            return False
    return True


def _opener(
    compiled: Pregel[Any, Any, Any, Any], config: GraphWorkflowConfig
) -> Callable[[], AbstractContextManager[Checkpointer]] | None:
    address = config.checkpointer
    if address is None and config.resume and compiled.checkpointer in (None, True):
        # A graph that is resumed needs one; its author may rely on LangGraph's server, which lends one.
        address = "memory"
    return None if address is None else partial(open_checkpointer, address)


def _output_key(compiled: Pregel[Any, Any, Any, Any], output: str | None) -> str:
    keys = compiled.output_channels
    if output is None or isinstance(keys, str) or output in keys:
        return output or ""
    raise InputError(f"workflow.output={output!r}: no such key; {nearest_name(output, keys)}")


def declared_effects(compiled: Pregel[Any, Any, Any, Any], config: GraphWorkflowConfig) -> dict[str, Effects]:
    """The effects of nodes that ``workflow.effects`` declares.

    Raises:
        InputError: A node that the graph does not have.
    """
    declared = config.effects or {}
    for node in declared:
        if node not in compiled.nodes:
            raise InputError(
                f"workflow.effects.{node}: the graph has no such node; {nearest_name(node, compiled.nodes)}"
            )
    return {
        node: Effects.declared(set(effects.reads), set(effects.writes), "declared in workflow.effects")
        for node, effects in declared.items()
    }


def _digest(value: Any, config: GraphWorkflowConfig) -> str:
    text = json.dumps([value, config.context, config.config, config.resume], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
