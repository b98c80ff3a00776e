"""Holds back an event for callback handlers, as it was, or finds that it can't be held back."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from langchain_core.globals import get_llm_cache
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from optiflow.monitor.run_observer import RunObserver
from optiflow.plan.dataflow.meddling import may_change_what_it_is_told
from optiflow.plan.dataflow.snapshot import snapshot

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

    from optiflow.plan.dataflow.output import Output

__all__ = ["hold_event", "why_not_late"]

_OWN_STREAMS: set[type] = {
    cls
    for module in ("langgraph.pregel._messages", "langgraph.pregel._tools")
    for cls in vars(sys.modules.get(module, sys)).values()
    # In this order: asking a protocol about a class of another module leaves an attribute in that class's bases.
    if isinstance(cls, type) and cls.__module__ == module and issubclass(cls, _StreamingCallbackHandler)
}
"""Handlers of LangGraph's that only listen, although they are marked as seeing output as it comes."""

_TOOLS: set[type] = {cls for cls in _OWN_STREAMS if cls.__module__ == "langgraph.pregel._tools"}
"""Those that lend a tool the stream while it works."""

_REQUESTS = ("on_chat_model_start", "on_llm_start")


def why_not_late(handler: BaseCallbackHandler) -> str | None:
    """Why a handler has to be told of things when they happen; None where it need not."""
    if handler.raise_error:
        return f"a {type(handler).__name__} may raise into the node"
    if isinstance(handler, _StreamingCallbackHandler) and type(handler) not in _OWN_STREAMS:
        return f"a {type(handler).__name__} sees output as it comes"
    if may_change_what_it_is_told(handler):
        return f"a {type(handler).__name__} may change what it is told of"
    return None


def hold_event(
    output: Output,
    tell: Callable[..., Any],
    handlers: Sequence[BaseCallbackHandler],
    told: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Callable[[], Any] | None:
    """Keep an event for later.

    Args:
        output: Where it is kept.
        tell: LangChain's function for it.
        handlers: Whom to tell.
        told: The event's name, the condition to ignore it, and its arguments.
        keywords: Its keywords.

    Returns:
        None if it is kept; if the node's turn has come, what tells it, which the caller does at once.

    Raises:
        NotAheadError: The work is not wanted any more, or somebody has to be told when it happens.
    """
    others = [handler for handler in handlers if handler is not output.witness]
    if output.witness is not None:
        output.witness.told(told, keywords)
    if output.dropped:
        output.refuse("nobody waits for it any more")
    if told[0] in _REQUESTS and get_llm_cache() is not None:
        output.refuse("LangChain's cache of answers is asked and filled in the node's turn")
    if not output.passed:
        for handler in others:
            if id(handler) not in output.heard or told[0] == "on_tool_start":
                _check(output, handler, told[0])
                output.heard[id(handler)] = handler
    event = _Event(output, tell, others, told, keywords)
    if not others or output.keep(event, asynchronous=event.asynchronous, steady=event.steady):
        return None
    event.settle()
    return event


class _Event:
    """One event, to be told in the node's turn."""

    def __init__(
        self,
        output: Output,
        tell: Callable[..., Any],
        handlers: Sequence[BaseCallbackHandler],
        told: Sequence[Any],
        keywords: Mapping[str, Any],
    ) -> None:
        self.asynchronous = inspect.iscoroutinefunction(tell)
        self._output = output
        self._tell = tell
        self._handlers = handlers
        self._moments = [(each, each.elapsed()) for each in handlers if isinstance(each, RunObserver)]
        self._was = snapshot(list(told), output.early.input), snapshot(dict(keywords))
        self._told: Sequence[Any] = ()
        self._keywords: Mapping[str, Any] = {}

    @property
    def steady(self) -> bool:
        """Whether only OptiFlow's own observer is told."""
        return len(self._moments) == len(self._handlers)

    def settle(self) -> None:
        """Give everything back that the node has changed since, and name the task of the turn and its input."""
        (told, keywords), output = (was.restored() for was in self._was), self._output
        if output.early.input is not None:
            told = [output.turn.input if each is output.early.input else each for each in told]
        if keywords.get("metadata"):
            keywords = {**keywords, "metadata": output.renamed_settings(keywords["metadata"])}
        self._told, self._keywords = told, keywords

    def __call__(self) -> Any:
        """Tell it; a coroutine, if LangChain's function makes one."""
        return (self._atell if self.asynchronous else self._tell_now)()

    def _tell_now(self) -> None:
        with ExitStack() as stack:
            for observer, moment in self._moments:
                stack.enter_context(observer.at(moment))
            self._tell(self._handlers, *self._told, **self._keywords)

    async def _atell(self) -> None:
        with ExitStack() as stack:
            for observer, moment in self._moments:
                stack.enter_context(observer.at(moment))
            await self._tell(self._handlers, *self._told, **self._keywords)


def _check(output: Output, handler: BaseCallbackHandler, event: str) -> None:
    why = why_not_late(handler)
    if why is None and event == "on_tool_start" and type(handler) in _TOOLS:
        why = "a tool writes to a stream that its handler opens for it"
    if why is None and output.outsiders is not None and not output.outsiders.knows(handler):
        why = f"a {type(handler).__name__} may be the node's own"
    if why is not None:
        output.refuse(f"{why}: it is told in the node's turn")
