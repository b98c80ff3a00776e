"""Who may change something while a run works: handlers of the application's, and the consumer of a stream."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langgraph.pregel._loop import PregelLoop

__all__ = ["CONSUMED", "has_onlookers", "is_heard"]

_consumed: ContextVar[bool] = ContextVar("optiflow_run_is_consumed", default=False)

CONSUMED = _consumed, True
"""The context variable, and its value, in the steps of a run whose stream somebody takes part by part."""

_KNOWN = ("langgraph.", "langchain_core.tracers.", "optiflow.")
"""Packages whose handlers change nothing that an application's node reads."""


def is_heard(loop: PregelLoop) -> bool:
    """Whether any callback handler is told of a run."""
    return bool(_handlers(loop))


def _handlers(loop: PregelLoop) -> tuple[BaseCallbackHandler, ...]:
    manager = loop.manager
    return () if manager is None else (*manager.handlers, *manager.inheritable_handlers)


def has_onlookers(loop: PregelLoop) -> bool:
    """Whether code of the application's may run while a run's nodes work, besides the nodes themselves."""
    handlers = _handlers(loop)
    return _consumed.get() or not all(type(handler).__module__.startswith(_KNOWN) for handler in handlers)
