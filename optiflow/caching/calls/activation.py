"""Makes chat models merge and keep calls while somebody wants it, in his context and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from optiflow.caching.calls.statistics import CallStatistics

__all__ = ["Merge", "ResponseStore", "activate"]

Merge = Literal["deterministic", "all", "none"]
"""Which calls may share one answer."""


class ResponseStore(Protocol):
    """What of a `Backend`, or of a `Resilient` one, is needed to keep answers."""

    @property
    def in_process(self) -> bool:
        """Whether nothing here ever waits."""
        ...

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one."""
        ...

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value."""
        ...


@contextmanager
def activate(merge: Merge, responses: ResponseStore | None = None) -> Iterator[CallStatistics]:
    """Merge and keep the calls of chat models that are made in this block and in what is started from it.

    Args:
        merge: Which calls in flight share one request with equal ones; ``deterministic``: where temperature 0 or a
            seed is in effect.
        responses: Where answers are kept for later runs; None: nowhere.
    """
    yield CallStatistics()
