"""How many requests may be in flight, learned from what a provider refuses."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["RefusedRequest", "Window"]

SETTLE_S = 0.15
"""A provider refuses at once and answers later: what was not refused for so long has been taken."""

LONGEST_SETTLE_S = 2.0

SHORTEST_HOLD_S, LONGEST_HOLD_S = 1.0, 60.0
"""How long after a refusal nothing more is tried; it doubles with each attempt in vain."""

STRIKES = 2
"""Refusals in a row of what was taken before: then it is not the number in flight that is refused."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """What was known of a request that was refused."""

    number: int
    """The how-manieth request sent it was."""

    newest: int
    """The number of the newest request sent by now."""

    level: int
    """How many were in flight, with it, when it was sent."""

    taken: int
    """How many of those that were in flight with it have not been refused."""

    newest_taken: int
    """The number of the newest request that has been taken."""

    after_s: float
    """Seconds until it was refused."""

    answer_s: float
    """Seconds that an answer usually takes."""


class Window:
    """The most requests in flight: raised in small steps while nothing is refused, lowered to what was taken.

    A refusal tells how many the provider does take: all others that are in flight. That is exact for a limit of
    requests in flight, where additive increase with multiplicative decrease (Jacobson, 1988) would idle half of
    it. Where the provider refuses what it took before, it counts something else, and the window is halved.

    Not safe for threads: the caller holds a lock. Times are seconds of any clock that never goes back.

    Args:
        initial: The first window.
        most: The largest window; None: any.
    """

    def __init__(self, initial: int, most: int | None) -> None:
        self.most = math.inf if most is None else most
        """How many there may be at most."""

        self.limit = int(min(initial, self.most))
        """How many requests may be in flight now."""

        self._sustained = 0
        self._full_since: float | None = None
        self._settle_s = SETTLE_S
        self._hold_s = 0.0
        self._hold_until = -math.inf
        self._step: int | None = None
        self._last_refused = 0
        self._strikes = 0

    def room_in_s(self, in_flight: int, now: float) -> float:
        """Seconds until one more may be sent, somebody wanting to; ``inf``: not before one of those in flight ends."""
        if in_flight < self.limit:
            return 0.0
        if self.limit >= self.most or in_flight > self.limit:
            return math.inf
        if self._full_since is None:
            self._full_since = now
        due = max(self._full_since + self._settle_s, self._hold_until)
        if now < due:
            return due - now
        self._grow()
        return 0.0

    def has_taken(self, age_s: float) -> bool:
        """Whether a request that has been in flight for so long would have been refused by now."""
        return age_s >= self._settle_s

    def refused(self, refusal: RefusedRequest, now: float) -> bool:
        """Learn from a refusal.

        Returns:
            Whether the provider refuses what it took before, so that time is what has to pass.
        """
        self._settle_s = min(max(SETTLE_S, 2 * refusal.after_s), LONGEST_SETTLE_S)
        self._full_since = None
        before = self.limit
        if refusal.number <= self._last_refused:
            # Of requests sent together several are refused: each refusal tells a little more of the same limit.
            self.limit = max(1, min(before, refusal.taken))
            self._sustained = min(self._sustained, self.limit)
            return False
        last_refused, self._last_refused = self._last_refused, refusal.newest
        known = refusal.level <= self._sustained
        self.limit = self._sustained = max(1, min(before - 1, refusal.taken))
        self._hold(in_vain=self._step == 2, shortest_s=2 * refusal.answer_s, now=now)
        if not known:
            self._strikes = 0
            return False
        self._strikes = 1 if refusal.newest_taken > last_refused else self._strikes + 1
        if self._strikes < STRIKES:
            return False
        self._strikes = 0
        self.limit = self._sustained = max(1, before // 2)
        return True

    def _hold(self, *, in_vain: bool, shortest_s: float, now: float) -> None:
        self._hold_s = 2 * self._hold_s if in_vain else max(SHORTEST_HOLD_S, shortest_s)
        self._hold_s = min(self._hold_s, LONGEST_HOLD_S)
        self._hold_until = now + self._hold_s
        self._step = 1

    def _grow(self) -> None:
        # Nothing was refused at this window. Before any refusal steps are large, after one they start small.
        self._sustained = self.limit
        step = max(1, self.limit // 5)
        if self._step is not None:
            step = min(self._step, step)
            self._step *= 2
        self.limit = int(min(self.limit + step, self.most))
        self._full_since = None
