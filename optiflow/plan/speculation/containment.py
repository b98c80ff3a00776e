"""A task that runs before anybody knows whether it will: nothing that it does comes out but by its own output."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.globals import get_llm_cache
from langchain_core.runnables.config import patch_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph._internal._constants import CONF, CONFIG_KEY_RUNTIME
from langgraph.runtime import Runtime

from optiflow.plan.dataflow.seam import NotAheadError

if TYPE_CHECKING:
    from langgraph.pregel._loop import PregelLoop
    from langgraph.types import PregelExecutableTask

    from optiflow.plan.speculation.withheld import Withheld

__all__ = ["contained", "why_not_contained"]


def why_not_contained(loop: PregelLoop) -> str | None:
    """Why nothing can be started in this run that may have to be undone; None where it can."""
    if get_llm_cache() is not None:
        return "LangChain's cache of answers would keep those of a branch that is not taken"
    for handler in getattr(loop.manager, "handlers", ()):
        # Those of LangGraph's own streams only listen to events; others are handed the output itself as it comes.
        if isinstance(handler, _StreamingCallbackHandler) and not type(handler).__module__.startswith("langgraph."):
            return f"a {type(handler).__name__} sees output as it comes"
        if handler.raise_error:
            return f"a {type(handler).__name__} may raise into the node"
    return None


def contained(task: PregelExecutableTask, output: Withheld) -> PregelExecutableTask:
    """The same task with its output withheld: events of callbacks are billed, the stream and the store out of reach.

    Args:
        task: The task as LangGraph prepared it.
        output: Where everything goes.
    """
    callbacks = task.config.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        billed: Any = [*(callbacks or ()), output.bill]
    else:
        billed = callbacks.copy()
        billed.add_handler(output.bill, inherit=True)
    configurable = {}
    runtime = task.config[CONF].get(CONFIG_KEY_RUNTIME)
    if isinstance(runtime, Runtime):
        known = {field.name: getattr(runtime, field.name) for field in fields(runtime)}
        # The writer asks its context for the node that writes.
        known["stream_writer"] = lambda chunk: output.add(partial(copy_context().run, runtime.stream_writer, chunk))
        known["store"] = None if runtime.store is None else _OutOfReach()
        configurable[CONFIG_KEY_RUNTIME] = _ContainedRuntime(**known)
    return replace(task, config=patch_config(task.config, callbacks=billed, configurable=configurable))


class _ContainedRuntime(Runtime[Any]):
    def merge(self, other: Runtime[Any]) -> NoReturn:
        """A graph within the node asks for this when it starts."""
        raise NotAheadError("a graph within the node saves checkpoints and streams of its own")


class _OutOfReach:
    def __getattr__(self, name: str) -> NoReturn:
        raise NotAheadError("the store is used in the node's turn")
