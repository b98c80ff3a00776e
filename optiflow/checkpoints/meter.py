"""What the checkpoints of a run cost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields

__all__ = ["Meter", "active_meter", "metered"]

_active: ContextVar[Meter | None] = ContextVar("optiflow_checkpoint_meter", default=None)


@dataclass
class Meter:
    """Sums over the checkpoints of a run; savers add to it from several threads."""

    puts: int = 0
    """Checkpoints written."""

    writes: int = 0
    """Lists of pending writes written."""

    commits: int = 0
    """Transactions that they took; LangGraph takes one for each."""

    bytes: int = 0
    """Encoded bytes written. LangGraph writes the same rows, so it writes as many for the same puts."""

    bytes_reused: int = 0
    """Bytes among them that had been encoded for an earlier checkpoint."""

    syncs_saved: int = 0
    """Times that LangGraph would have waited for the disk, and this did not: of the transactions made, those that
    did not wait, and those that were not made because they joined another."""

    seconds: float = 0.0
    """Time spent encoding and writing, on whatever thread."""

    _amounts: deque[dict[str, float]] = field(default_factory=deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **amounts: float) -> None:
        """Add to the sums of these names.

        Nobody is waited for: who is adding may be this thread, which the collector has close a stream meanwhile.
        """
        self._amounts.append(amounts)
        if self._lock.acquire(blocking=False):
            self._sum_up()

    def _sum_up(self) -> None:
        try:
            while self._amounts:
                for name, amount in self._amounts.popleft().items():
                    setattr(self, name, getattr(self, name) + amount)
        finally:
            self._lock.release()

    def statistics(self) -> dict[str, float | int | str]:
        """The sums as flat names, with milliseconds for seconds."""
        self._lock.acquire()
        self._sum_up()
        sums = {each.name: getattr(self, each.name) for each in fields(self) if not each.name.startswith("_")}
        milliseconds = 1000 * sums.pop("seconds")
        return {**{f"checkpoint_{name}": value for name, value in sums.items()}, "checkpoint_ms": milliseconds}


def active_meter() -> Meter | None:
    """The meter of the run that this context belongs to."""
    return _active.get()


@contextmanager
def metered() -> Iterator[Meter]:
    """Meter the checkpoints that are written from within the block."""
    meter = Meter()
    token = _active.set(meter)
    try:
        yield meter
    finally:
        _active.reset(token)
