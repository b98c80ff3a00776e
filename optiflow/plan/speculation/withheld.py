"""What a branch lets out before anybody knows whether it is taken.

Besides what it prints and logs, that is what it tells callback handlers (the run's own, its models', a tracer that
the environment asks for: every event goes through two functions of LangChain) and what it writes to the custom
stream. LangChain's functions are told once; outside of such work they do what they did.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import manager

from optiflow.monitor.run_observer import RunObserver
from optiflow.plan.dataflow.output import Output, held_output
from optiflow.plan.dataflow.seam import NotAheadError

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

    from optiflow.plan.speculation.bill import Bill

__all__ = ["Withheld", "install", "is_known_langchain"]

_PARAMETERS = ("handlers", "event_name", "ignore_condition_name", "args", "kwargs")
"""Of LangChain's functions."""

_Told = Sequence[Any]
"""What stands before the keywords of an event: its name, the condition to ignore it, its arguments."""


def is_known_langchain() -> bool:
    """Whether the events of the LangChain that is installed can be held back."""
    functions = (getattr(manager, name, None) for name in ("handle_event", "ahandle_event"))
    return all(each is not None and tuple(inspect.signature(each).parameters) == _PARAMETERS for each in functions)


class Withheld(Output):
    """Everything that one node has let out ahead of its turn, in its order.

    Args:
        bill: Told of every event at once.
    """

    def __init__(self, bill: Bill) -> None:
        super().__init__()
        self.bill = bill
        self.dropped = False
        """Nobody will want it: the work stops when it tells its next event."""
        self._renamed = ("", "")

    def rename(self, old: str, new: str) -> None:
        """The metadata of events shall name the task by this id instead of that one."""
        self._renamed = (old, new)

    def release(self) -> None:
        """Tell and write everything, once, in a synchronous run."""
        for write in self.take():
            result = write()
            if inspect.iscoroutine(result):
                # A loop may be running in this thread.
                with ThreadPoolExecutor(max_workers=1) as thread:
                    thread.submit(copy_context().run, asyncio.run, result).result()

    async def arelease(self) -> None:
        """Tell and write everything, once, each before the next."""
        for write in self.take():
            result = write()
            if inspect.iscoroutine(result):
                await result

    def add_event(
        self,
        tell: Callable[..., Any],
        handlers: Sequence[BaseCallbackHandler],
        told: _Told,
        keywords: Mapping[str, Any],
    ) -> None:
        """Keep an event.

        Args:
            tell: LangChain's function for it.
            handlers: Whom to tell.
            told: What, but for the keywords.
            keywords: The keywords.

        Raises:
            NotAheadError: The work is not wanted any more, or a handler may raise, which has to happen in the node.
        """
        self.bill.told(told, keywords)
        others = [handler for handler in handlers if handler is not self.bill]
        if self.dropped:
            raise NotAheadError("its branch is not taken")
        if any(handler.raise_error for handler in others):
            raise NotAheadError("a callback handler that may raise is told in the node's turn")
        if others:
            moments = [(each, each.elapsed()) for each in others if isinstance(each, RunObserver)]
            late = _atell_late if inspect.iscoroutinefunction(tell) else _tell_late
            self.add(lambda: late(moments, tell, others, told, self._translated(keywords)))

    def _translated(self, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata = keywords.get("metadata")
        if not metadata:
            return keywords
        renamed = {key: v.replace(*self._renamed) if isinstance(v, str) else v for key, v in metadata.items()}
        return {**keywords, "metadata": renamed}


_Moments = Sequence[tuple[RunObserver, float]]


def _tell_late(moments: _Moments, tell: Callable[..., None], handlers: Any, told: _Told, keywords: Any) -> None:
    with ExitStack() as stack:
        for observer, moment in moments:
            stack.enter_context(observer.at(moment))
        tell(handlers, *told, **keywords)


async def _atell_late(
    moments: _Moments, tell: Callable[..., Coroutine[Any, Any, None]], handlers: Any, told: _Told, keywords: Any
) -> None:
    with ExitStack() as stack:
        for observer, moment in moments:
            stack.enter_context(observer.at(moment))
        await tell(handlers, *told, **keywords)


@functools.cache
def install() -> None:
    """Teach LangChain to hold back; once per process."""
    tell, atell = manager.handle_event, manager.ahandle_event

    @functools.wraps(tell)
    def tell_or_hold(handlers: Any, *told: Any, **keywords: Any) -> None:
        output = held_output()
        if isinstance(output, Withheld):
            output.add_event(tell, handlers, told, keywords)
        else:
            tell(handlers, *told, **keywords)

    @functools.wraps(atell)
    async def atell_or_hold(handlers: Any, *told: Any, **keywords: Any) -> None:
        output = held_output()
        if isinstance(output, Withheld):
            output.add_event(atell, handlers, told, keywords)
        else:
            await atell(handlers, *told, **keywords)

    manager.handle_event = tell_or_hold
    manager.ahandle_event = atell_or_hold
