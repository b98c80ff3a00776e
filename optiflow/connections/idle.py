"""Idle connections on their way from one client object to the next.

Each client keeps a pool of its own, with its own limits, waiting line and timeouts; only what lies idle changes hands.
So no client gets fewer or more connections than it asked for, and closing one closes nothing of another's.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from optiflow.offload.hooks import Hooks

__all__ = ["IDLE", "IdleConnections", "Key", "Lender", "finish"]

MOST_PER_KEY = 100
"""Idle connections of one key; what the providers' SDKs keep at most."""


class Key(NamedTuple):
    """What two connections have in common that may stand in for each other."""

    loop: asyncio.AbstractEventLoop | None
    """The event loop that the connection belongs to; None for synchronous ones."""

    shape: Hashable
    """The origin, and every setting that shaped the connection."""


class Lender(Protocol):
    """A client's own pool."""

    @staticmethod
    def is_usable(connection: Any) -> bool:
        """Whether a request can be sent on an idle connection."""

    @staticmethod
    def close_idle(connection: Any) -> None:
        """Close an idle connection at once; called where its event loop runs, if it has one."""

    def take_back(self, connection: Any) -> bool:
        """Keep an idle connection, as if it had never been lent; False where the client is closed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    connection: Any
    lender: weakref.ref[Any]
    lender_class: type[Lender]
    since: float

    def close(self) -> None:
        self.lender_class.close_idle(self.connection)

    def settle(self) -> None:
        lender = self.lender()
        if lender is None or not lender.take_back(self.connection):
            self.close()


class IdleConnections:
    """The idle connections of a process, newest used first."""

    def __init__(self) -> None:
        # Reentrant: a garbage collection may end a run, on this very thread, while a connection is lent.
        self._lock = threading.RLock()
        self._waiting: dict[Key, list[_Waiting]] = {}
        self._runs = 0
        self._abandoned: list[object] = []

    def begin(self) -> None:
        """A run begins."""
        with self._lock:
            self._runs += 1

    def end(self, *, keep: bool) -> None:
        """A run ends. With the last one the connections go back to the clients that are still open; others are closed.

        Args:
            keep: Leave them for the next run instead.
        """
        with self._lock:
            self._runs -= 1
            if self._runs or keep:
                return
            waiting, self._waiting = self._waiting, {}
        for key, connections in waiting.items():
            self._is_gone(key)
            _in_loop(key.loop, connections)

    def lend(self, key: Key, connection: Any, pool: Lender) -> bool:
        """Leave an idle connection to whoever needs one like it.

        Returns:
            False where enough of them wait already, or no run goes on whose end would settle it: the pool keeps it.
        """
        entry, first = _Waiting(connection, weakref.ref(pool), type(pool), time.monotonic()), list[_Waiting]()
        with self._lock:
            waiting = self._waiting.get(key, first)
            if len(waiting) >= MOST_PER_KEY or not self._runs:
                return False
            if waiting is first:
                if key.loop is not None:
                    _loops.hold()
                self._waiting[key] = first
            waiting.append(entry)
            return True

    def borrow(self, key: Key, pool: Lender, keep_alive_s: float) -> tuple[Any, bool]:
        """Take the connection that was idle for the shortest time; what is found dead or too old is closed.

        Args:
            key: What the connection must be like.
            pool: Who needs it.
            keep_alive_s: Seconds that it may have been idle.

        Returns:
            The connection, or None; and whether another pool left it.
        """
        while True:
            with self._lock:
                waiting = self._waiting.get(key)
                found = waiting.pop() if waiting else None
                if not waiting and self._waiting.pop(key, None) is not None:
                    self._is_gone(key)
            if found is None:
                return None, False
            if time.monotonic() - found.since < keep_alive_s and found.lender_class.is_usable(found.connection):
                return found.connection, found.lender() is not pool
            found.close()

    def take_all(self, loop: asyncio.AbstractEventLoop) -> list[Any]:
        """Everything that belongs to an event loop, to be closed by the caller."""
        with self._lock:
            keys = [key for key in self._waiting if key.loop is loop]
            found = [each.connection for key in keys for each in self._waiting.pop(key)]
        for key in keys:
            self._is_gone(key)
        return found

    def forget(self) -> None:
        """Leave everything to the parent process, after a fork: the sockets are its own, and so are the event loops."""
        self._lock = threading.RLock()
        # Not even collected as garbage: an event loop's transport would tell the selector, which is the parent's too.
        self._abandoned.append(self._waiting)
        self._waiting = {}

    @staticmethod
    def _is_gone(key: Key) -> None:
        """Nothing waits under a key any more."""
        if key.loop is not None:
            _loops.release()


def finish(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine to its end without giving way to the event loop.

    Closing an idle connection only ever gives way out of politeness; a coroutine that waits for something is abandoned.
    """
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration:
        return
    coroutine.close()


def _in_loop(loop: asyncio.AbstractEventLoop | None, connections: Sequence[_Waiting]) -> None:
    """Settle connections where they belong."""
    if loop is None or loop is _running_loop():
        for each in connections:
            each.settle()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(_settle(connections)))


async def _settle(connections: Sequence[_Waiting]) -> None:
    for each in connections:
        each.settle()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _closing_idle(plain: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``close`` of event loops: idle connections can't be closed properly any more once their loop is."""

    def close(self: Any) -> None:
        if not self.is_closed() and not self.is_running():
            connections = IDLE.take_all(self)
            if connections:
                self.run_until_complete(_close(connections))
        plain(self)

    return close


async def _close(connections: list[Any]) -> None:
    await asyncio.gather(*(connection.aclose() for connection in connections))


_loops = Hooks(
    dict.fromkeys(
        [("asyncio", "SelectorEventLoop.close"), ("asyncio", "ProactorEventLoop.close"), ("uvloop", "Loop.close")],
        _closing_idle,
    )
)
"""Held once for each key of an event loop under which something waits."""

IDLE = IdleConnections()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDLE.forget)
