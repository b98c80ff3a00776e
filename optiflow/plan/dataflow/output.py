"""Holds back whatever early work lets out until its node's turn, so that it comes in the order of the program.

One queue for everything that anybody may observe: events of callback handlers, chunks of streams, what is printed and
what is logged, each in the order in which it happened. `optiflow.plan.dataflow.observers` brings it here.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler

from optiflow.plan.dataflow.replay import Replay
from optiflow.plan.dataflow.seam import NotAheadError

if TYPE_CHECKING:
    from optiflow.plan.dataflow.outsiders import Outsiders

__all__ = ["Names", "Output", "Witness", "held_output", "holding"]

_held: ContextVar[Output | None] = ContextVar("optiflow_held_output", default=None)


class Witness(BaseCallbackHandler, ABC):
    """A handler of OptiFlow's own, which is told of every event when it happens."""

    @abstractmethod
    def told(self, told: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Take note of an event: its name, the condition to ignore it, its arguments, and the keywords."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a task of LangGraph is called, and what it was given."""

    task_id: str = ""
    input: Any = None


@dataclass(frozen=True, slots=True)
class _Kept:
    tell: Callable[[], Any]
    asynchronous: bool
    threaded: bool
    """Whether it was told in a thread without an event loop."""
    context: Context


class Output:
    """Everything that one node's early work has let out, in its order. Safe for threads.

    Args:
        unsteady: Why the node may not tell anybody of anything ahead of its turn; None: it may.
        witness: Told of every event at once.
    """

    def __init__(self, unsteady: str | None = None, witness: Witness | None = None) -> None:
        self.unsteady = unsteady
        self.witness = witness
        self.refusal: str | None = None
        """What the work did that has to be done in the node's turn; its outcome can't be used."""
        self.early = Names()
        """The task that does the work ahead."""
        self.turn = Names()
        """The task of the node's turn, once that has come."""
        self.outsiders: Outsiders | None = None
        """Handlers that were there before the work; None: all were."""
        self.heard: dict[int, object] = {}
        """Handlers that can be told later, as far as they were asked for."""
        self.no_graph: str | None = None
        """Why no graph may run within the node ahead of its turn; None: one may."""
        self._kept: list[_Kept] = []
        self._renamed: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._base = copy_context()
        self._passed = self._dropped = False
        # What is told in a finalizer may interrupt the thread that tells something.
        self._lock = threading.RLock()

    @property
    def dropped(self) -> bool:
        """Whether nobody will want it."""
        return self._dropped

    @property
    def passed(self) -> bool:
        """Whether the node's turn has come and everything was let out."""
        return self._passed

    def renamed(self, value: Any) -> Any:
        """A text, or the texts of a tuple, with the turn's task in place of the one that did the work."""
        if isinstance(value, tuple):
            return tuple(map(self.renamed, value))
        return value.replace(self.early.task_id, self.turn.task_id) if isinstance(value, str) else value

    def renamed_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """A mapping of such texts, one and the same each time: a handler may leave something in it for the next."""
        _, renamed = self._renamed.setdefault(
            id(settings), (settings, {key: self.renamed(value) for key, value in settings.items()})
        )
        return renamed

    def begin(self) -> None:
        """The work begins in the present context."""
        self._base = copy_context()

    def drop(self) -> None:
        """Nobody will want it: forget what is kept and what is still to come."""
        with self._lock:
            self._dropped = not self._passed
            self._kept = []

    def refuse(self, reason: str) -> None:
        """Stop the work, which is about to do what can only be done in the node's turn; no more once that has come.

        Raises:
            NotAheadError: With the reason, which is kept even if the node catches everything.
        """
        with self._lock:
            if self._passed:
                return
            self.refusal = self.refusal or reason
        raise NotAheadError(reason)

    def keep(self, tell: Callable[[], Any], *, asynchronous: bool = False, steady: bool = False) -> bool:
        """Keep one piece of output for later.

        Args:
            tell: Lets it out; called once, in the node's turn, or never.
            asynchronous: Whether ``tell`` makes a coroutine.
            steady: Whether nothing that the node reads can be changed by whoever is told.

        Returns:
            Whether it is kept; if not, the turn has come, and the caller lets it out.

        Raises:
            NotAheadError: The node may tell nobody ahead of its turn.
        """
        kept = _Kept(tell, asynchronous, not _in_loop(), copy_context())
        with self._lock:
            if self._passed:
                return False
            if self._dropped:
                return True
            if self.unsteady is None or steady:
                self._kept.append(kept)
                return True
        self.refuse(self.unsteady)
        return False

    def release(self, turn: Names | None = None) -> None:
        """Let everything out, once, in a synchronous run.

        Args:
            turn: The task whose turn it is.
        """
        replay = self._replay(turn)
        for asynchronous, group in self._groups(lambda kept: kept.asynchronous):
            if not asynchronous:
                for kept in group:
                    replay.run(kept.context, kept.tell)
            elif _in_loop():
                with ThreadPoolExecutor(max_workers=1) as thread:
                    thread.submit(asyncio.run, _tell(replay, group)).result()
            else:
                asyncio.run(_tell(replay, group))

    async def arelease(self, turn: Names | None = None) -> None:
        """Let everything out, once, in an asynchronous run, each before the next.

        Args:
            turn: The task whose turn it is.
        """
        replay = self._replay(turn)
        for (asynchronous, threaded), group in self._groups(lambda kept: (kept.asynchronous, kept.threaded)):
            if asynchronous:
                await _tell(replay, group)
            elif threaded:
                # As a node that is a plain function, it must not keep the event loop waiting.
                await asyncio.get_running_loop().run_in_executor(None, _tell_all, replay, group)
            else:
                _tell_all(replay, group)

    def _replay(self, turn: Names | None) -> Replay:
        self.turn = turn or self.early
        return Replay(self._base, copy_context(), apart=(_held,))

    def _groups(self, kind: Callable[[_Kept], Any]) -> Iterator[tuple[Any, list[_Kept]]]:
        # Threads that the node has left behind may still add something while the rest is told.
        while not self._passed:
            taken = self._take()
            # All of it before anybody is told: what the node has changed is told from what a handler changes.
            for kept in taken:
                settle = getattr(kept.tell, "settle", None)
                if settle is not None:
                    settle()
            for key, group in groupby(taken, kind):
                yield key, list(group)

    def _take(self) -> list[_Kept]:
        with self._lock:
            taken, self._kept = self._kept, []
            if not taken:
                self._passed = True
                taken, self._kept = self._kept, []
            return taken


def _tell_all(replay: Replay, group: Sequence[_Kept]) -> None:
    for kept in group:
        replay.run(kept.context, kept.tell)


async def _tell(replay: Replay, group: Sequence[_Kept]) -> None:
    for kept in group:
        await replay.task(kept.context, kept.tell)


def _in_loop() -> bool:
    return asyncio._get_running_loop() is not None


def held_output() -> Output | None:
    """Where output goes in early work; None outside of it."""
    return _held.get()


@contextmanager
def holding(output: Output) -> Iterator[None]:
    """Mark the block, and whichever tasks and threads get its context, as early work with this output."""
    output.begin()
    token = _held.set(output)
    try:
        yield
    finally:
        _held.reset(token)
