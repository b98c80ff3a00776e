"""A part of a place that one set of toggles has for itself: arms of a comparison must not help each other."""

from __future__ import annotations

from hashlib import sha256

from optiflow.caching.backends.resilient import Resilient

__all__ = ["Partition"]


class Partition:
    """Reads and writes a place under keys of its own.

    Args:
        store: The whole place.
        name: What tells this part from others.
    """

    def __init__(self, store: Resilient, name: str) -> None:
        self._store = store
        self._name = name

    @property
    def in_process(self) -> bool:
        """Whether nothing here ever waits."""
        return self._store.in_process

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where this part has one."""
        return self._store.get(namespace, self._own(key))

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value in this part."""
        self._store.put(namespace, self._own(key), value)

    def _own(self, key: str) -> str:
        return sha256(f"{self._name} {key}".encode()).hexdigest()
