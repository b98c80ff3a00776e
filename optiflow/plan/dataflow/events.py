"""Holds back an event for callback handlers, as it was, or finds that it can't be held back."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from langchain_core.globals import get_llm_cache
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from optiflow.monitor.run_observer import RunObserver
from optiflow.plan.dataflow.snapshot import snapshot

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

    from optiflow.plan.dataflow.output import Output

__all__ = ["hold_event", "why_not_late"]

_OWN_STREAMS: set[type] = {
    cls
    for module in ("langgraph.pregel._messages", "langgraph.pregel._tools")
    for cls in vars(sys.modules.get(module, sys)).values()
    if isinstance(cls, type) and issubclass(cls, _StreamingCallbackHandler) and cls.__module__ == module
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
    return None


def hold_event(
    output: Output,
    tell: Callable[..., Any],
    handlers: Sequence[BaseCallbackHandler],
    told: Sequence[Any],
    keywords: Mapping[str, Any],
) -> bool:
    """Keep an event for later.

    Args:
        output: Where it is kept.
        tell: LangChain's function for it.
        handlers: Whom to tell.
        told: The event's name, the condition to ignore it, and its arguments.
        keywords: Its keywords.

    Returns:
        Whether it is kept; if not, the caller tells it.

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
    for handler in others:
        _check(output, handler, told[0])
    arguments, settings = snapshot(list(told), output.early.input), snapshot(dict(keywords))
    moments = [(each, each.elapsed()) for each in others if isinstance(each, RunObserver)]
    asynchronous = inspect.iscoroutinefunction(tell)
    late = _atell_late if asynchronous else _tell_late
    return not others or output.keep(
        lambda: late(moments, tell, others, *_in_turn(output, arguments.restored(), settings.restored())),
        asynchronous=asynchronous,
        steady=len(moments) == len(others),
    )


def _check(output: Output, handler: BaseCallbackHandler, event: str) -> None:
    why = why_not_late(handler)
    if why is None and event == "on_tool_start" and type(handler) in _TOOLS:
        why = "a tool writes to a stream that its handler opens for it"
    if why is None and output.outsiders is not None and not output.outsiders.knows(handler):
        why = f"a {type(handler).__name__} may be the node's own"
    if why is not None:
        output.refuse(f"{why}: it is told in the node's turn")


def _in_turn(
    output: Output, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """What a handler is told in the node's turn: the turn's task, and the input that it was given."""
    early, turn = output.early, output.turn
    if early.input is not None:
        arguments = [turn.input if each is early.input else each for each in arguments]
    metadata = keywords.get("metadata")
    if metadata:
        renamed = {key: output.renamed(value) for key, value in metadata.items()}
        keywords = {**keywords, "metadata": renamed}
    return arguments, keywords


_Moments = Sequence[tuple[RunObserver, float]]


def _tell_late(moments: _Moments, tell: Callable[..., None], handlers: Any, told: Any, keywords: Any) -> None:
    with ExitStack() as stack:
        for observer, moment in moments:
            stack.enter_context(observer.at(moment))
        tell(handlers, *told, **keywords)


async def _atell_late(
    moments: _Moments, tell: Callable[..., Coroutine[Any, Any, None]], handlers: Any, told: Any, keywords: Any
) -> None:
    with ExitStack() as stack:
        for observer, moment in moments:
            stack.enter_context(observer.at(moment))
        await tell(handlers, *told, **keywords)
