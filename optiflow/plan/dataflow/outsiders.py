"""Tells handlers that were there before a node's early work from those that the work has made for itself.

A node may count its own tokens with a handler of its own, and read it at once: such a handler can't be told later.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import StdOutCallbackHandler
from langchain_core.tracers import ConsoleCallbackHandler, LangChainTracer
from langchain_core.tracers.context import _configure_hooks
from langchain_core.tracers.root_listeners import AsyncRootListenersTracer, RootListenersTracer

from optiflow.monitor.run_observer import RunObserver

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

__all__ = ["Outsiders"]

_OF_THE_ENVIRONMENT = (LangChainTracer, ConsoleCallbackHandler, StdOutCallbackHandler, RunObserver)
"""Made by LangChain itself where a setting asks for them, a new one for each call; and OptiFlow's own."""

_LISTENERS = (RootListenersTracer, AsyncRootListenersTracer)

_MOST = 5000
"""Objects that are looked at to find a handler."""

_LEAVES = (str, bytes, int, float, complex, bool, type(None), CodeType, ModuleType)
_LIBRARIES = ("builtins", "functools", "typing", "pydantic", "langchain", "langgraph", "langsmith", "optiflow")


class Outsiders:
    """The handlers that one node's early work found when it began.

    Args:
        handlers: Those of the run.
        root: The node's work, in whose objects others may be: handlers of a model, listeners of a chain.
    """

    def __init__(self, handlers: Iterable[BaseCallbackHandler] = (), root: object = None) -> None:
        self._root = root
        self._known: dict[int, object] = {}
        self._made: set[type] = set(_OF_THE_ENVIRONMENT)
        for variable, _, kind, asked_for in _configure_hooks:
            handlers = (*handlers, *filter(None, (variable.get(),)))
            if kind is not None and asked_for is not None:
                self._made.add(kind)
        self._known.update((id(handler), handler) for handler in handlers)

    def knows(self, handler: BaseCallbackHandler) -> bool:
        """Whether a handler was there before the work."""
        if id(handler) in self._known or type(handler) in self._made:
            return True
        wanted = [*_listeners(handler)] if type(handler) in _LISTENERS else [handler]
        if not _are_reachable(wanted, self._root):
            return False
        self._known[id(handler)] = handler
        return True


def _listeners(tracer: Any) -> Iterator[object]:
    for name in ("_arg_on_start", "_arg_on_end", "_arg_on_error"):
        listener = getattr(tracer, name)
        if listener is not None:
            yield listener


def _are_reachable(wanted: Iterable[object], root: object) -> bool:
    """Whether all of these can be found from an object; nothing of what is looked at is called."""
    missing = {id(each) for each in wanted}
    seen = {id(root)}
    todo = deque([root])
    while todo and missing and len(seen) < _MOST:
        for found in _found_in(todo.popleft()):
            if id(found) not in seen and not issubclass(type(found), _LEAVES):
                seen.add(id(found))
                missing.discard(id(found))
                todo.append(found)
    return not missing


def _found_in(obj: object) -> Iterator[object]:
    kind = type(obj)
    if kind is FunctionType:
        yield from _found_in_function(cast("FunctionType", obj))
    elif not issubclass(kind, type):
        yield from (each for each in gc.get_referents(obj) if not issubclass(type(each), type))
        # The application's own objects: what their methods use.
        for cls in kind.__mro__:
            if not str(vars(cls).get("__module__", "builtins")).startswith(_LIBRARIES):
                yield from vars(cls).values()


def _found_in_function(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        yield from gc.get_referents(cell)
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield vars(function)
    names = set(_names(function.__code__))
    for name in names & function.__globals__.keys():
        found = function.__globals__[name]
        yield found
        if issubclass(type(found), ModuleType):
            yield from (vars(found)[inner] for inner in names & vars(found).keys())


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
