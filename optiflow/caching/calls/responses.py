"""Answers kept for later runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from optiflow.caching.calls.parts import Part, decode, encode, messages_of
from optiflow.caching.calls.request import Request
from optiflow.caching.calls.statistics import CallStatistics
from optiflow.caching.encoding import CorruptError, UncacheableError
from optiflow.caching.entry import sealed, unsealed

__all__ = ["NAMESPACE", "ResponseStore", "Responses"]

NAMESPACE = "model_calls"
"""Where in a store the answers are."""


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


class Responses:
    """Answers by key; under None nothing is ever kept.

    Args:
        store: Where they are kept; None: nowhere.
        statistics: Where hits and misses are counted.
    """

    def __init__(self, store: ResponseStore | None, statistics: CallStatistics) -> None:
        self._store = store
        self._statistics = statistics

    @property
    def keeps(self) -> bool:
        """Whether anything is kept."""
        return self._store is not None

    def get(self, key: str | None, request: Request) -> list[Part] | None:
        """The answer to a request, without message ids; None where none is kept, or what is there is damaged."""
        if self._store is None or key is None:
            return None
        answer = self._read(self._store.get(NAMESPACE, key), key)
        if answer is None:
            self._statistics.count_miss()
        else:
            self._statistics.count_hit(request.model_name, messages_of(answer))
        return answer

    def put(self, key: str | None, answer: Sequence[Part]) -> None:
        """Keep an answer; one that holds what can't be kept is not kept."""
        if self._store is None or key is None:
            return
        try:
            payload = encode(answer)
        except UncacheableError:
            return
        self._store.put(NAMESPACE, key, sealed(payload, key))

    async def get_async(self, key: str | None, request: Request) -> list[Part] | None:
        """As `get`, without keeping an event loop waiting."""
        if self._waits(key):
            return await asyncio.to_thread(self.get, key, request)
        return self.get(key, request)

    async def put_async(self, key: str | None, answer: Sequence[Part]) -> None:
        """As `put`, without keeping an event loop waiting."""
        if self._waits(key):
            await asyncio.to_thread(self.put, key, answer)
        else:
            self.put(key, answer)

    def _waits(self, key: str | None) -> bool:
        return key is not None and self._store is not None and not self._store.in_process

    @staticmethod
    def _read(entry: bytes | None, key: str) -> list[Part] | None:
        payload = None if entry is None else unsealed(entry, key)
        if payload is None:
            return None
        try:
            return decode(payload)
        except CorruptError:
            return None
