"""Outcomes in this process's memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optiflow.caching.backends.base import Limits, NamespaceStatistics

__all__ = ["MemoryBackend", "by_namespace"]


@dataclass(slots=True)
class _Entry:
    value: bytes
    created: float
    hits: int = 0


class MemoryBackend:
    """Least recently used first out, bounded by the bytes of the values."""

    in_process = True

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one that is not too old."""
        with self._lock:
            entry = self._entries.get((namespace, key))
            if entry is None:
                return None
            if self._limits.max_age_s is not None and time.time() - entry.created > self._limits.max_age_s:
                self._drop((namespace, key))
                return None
            entry.hits += 1
            self._entries.move_to_end((namespace, key))
            return entry.value

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; one that is larger than the bound is not kept."""
        with self._lock:
            self._drop((namespace, key))
            if len(value) > self._limits.max_bytes:
                return
            self._entries[namespace, key] = _Entry(value, time.time())
            self._bytes += len(value)
            while self._bytes > self._limits.max_bytes:
                self._drop(next(iter(self._entries)))

    def delete(self, namespace: str, key: str) -> None:
        """Forget one entry, if it is there."""
        with self._lock:
            self._drop((namespace, key))

    def clear(self, namespace: str | None = None) -> int:
        """Forget a namespace, or everything."""
        with self._lock:
            gone = [at for at in self._entries if namespace is None or at[0] == namespace]
            for at in gone:
                self._drop(at)
            return len(gone)

    def statistics(self) -> Sequence[NamespaceStatistics]:
        """What is held, by namespace."""
        with self._lock:
            return by_namespace(
                (name, len(entry.value), entry.hits, entry.created) for (name, _), entry in self._entries.items()
            )

    def check(self) -> None:
        """It always answers."""

    def close(self) -> None:
        """Forget everything."""
        self.clear()

    def _drop(self, at: tuple[str, str]) -> None:
        entry = self._entries.pop(at, None)
        if entry is not None:
            self._bytes -= len(entry.value)


def by_namespace(entries: Iterable[tuple[str, int, int, float]]) -> list[NamespaceStatistics]:
    """Add up entries, given as namespace, bytes, hits and time of making."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    for namespace, size, hits, created in entries:
        found.setdefault(namespace, []).append((size, hits, created))
    now = time.time()
    return [
        NamespaceStatistics(
            namespace,
            len(each),
            sum(size for size, _, _ in each),
            sum(hits for _, hits, _ in each),
            max(0.0, now - min(created for _, _, created in each)),
        )
        for namespace, each in sorted(found.items())
    ]
