"""Waking threads and tasks from any thread."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["LoopBell", "ThreadBell"]


class ThreadBell:
    """Wakes a thread."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> bool:
        """Wake the thread, which is there."""
        self._rung.set()
        return True

    def clear(self) -> None:
        """Be silent until the next ring."""
        self._rung.clear()

    def wait(self, at_most_s: float) -> None:
        """Block until it rings, or for so many seconds."""
        self._rung.wait(at_most_s)


class LoopBell:
    """Wakes a task of the event loop that runs when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> bool:
        """Wake the task; False if its event loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._rung.set)
        except RuntimeError:
            return False
        return True

    def clear(self) -> None:
        """Be silent until the next ring."""
        self._rung.clear()

    async def wait(self, at_most_s: float) -> None:
        """Wait until it rings, or for so many seconds."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._rung.wait()
        except TimeoutError:
            return
