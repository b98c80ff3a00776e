"""A token bucket: so many at once, and so many a second."""

from __future__ import annotations

__all__ = ["Bucket"]


class Bucket:
    """Tells how long to wait until the next thing may be taken (ITU-T I.371, the continuous-state leaky bucket).

    What costs more than the bucket holds may be taken from a full one, which then is in debt. Not safe for
    threads: the caller holds a lock. Times are seconds of any clock that never goes back.

    Args:
        rate: How much comes in a second.
        capacity: How much it holds; it is full at first.
        now: The time.
        level: What is in it at first; None: it is full. Below 0 it is in debt.
    """

    def __init__(self, rate: float, capacity: float, now: float, level: float | None = None) -> None:
        self._rate = rate
        self._capacity = capacity
        self._level = capacity if level is None else level
        self._at = now

    @classmethod
    def per_minute(cls, number: int, now: float) -> Bucket:
        """At most ``number`` within any minute, for things of cost 1, and at most a second's worth of them at once."""
        at_once = max(1.0, number / 60)
        return cls((number + 1 - at_once) / 60, at_once, now)

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until something of this cost may be taken; 0: now."""
        self._fill(now)
        missing = min(cost, self._capacity) - self._level
        # A rounding error's worth is never waited for: no timer is that fine.
        return missing / self._rate if missing > 1e-9 * self._capacity else 0.0

    def take(self, cost: float, now: float) -> None:
        """Take something, allowed or not; a negative cost is given back."""
        self._fill(now)
        self._level = min(self._capacity, self._level - cost)

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + self._rate * (now - self._at))
        self._at = now
