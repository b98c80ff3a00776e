"""The runnables of a node, which start and end no runs while nobody listens to them.

Each is LangGraph's own runnable and does as that does wherever a handler or a tracer is attached, where it streams
(as under ``astream_log``), or where it was not called by a graph.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from functools import cached_property
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph.graph._branch import BranchSpec
from langgraph.pregel._read import PregelNode
from langgraph.pregel._write import ChannelWrite

from optiflow.dispatch.internals import Originals
from optiflow.dispatch.managers import child, is_flat, is_idle, joined_tags, new_id

__all__ = ["LeanCallable", "LeanNode", "LeanSequence", "lean_sequence"]

_ORIGINALS = Originals((vars(RunnableSeq), ("ainvoke", "invoke")))
_ORIGINALS_OF_FUNCTIONS = Originals((vars(RunnableCallable), ("ainvoke", "invoke")))


class LeanCallable(RunnableCallable):
    """A function of the user's."""

    untraced: RunnableCallable
    """The same function, called in the context that is current."""

    @classmethod
    def of(cls, plain: RunnableCallable) -> LeanCallable:
        """A copy of LangGraph's runnable."""
        lean = cast("LeanCallable", copy.copy(plain))
        untraced = copy.copy(plain)
        untraced.trace = untraced.recurse = False
        lean.__class__ = cls
        lean.untraced = untraced
        return lean

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the function."""
        context = None if kwargs else self._context(config, CallbackManager)
        if context is None:
            return super().invoke(input, config, **kwargs)
        result = context.run(self.untraced.invoke, input, config)
        if self.recurse and isinstance(result, Runnable):
            return result.invoke(input, config)
        return result

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Call the function, in a task of its own as LangGraph does."""
        context = None if kwargs or not self.afunc else self._context(config, AsyncCallbackManager)
        if context is None:
            return await super().ainvoke(input, config, **kwargs)
        result = await asyncio.create_task(self.untraced.ainvoke(input, config), context=context)
        if self.recurse and isinstance(result, Runnable):
            return await result.ainvoke(input, config)
        return result

    def _context(self, config: RunnableConfig | None, kind: type[Any]) -> Context | None:
        """Where the function runs, with its config in place; None where LangGraph has to do it."""
        manager: Any = config.get("callbacks") if config else None
        if config is None or not is_idle(manager, kind):
            return None
        if not _ORIGINALS_OF_FUNCTIONS.intact():
            return None
        metadata = _metadata(manager, config)
        if metadata is None:
            return None
        inner: dict[str, Any] = {**config}
        # The config that the function may ask for as an argument keeps the name, as in LangGraph.
        inner.pop("run_name", None)
        inner.pop("run_id", None)
        run_id = config.pop("run_id", None) or new_id()
        tags = [*(config.get("tags") or ()), *(self.tags or ())]
        if tags:
            manager.add_tags(tags)
        inner["callbacks"] = child(kind, run_id, manager.inheritable_tags, metadata)
        return _context(cast("RunnableConfig", inner))


class LeanSequence(RunnableSeq):
    """A node: its work, and the writers that take its output."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the steps."""
        run = None if config is None or kwargs else _Run.of(config, CallbackManager)
        if run is None:
            return super().invoke(input, config, **kwargs)
        inner = run.config(1)
        output = _context(inner).run(self.steps[0].invoke, input, inner)
        for at, step in enumerate(self.steps[1:], 2):
            if type(step) is ChannelWrite:
                output = step._write(output, run.given)  # type: ignore[func-returns-value]
            else:
                output = step.invoke(output, run.config(at))
        return output

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the steps."""
        run = None if config is None or kwargs else _Run.of(config, AsyncCallbackManager)
        if run is None:
            return await super().ainvoke(input, config, **kwargs)
        inner = run.config(1)
        output = await asyncio.create_task(self.steps[0].ainvoke(input, inner), context=_context(inner))
        for at, step in enumerate(self.steps[1:], 2):
            if type(step) is ChannelWrite:
                output = step._write(output, run.given)  # type: ignore[func-returns-value]
            else:
                output = await step.ainvoke(output, run.config(at))
        return output


class _Run:
    """The run of a sequence that nobody hears of."""

    __slots__ = ("_base", "_id", "_kind", "_metadata", "_tags", "given")

    def __init__(self, given: RunnableConfig, kind: type[Any], tags: Sequence[str], metadata: dict[str, Any]) -> None:
        self.given = given
        self._kind = kind
        self._tags = tags
        self._metadata = metadata
        self._id = given.pop("run_id", None) or new_id()
        self._base: dict[str, Any] = {**given}
        self._base.pop("run_name", None)

    @classmethod
    def of(cls, config: RunnableConfig, kind: type[Any]) -> _Run | None:
        """None where LangGraph has to do it."""
        manager: Any = config.get("callbacks")
        if not is_idle(manager, kind) or not _ORIGINALS.intact():
            return None
        metadata = _metadata(manager, config)
        if metadata is None:
            return None
        tags = manager.inheritable_tags
        if own := config.get("tags"):
            tags = joined_tags(tags, own)
        return cls(config, kind, tags, metadata)

    def config(self, number: int) -> RunnableConfig:
        """What the step of that number is called with."""
        callbacks = child(self._kind, self._id, self._tags, self._metadata, f"seq:step:{number}")
        return cast("RunnableConfig", {**self._base, "callbacks": callbacks})


def _metadata(manager: Any, config: RunnableConfig) -> dict[str, Any] | None:
    """What children inherit; None where it has to be merged with care."""
    metadata = {**manager.inheritable_metadata, **(config.get("metadata") or {})}
    return metadata if is_flat(metadata) else None


def _context(config: RunnableConfig) -> Context:
    context = copy_context()
    context.run(var_child_runnable_config.set, config)
    return context


class LeanNode(PregelNode):
    """A node whose runnable is lean; put together when it is first run, as LangGraph does it."""

    @cached_property
    def node(self) -> Runnable[Any, Any] | None:
        """What LangGraph puts together of the node's work and its writers, lean."""
        plain = _plain_node(self)
        return lean_sequence(plain) or plain


_plain_node: Callable[[PregelNode], Runnable[Any, Any] | None] = vars(PregelNode)["node"].func


def lean_sequence(plain: Any) -> LeanSequence | None:
    """A node's runnable, lean; None for one that is not built as LangGraph builds them.

    Args:
        plain: What LangGraph put together of a node's work and its writers.
    """
    if type(plain) is not RunnableSeq or plain.trace_inputs is not None:
        return None
    if plain.trace_policy.process_inputs is not None or plain.trace_policy.process_outputs is not None:
        # They see every payload, traced or not.
        return None
    lean = cast("LeanSequence", copy.copy(plain))
    lean.__class__ = LeanSequence
    lean.steps = [_lean_step(step) for step in plain.steps]
    return lean


def _lean_step(step: Any) -> Any:
    if _is_traced(step):
        return LeanCallable.of(step)
    branch = getattr(getattr(step, "func", None), "__self__", None)
    if type(step) is RunnableCallable and type(branch) is BranchSpec and _is_traced(branch.path):
        lean = copy.copy(step)
        routed = branch._replace(path=LeanCallable.of(cast("RunnableCallable", branch.path)))
        lean.func, lean.afunc = routed._route, routed._aroute
        return lean
    return step


def _is_traced(step: Any) -> bool:
    return type(step) is RunnableCallable and step.trace and not step.explode_args
