"""Real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

__all__ = ["RealClock"]

T = TypeVar("T")


class RealClock:
    """The machine's monotonic clock and asyncio's own loop."""

    kind: Literal["real"] = "real"
    """Figures taken from this clock are real seconds."""

    def time(self) -> float:
        """Seconds of `time.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        await asyncio.sleep(seconds)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on a fresh event loop.

        Raises:
            RuntimeError: The calling thread already runs an event loop.
        """
        return asyncio.run(main)
