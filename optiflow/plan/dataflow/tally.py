"""What came of work that was started ahead of its turn."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Tally", "current_tally", "in_words", "tallied"]


class Tally:
    """Counts early work: started, handed over, done again by the kind of guard that failed, and in vain."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = self._used = 0
        self._redone: Counter[str] = Counter()
        self._held_off: Counter[str] = Counter()

    def started(self) -> None:
        """Work has started ahead of its turn."""
        with self._lock:
            self._started += 1

    def used(self) -> None:
        """Its outcome was handed over."""
        with self._lock:
            self._used += 1

    def redone(self, kind: str) -> None:
        """A guard failed in the node's turn, so that the node ran again."""
        with self._lock:
            self._redone[kind] += 1

    def held_off(self, kind: str) -> None:
        """A guard failed before the start, so that the node waits for its turn."""
        with self._lock:
            self._held_off[kind] += 1

    def statistics(self) -> Mapping[str, int]:
        """The figures; work that was neither used nor done again was in vain, or still goes on."""
        with self._lock:
            redone = sum(self._redone.values())
            return {
                "started_early": self._started,
                "handed_over": self._used,
                "redone": redone,
                "wasted": self._started - self._used - redone,
                **{f"redone_{kind}": times for kind, times in sorted(self._redone.items())},
                **{f"held_off_{kind}": times for kind, times in sorted(self._held_off.items())},
            }


def in_words(figures: Mapping[str, int]) -> str:
    """Figures of early work for a person.

    Args:
        figures: As `Tally.statistics` has them.
    """
    parts = [
        f"started early {figures['started_early']}",
        f"handed over {figures['handed_over']}",
        f"done again {figures['redone']}{_by_kind(figures, 'redone_')}",
        f"in vain {figures['wasted']}",
    ]
    held_off = _by_kind(figures, "held_off_")
    return " · ".join(parts) + (f" · kept in their turn{held_off}" if held_off else "")


def _by_kind(figures: Mapping[str, int], prefix: str) -> str:
    kinds = {name.removeprefix(prefix): times for name, times in figures.items() if name.startswith(prefix)}
    return f" ({', '.join(f'{kind} {times}' for kind, times in sorted(kinds.items()))})" if kinds else ""


_current: ContextVar[Tally | None] = ContextVar("optiflow_early_work_tally", default=None)


def current_tally() -> Tally | None:
    """The tally of the run around, where one is kept."""
    return _current.get()


@contextmanager
def tallied() -> Iterator[Tally]:
    """Keep one tally for the run in the block and the graphs in it."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)
