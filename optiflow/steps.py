"""One way through something, the same for threads and for event loops.

A generator says step by step what to do, and is told what came of it; `walk` and `walk_async` do it. What a generator
sets in the context holds for what is done while it does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Steps", "walk", "walk_async"]

S = TypeVar("S")
T = TypeVar("T")

Steps = Generator[S, Any, T]
"""Yields what to do next, is sent or thrown what came of it, and returns what came of all."""


def walk(steps: Steps[S, T], do: Callable[[S], Any]) -> T:
    """Do what the steps say, on this thread.

    Args:
        steps: The steps.
        do: Does one of them; what it raises is raised in the steps.

    Returns:
        What the steps return.
    """
    outcome = _Outcome()
    while not outcome.advance(steps):
        try:
            outcome = _Outcome(do(outcome.step))
        except BaseException as error:  # noqa: BLE001  it is raised in the steps, which end with it or deal with it
            outcome = _Outcome(error=error)
    result: T = outcome.result
    return result


async def walk_async(steps: Steps[S, T], do: Callable[[S], Awaitable[Any]]) -> T:
    """As `walk`, on an event loop."""
    outcome = _Outcome()
    while not outcome.advance(steps):
        try:
            outcome = _Outcome(await do(outcome.step))
        except BaseException as error:  # noqa: BLE001  it is raised in the steps, which end with it or deal with it
            outcome = _Outcome(error=error)
    result: T = outcome.result
    return result


@dataclass(slots=True)
class _Outcome:
    """What came of one step, and what comes next."""

    value: Any = None
    error: BaseException | None = None
    step: Any = None
    result: Any = None

    def advance(self, steps: Steps[Any, Any]) -> bool:
        """Tell the steps; whether that was the end of them."""
        try:
            self.step = steps.send(self.value) if self.error is None else steps.throw(self.error)
        except StopIteration as end:
            self.result = end.value
            return True
        except RuntimeError as error:
            # Python forbids generators to raise what ends them (PEP 479); functions may.
            if isinstance(self.error, StopIteration) and error.__cause__ is self.error:
                raise self.error from None
            raise
        return False
