"""What speculation came to in a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from optiflow.plan.speculation.bill import Bill

__all__ = ["Tally", "current_tally", "tallied"]


class Tally:
    """How many branches were started early, how many of them were taken, and what the others cost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bills: dict[Bill, None] = {}
        """Of everything started and not used, oldest first."""
        self._dropped: set[Bill] = set()
        self._started = self._right = self._wrong = 0

    def started(self, bill: Bill) -> None:
        """A branch starts early."""
        with self._lock:
            self._bills[bill] = None
            self._started += 1

    def used(self, bill: Bill) -> None:
        """The branch was taken and what it did is handed over: its calls are the run's own."""
        with self._lock:
            self._bills.pop(bill, None)
            self._right += 1

    def dropped(self, bill: Bill) -> None:
        """What the branch did can't be used."""
        with self._lock:
            self._dropped.add(bill)

    def missed(self) -> None:
        """The branch that was started was not taken."""
        with self._lock:
            self._wrong += 1

    def wasted(self) -> int:
        """Tokens of what was dropped so far."""
        with self._lock:
            return sum(bill.tokens for bill in self._dropped)

    def statistics(self) -> Mapping[str, int]:
        """The figures, once the run is over: whatever was not used by then is wasted."""
        with self._lock:
            bills = list(self._bills)
            return {
                "started": self._started,
                "right": self._right,
                "wrong": self._wrong,
                "redone": self._started - self._right - self._wrong,
                "tokens_wasted": sum(bill.tokens for bill in bills),
                "calls_wasted": sum(bill.calls for bill in bills),
                "calls_cut": sum(bill.cut for bill in bills),
            }


_current: ContextVar[Tally | None] = ContextVar("optiflow_speculation_tally", default=None)


def current_tally() -> Tally:
    """The tally of the run around; a new one where nobody keeps one."""
    return _current.get() or Tally()


@contextmanager
def tallied() -> Iterator[Tally]:
    """Keep one tally for the run in the block and the graphs in it."""
    token = _current.set(Tally())
    try:
        yield current_tally()
    finally:
        _current.reset(token)
