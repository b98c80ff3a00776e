"""Replaces what Python, LangChain and LangGraph tell others through, for as long as there is early work.

Outside of early work they do what they did: early work is known by a context variable, which its threads and tasks
inherit. When the last early work of the process has ended, everything is as it was before the first.

Text is rendered when it is printed, a log record when it is made: only the writing waits.
"""

from __future__ import annotations

import inspect
import io
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any

from langchain_core.callbacks import manager

from optiflow.offload.hooks import Hooks
from optiflow.plan.dataflow.events import hold_event
from optiflow.plan.dataflow.output import Output, held_output, holding

__all__ = ["OBSERVERS", "HeldStream", "hold_output", "is_known_langchain"]

_PARAMETERS = ("handlers", "event_name", "ignore_condition_name", "args", "kwargs")
"""Of LangChain's functions for events."""


def is_known_langchain() -> bool:
    """Whether the events of the LangChain that is installed can be held back."""
    functions = (getattr(manager, name, None) for name in ("handle_event", "ahandle_event"))
    return all(each is not None and _parameters(each) == _PARAMETERS for each in functions)


@lru_cache(maxsize=8)  # looked at for each graph, while they are the same functions for good
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


@contextmanager
def hold_output(output: Output) -> Iterator[None]:
    """Keep what the block lets out, in whichever tasks and threads it does so with this context."""
    with OBSERVERS.held(), holding(output):
        yield


def _print(write: Callable[..., None]) -> Callable[..., None]:
    def print_or_hold(*values: object, sep: Any = " ", end: Any = "\n", file: Any = None, flush: bool = False) -> None:
        output = held_output()
        name = None if output is None else _stream_name(file)
        if output is None or name is None:
            write(*values, sep=sep, end=end, file=file, flush=flush)
            return
        text = io.StringIO()
        write(*values, sep=sep, end=end, file=text)

        def write_late() -> None:
            # The stream is looked up in the node's turn, as `print` itself would then.
            write(text.getvalue(), end="", file=getattr(sys, name), flush=flush)

        if not output.keep(write_late):
            write_late()

    return print_or_hold


def _stream_name(file: object) -> str | None:
    """Name in ``sys`` of a stream that early work writes to; None for any other file."""
    if file is None:
        return "stdout"
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if file is stream or (isinstance(stream, HeldStream) and file is stream.__wrapped__):
            return name
    return None


class HeldStream:
    """One of the standard streams, which keeps what early work writes to it.

    Args:
        name: Its name in ``sys``.
        stream: The stream itself.
    """

    def __init__(self, name: str, stream: Any) -> None:
        self.__wrapped__ = stream
        self._name = name

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The stream's class, for those who ask whether it is a text stream."""
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__wrapped__)

    def write(self, text: str) -> Any:
        """Write a text, or keep it."""
        output = held_output()
        if output is None or not isinstance(text, str) or not output.keep(partial(self._late, "write", text)):
            return self.__wrapped__.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts, one after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream, or keep that in mind."""
        output = held_output()
        if output is None or not output.keep(partial(self._late, "flush")):
            self.__wrapped__.flush()

    def _late(self, method: str, *arguments: object) -> None:
        getattr(getattr(sys, self._name), method)(*arguments)


def _stream(name: str) -> Callable[[Any], Any]:
    return partial(HeldStream, name)


def _handle(handle: Callable[..., Any]) -> Callable[..., Any]:
    def handle_or_hold(self: logging.Logger, record: logging.LogRecord) -> Any:
        output = held_output()
        if output is None:
            return handle(self, record)
        _render(record)
        return None if output.keep(partial(handle, self, record)) else handle(self, record)

    return handle_or_hold


def _render(record: logging.LogRecord) -> None:
    """Render a record whose arguments may change before its turn; handlers then see no arguments."""
    values = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    if all(isinstance(value, str | int | float | None) for value in values):
        return
    # What can't be rendered is left for the handlers, whose business such errors are.
    with suppress(Exception):
        record.msg, record.args = record.getMessage(), None


def _warn(show: Callable[[Any], None]) -> Callable[[Any], None]:
    def show_or_hold(message: Any) -> None:
        output = held_output()
        if output is None or not output.keep(partial(show, message)):
            show(message)

    return show_or_hold


def _event(tell: Callable[..., None]) -> Callable[..., None]:
    def tell_or_hold(handlers: Any, *told: Any, **keywords: Any) -> None:
        output = held_output()
        if output is None:
            tell(handlers, *told, **keywords)
        elif (at_once := hold_event(output, tell, handlers, told, keywords)) is not None:
            at_once()

    return tell_or_hold


def _aevent(tell: Callable[..., Any]) -> Callable[..., Any]:
    async def tell_or_hold(handlers: Any, *told: Any, **keywords: Any) -> None:
        output = held_output()
        if output is None:
            await tell(handlers, *told, **keywords)
        elif (at_once := hold_event(output, tell, handlers, told, keywords)) is not None:
            await at_once()

    return tell_or_hold


def _in_turn_only(reason: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call_in_turn(*arguments: Any, **keywords: Any) -> Any:
            output = held_output()
            if output is not None:
                output.refuse(reason)
            return function(*arguments, **keywords)

        return call_in_turn

    return wrap


_TRACES = _in_turn_only("LangSmith is told of a run in the node's turn")

OBSERVERS = Hooks(
    {
        ("builtins", "print"): _print,
        ("sys", "stdout"): _stream("stdout"),
        ("sys", "stderr"): _stream("stderr"),
        ("logging", "Logger.handle"): _handle,
        ("warnings", "_showwarnmsg"): _warn,
        ("contextlib", "_RedirectStream.__enter__"): _in_turn_only("it redirects the output of the whole process"),
        ("langchain_core.callbacks.manager", "handle_event"): _event,
        ("langchain_core.callbacks.manager", "ahandle_event"): _aevent,
        ("langgraph.callbacks", "handle_event"): _event,
        ("langgraph.callbacks", "ahandle_event"): _aevent,
        ("langsmith.run_trees", "RunTree.post"): _TRACES,
        ("langsmith.run_trees", "RunTree.patch"): _TRACES,
    }
)
"""Where all that early work lets out comes through."""
