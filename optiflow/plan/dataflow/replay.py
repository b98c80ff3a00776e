"""Tells of something later, as if it happened now where it happened then: with the context variables of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextvars import Context, ContextVar
from typing import Any

__all__ = ["Replay"]

_ABSENT = object()


class Replay:
    """One context for everything that is told of one piece of work.

    It is the context of the node's turn, with the variables that the work itself had set when each thing happened. So
    a handler sees what the node has bound, and finds again what it has set itself.

    Args:
        base: The context in which the work began.
        turn: A copy of the context of the node's turn, in which everything is told.
        apart: Variables that stay as they are in the turn.
    """

    def __init__(self, base: Context, turn: Context, apart: Collection[ContextVar[Any]] = ()) -> None:
        self._base = base
        self._context = turn
        self._turn = turn.copy()
        self._apart = frozenset(apart)
        self._last = base

    def run(self, then: Context, tell: Callable[[], object]) -> None:
        """Tell of something that happened in the context ``then``."""
        self._move(then)
        self._context.run(tell)

    def task(self, then: Context, tell: Callable[[], Coroutine[Any, Any, object]]) -> asyncio.Task[object]:
        """Tell of something that happened in the context ``then``, as a task of the running event loop."""
        self._move(then)
        return asyncio.get_running_loop().create_task(tell(), context=self._context)

    def _move(self, then: Context) -> None:
        for variable, value in then.items():
            if self._last.get(variable, _ABSENT) is value or variable in self._apart:
                continue
            if self._base.get(variable, _ABSENT) is value:
                # The work has put back what it had found, which the turn may find otherwise.
                value = self._turn.get(variable, value)
            self._context.run(variable.set, value)
        self._last = then
