"""Threads for early work, for which nobody waits: neither the end of a run, nor that of its event loop."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from langgraph._internal._runnable import RunnableCallable

from optiflow.plan.inference.static import is_executor

if TYPE_CHECKING:
    from langgraph.pregel._loop import PregelLoop

__all__ = ["Hold", "detached", "start_thread"]


def start_thread(loop: PregelLoop, name: str, work: Callable[[], None], at_end: Callable[[], None]) -> Future[None]:
    """Start a thread for which nobody waits when the run ends.

    Not on the run's own pool, whose few workers the nodes of the superstep need.

    Args:
        loop: The run's loop.
        name: Name for the thread.
        work: Called in the thread, with a copy of the present context.
        at_end: Called when the run ends while the thread still works.

    Returns:
        Done when the work is.
    """
    future: Future[None] = Future()
    executor = loop.submit.__self__  # type: ignore[attr-defined]
    # LangGraph cancels what it knows of and waits until it is done; the thread itself it need not wait for.
    sign = _Sign(at_end)
    executor.tasks[sign] = (True, False)
    future.add_done_callback(lambda _: executor.tasks.pop(sign, None))
    _thread(future, work, name)
    return future


class _Sign(Future[None]):
    """Tells of the end of a synchronous run by being cancelled."""

    def __init__(self, at_end: Callable[[], None]) -> None:
        super().__init__()
        self._at_end = at_end

    def cancel(self) -> bool:
        cancelled = super().cancel()
        self._at_end()
        self.set_running_or_notify_cancel()
        return cancelled


class Hold(Protocol):
    """Something that is in force while at least one holds it."""

    def hold(self) -> None:
        """Hold it; `release` is called once for this."""

    def release(self) -> None:
        """Hold it no more."""


def detached(proc: Any, held: Hold) -> Any:
    """A compiled node's work that leaves no thread of the event loop's own pool behind, for which its end would wait.

    Args:
        proc: The work. Where its node is a plain function, an asynchronous run would run that on the loop's pool.
        held: Held for as long as the function runs, which may outlive whoever waits for it.
    """
    steps = getattr(proc, "steps", ())
    node: Any = next(iter(steps), None)
    if (
        not isinstance(node, RunnableCallable)
        or node.func is None
        or not (node.afunc is None or is_executor(node.afunc))
    ):
        return proc
    node, twin = copy.copy(node), copy.copy(proc)
    node.afunc = partial(_in_thread, held, node.func)
    twin.steps = [node, *steps[1:]]
    return twin


async def _in_thread(held: Hold, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a function in a thread for which nobody waits."""
    future: Future[Any] = Future()
    held.hold()
    # Also where it is cancelled before the thread has begun.
    future.add_done_callback(lambda _: held.release())
    try:
        _thread(future, partial(function, *args, **kwargs), getattr(function, "__name__", "node"))
    except BaseException:  # no thread could be started
        future.cancel()
        raise
    return await asyncio.wrap_future(future)


def _thread(future: Future[Any], work: Callable[[], Any], name: str) -> None:
    """Run work in a thread of its own, with a copy of the present context; its outcome goes into the future."""
    context = copy_context()

    def body() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - the future carries it to whoever waits
            # An event loop can't raise it, as LangChain says of what runs in its own threads.
            future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
        else:
            future.set_result(result)

    threading.Thread(target=body, name=f"optiflow:{name}", daemon=True).start()
