"""A cache that is away is no reason to fail: the run goes on without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from optiflow.caching.backends.base import Backend
from optiflow.errors import StoreError
from optiflow.log import get_logger

__all__ = ["Resilient"]

T = TypeVar("T")

_log = get_logger(__name__)

_PAUSE_S = 30.0
"""How long a place that failed is left alone, s: every attempt may wait for its patience to end."""


class Resilient:
    """Reads and writes as long as the place behind it works; said once by the logger when it does not.

    Args:
        backend: The place.
        pause_s: Seconds after a failure before it is asked again.
    """

    def __init__(self, backend: Backend, *, pause_s: float = _PAUSE_S) -> None:
        self.backend = backend
        self.errors = 0
        """How often the place has failed."""
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._away = False
        self._until = 0.0

    @property
    def in_process(self) -> bool:
        """Whether nothing here ever waits."""
        return self.backend.in_process

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one and the place can be read."""
        return self._try(lambda: self.backend.get(namespace, key))

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value, where the place can be written."""
        self._try(lambda: self.backend.put(namespace, key, value))

    def delete(self, namespace: str, key: str) -> None:
        """Forget one entry, where the place can be written."""
        self._try(lambda: self.backend.delete(namespace, key))

    def _try(self, action: Callable[[], T]) -> T | None:
        if self._away and time.monotonic() < self._until:
            return None
        try:
            outcome = action()
        except StoreError as error:
            self._failed(error)
            return None
        self._away = False
        return outcome

    def _failed(self, error: StoreError) -> None:
        with self._lock:
            self.errors += 1
            first, self._away = not self._away, True
            self._until = time.monotonic() + self._pause_s
        if first:
            _log.warning("the cache failed, the run goes on without it", error=str(error))
