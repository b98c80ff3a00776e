"""What limits did to the requests of one run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic

__all__ = ["Tally"]


class Tally:
    """Counts for one run; safe to use from any thread."""

    def __init__(self) -> None:
        # Reentrant: a garbage collection may end a request, on this very thread, while it counts.
        self._lock = threading.RLock()
        self._waiting = 0
        self._held_since = 0.0
        self._held_s = 0.0
        self._waited_s = 0.0
        self._peak_in_flight = 0
        self._counts = dict.fromkeys(
            ("requests", "refused", "resent", "client_retries", "given_up", "hedges_sent", "hedges_won"), 0
        )
        self._wasted_tokens = 0

    def count(self, name: str) -> None:
        """Count one of ``requests``, ``refused``, ``resent``, ``client_retries``, ``given_up``, ``hedges_…``."""
        with self._lock:
            self._counts[name] += 1

    def sent(self, in_flight: int) -> None:
        """Count a request sent, with which so many are in flight."""
        with self._lock:
            self._counts["requests"] += 1
            self._peak_in_flight = max(self._peak_in_flight, in_flight)

    def wasted(self, tokens: int) -> None:
        """Count the tokens of an answer that nobody needed."""
        with self._lock:
            self._wasted_tokens += tokens

    def waits(self) -> None:
        """A request begins to wait."""
        with self._lock:
            if not self._waiting:
                self._held_since = monotonic()
            self._waiting += 1

    def waited(self, seconds: float) -> None:
        """A request that waited does so no more."""
        with self._lock:
            self._waiting -= 1
            self._waited_s += seconds
            if not self._waiting:
                self._held_s += monotonic() - self._held_since

    def statistics(self) -> Mapping[str, float | int | str]:
        """The counts so far; times in seconds.

        ``limited_s`` is the time in which at least one request was held back, ``waited_s`` the sum over requests.
        """
        with self._lock:
            running = monotonic() - self._held_since if self._waiting else 0.0
            return {
                **self._counts,
                "peak_in_flight": self._peak_in_flight,
                "limited_s": self._held_s + running,
                "waited_s": self._waited_s,
                "hedge_tokens_wasted": self._wasted_tokens,
            }
