"""A task that runs ahead of its turn: nothing that it does comes out but by its own output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from langchain_core.globals import get_llm_cache
from langgraph._internal._constants import CONF, CONFIG_KEY_CHECKPOINTER, CONFIG_KEY_RUNTIME, CONFIG_KEY_STREAM
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import Runtime

from optiflow.plan.dataflow.events import why_not_late
from optiflow.plan.dataflow.output import Names, Output, held_output
from optiflow.plan.dataflow.outsiders import Outsiders

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langgraph.pregel._loop import PregelLoop
    from langgraph.types import PregelExecutableTask

__all__ = ["contained", "why_not_contained"]


def why_not_contained(loop: PregelLoop) -> str | None:
    """Why nothing can be started in this run ahead of its turn; None where it can."""
    if get_llm_cache() is not None:
        return "LangChain's cache of answers would be asked and filled out of order"
    whys = (why_not_late(handler) for handler in getattr(loop.manager, "handlers", ()))
    return next((why for why in whys if why is not None), None)


def contained(task: PregelExecutableTask, output: Output, *, undone: bool = False) -> PregelExecutableTask:
    """The same task with its output withheld.

    Args:
        task: The task as LangGraph prepared it.
        output: Where everything goes.
        undone: Whether the task may turn out not to be wanted at all, so that the store is out of reach.
    """
    output.early = Names(task.id, task.input)
    callbacks: Any = task.config.get("callbacks")
    output.outsiders = Outsiders(_handlers(callbacks), task.proc)
    if output.witness is not None:
        if callbacks is None or isinstance(callbacks, list):
            callbacks = [*(callbacks or ()), output.witness]
        else:
            callbacks = callbacks.copy()
            callbacks.add_handler(output.witness, inherit=True)
    configurable: dict[str, Any] = {}
    runtime = task.config[CONF].get(CONFIG_KEY_RUNTIME)
    if isinstance(runtime, Runtime):
        known: dict[str, Any] = {field.name: getattr(runtime, field.name) for field in fields(runtime)}
        known["stream_writer"] = _withheld(output, runtime.stream_writer)
        if undone and runtime.store is not None:
            known["store"] = _OutOfReach(output, runtime.store)
        configurable[CONFIG_KEY_RUNTIME] = _ContainedRuntime(**known)
    if undone or task.config[CONF].get(CONFIG_KEY_CHECKPOINTER):
        output.no_graph = "a graph within the node keeps what belongs to the node's turn"
    stream = task.config[CONF].get(CONFIG_KEY_STREAM)
    if stream is not None:
        # Where a graph within the node puts what it streams.
        configurable[CONFIG_KEY_STREAM] = StreamProtocol(_withheld(output, stream), stream.modes)
    # LangChain's way to patch a config forgets the run's name and adds to its metadata.
    config: Any = {**task.config, "callbacks": callbacks, CONF: {**task.config[CONF], **configurable}}
    return replace(task, config=config)


def _handlers(callbacks: Any) -> Iterable[BaseCallbackHandler]:
    if callbacks is None or isinstance(callbacks, list):
        return callbacks or ()
    return (*callbacks.handlers, *callbacks.inheritable_handlers)


def _withheld(output: Output, write: Callable[[Any], object]) -> Callable[[Any], None]:
    """The same writer, of chunks whose namespaces then name the task of the turn."""

    def write_or_hold(chunk: Any) -> None:
        def write_now() -> None:
            named = type(chunk) is tuple and len(chunk) == 3 and type(chunk[0]) is tuple
            write((output.renamed(chunk[0]), *chunk[1:]) if named else chunk)

        if held_output() is not output or not output.keep(write_now):
            write_now()

    return write_or_hold


class _ContainedRuntime(Runtime[Any]):
    def merge(self, other: Runtime[Any]) -> Runtime[Any]:
        """A graph within the node asks for this when it starts."""
        output = held_output()
        if output is not None and output.no_graph is not None:
            output.refuse(output.no_graph)
        return super().merge(other)


class _OutOfReach:
    def __init__(self, output: Output, store: Any) -> None:
        self._output = output
        self._store = store

    def __getattr__(self, name: str) -> Any:
        self._output.refuse("the store is used in the node's turn")
        return getattr(self._store, name)
