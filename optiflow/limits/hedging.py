"""When a call is slow enough to be asked a second time, and whether that may still be afforded."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil

__all__ = ["Hedging"]

REMEMBERED = 512
FEWEST = 20


class Hedging:
    """Hedged requests as Dean and Barroso describe them (The Tail at Scale, 2013), within a budget.

    The share of calls that may be asked twice also says which: with a budget of 2 % those slower than 98 % of the
    calls so far. Not safe for threads: the caller holds a lock.

    Args:
        budget: The largest share of calls that are asked twice.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._calls = 0
        self._hedges = 0

    def answered(self, seconds: float) -> None:
        """Learn how long a call took."""
        self._calls += 1
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        if len(self._recent) > REMEMBERED:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]

    def delay_s(self) -> float | None:
        """Seconds after which a call is slow; None while too few are known, or without a budget."""
        if len(self._sorted) < FEWEST:
            return None
        return self._sorted[ceil((1 - self._budget) * len(self._sorted)) - 1]

    def reserve(self) -> bool:
        """Take one hedge from the budget, if there is one left."""
        if self._hedges + 1 > self._budget * self._calls:
            return False
        self._hedges += 1
        return True

    def refund(self) -> None:
        """Give back a hedge that was never sent."""
        self._hedges -= 1
