"""When a call is slow enough to be asked a second time, and whether that may still be afforded."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil

__all__ = ["Hedging"]

REMEMBERED = 512
FEWEST = 20
LOOK_AGAIN_S = 0.5
"""How long is waited where the answers of others decide."""


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

    def due_in_s(self, age_s: float) -> float:
        """Whether a call is to be asked a second time.

        What is slow may not be known yet when a call begins, in a burst above all, and a budget that is spent grows
        again: so it is asked as long as the call is in flight.

        Args:
            age_s: How long it has been in flight, s.

        Returns:
            0: yes, and one hedge is taken from the budget; otherwise seconds after which to ask again.
        """
        if len(self._sorted) < FEWEST:
            return LOOK_AGAIN_S
        slow_s = self._sorted[ceil((1 - self._budget) * len(self._sorted)) - 1]
        if age_s < slow_s:
            return slow_s - age_s
        if self._hedges + 1 > self._budget * self._calls:
            return LOOK_AGAIN_S
        self._hedges += 1
        return 0.0

    def refund(self) -> None:
        """Give back a hedge that was never sent."""
        self._hedges -= 1
