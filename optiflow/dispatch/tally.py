"""Account of what was done lean, for the record of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Tally", "counting", "current_tally"]


@dataclass
class Tally:
    """What was counted."""

    runs_lean: int = 0
    """Runs of graphs, and of graphs within graphs, that nobody listened to."""

    runs_full: int = 0
    """Runs that somebody did listen to, which are LangGraph's own."""

    nodes: int = 0
    """Tasks of lean runs."""

    def count_run(self, *, lean: bool) -> None:
        """Count a run of a graph."""
        if lean:
            self.runs_lean += 1
        else:
            self.runs_full += 1


_tally: ContextVar[Tally | None] = ContextVar("optiflow_dispatch_tally", default=None)


def current_tally() -> Tally | None:
    """Where to count in this context, if anywhere."""
    return _tally.get()


@contextmanager
def counting() -> Iterator[Tally]:
    """Count within the block."""
    tally = Tally()
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)
