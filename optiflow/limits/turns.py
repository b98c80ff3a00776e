"""Calls that begin in the same moment, one after another, so that the first is sent before the last is prepared.

A client's own work for a call takes milliseconds (5 for OpenAI's under LangChain), and an event loop does what is ready
before it looks at its sockets. Of a thousand calls that begin at once nothing would be sent for five seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from weakref import WeakKeyDictionary

__all__ = ["Turns", "my_turn"]


class Turns:
    """Lets one task begin at a time, and the event loop see to all others before the next."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def mine(self) -> None:
        """Wait for one's turn, in the order of coming; alone, it comes at once."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._next, loop)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            # Whoever was cancelled has left its place behind.
            if not turn.done():
                turn.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._is_taken = False


_lock = threading.Lock()
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def my_turn() -> None:
    """Wait for one's turn on the running event loop."""
    loop = asyncio.get_running_loop()
    with _lock:
        turns = _turns.setdefault(loop, Turns())
    await turns.mine()
