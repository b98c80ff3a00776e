"""Which run is going on here, and what it got out of shared connections."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["Usage", "current", "current_usage", "use"]

current: ContextVar[Usage | None] = ContextVar("optiflow_connections", default=None)
"""The run that shares connections in this context."""


@dataclass
class Usage:
    """What one run may share, and did."""

    keep_alive_s: float
    """Seconds that a connection may have been idle before it is used again."""

    clients_built: int = 0
    """Clients and sessions that were made during the run."""

    handshakes_saved: int = 0
    """Requests that went out on a connection that another client object had left idle."""

    pools: set[Hashable] = field(default_factory=set)
    """What tells the connections apart that may stand in for each other."""

    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_client(self) -> None:
        """One more client was made."""
        with self._lock:
            self.clients_built += 1

    def count_handshake(self) -> None:
        """One more handshake was not needed."""
        with self._lock:
            self.handshakes_saved += 1


def current_usage() -> Usage | None:
    """The run that this code is part of; None outside of runs, where nothing is shared."""
    return current.get()


@contextmanager
def use(usage: Usage) -> Iterator[None]:
    """Count the block as part of a run."""
    token = current.set(usage)
    try:
        yield
    finally:
        current.reset(token)
