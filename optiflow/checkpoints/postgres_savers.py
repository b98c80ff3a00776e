"""LangGraph's savers for PostgreSQL, which write the same rows in fewer transactions.

As with SQLite, each shares the attributes of the user's own saver. Nothing is set in the database: a commit waits for
the disk as it always did, and there are fewer of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from optiflow.checkpoints.messages import EncodedMessages
from optiflow.checkpoints.statements import Request, encode_put, encode_writes, share
from optiflow.checkpoints.together import AsyncTogether, Outcome, Together

__all__ = ["OptimizedAsyncPostgresSaver", "OptimizedPostgresSaver"]


class OptimizedPostgresSaver(PostgresSaver):
    """A `PostgresSaver` over the attributes of another."""

    __slots__ = ("_known", "_together")

    def __init__(self, saver: PostgresSaver) -> None:
        self.__dict__ = vars(saver)
        self._known = EncodedMessages()
        self._together: Together[Request] = Together(self._write, threading.Lock())

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        result, request = encode_put(self, PostgresSaver, self._known, config, checkpoint, metadata, new_versions)
        self._together.submit(request)
        return result

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Save the pending writes of a task."""
        self._together.submit(encode_writes(self, PostgresSaver, config, writes, task_id, task_path))

    def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        started = perf_counter()
        outcomes, commits = self._commit(requests)
        share(requests, commits, len(requests) - commits, perf_counter() - started)
        return outcomes

    def _commit(self, requests: Sequence[Request]) -> tuple[Sequence[Outcome], int]:
        try:
            with self._cursor(pipeline=True) as cursor:
                for method, statement, parameters in _statements(requests):
                    getattr(cursor, method)(statement, parameters)
        except Exception as error:  # noqa: BLE001 - handed to the request's caller
            if len(requests) == 1:
                return [error], 1
            return [outcome for request in requests for outcome in self._commit([request])[0]], len(requests)
        return [None] * len(requests), 1


class OptimizedAsyncPostgresSaver(AsyncPostgresSaver):
    """An `AsyncPostgresSaver` over the attributes of another."""

    __slots__ = ("_known", "_together")

    def __init__(self, saver: AsyncPostgresSaver) -> None:
        self.__dict__ = vars(saver)
        self._known = EncodedMessages()
        self._together: AsyncTogether[Request] = AsyncTogether(self._write, asyncio.Lock())

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        result, request = encode_put(self, PostgresSaver, self._known, config, checkpoint, metadata, new_versions)
        await self._together.submit(request)
        return result

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Save the pending writes of a task."""
        await self._together.submit(encode_writes(self, PostgresSaver, config, writes, task_id, task_path))

    async def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        started = perf_counter()
        outcomes, commits = await self._commit(requests)
        share(requests, commits, len(requests) - commits, perf_counter() - started)
        return outcomes

    async def _commit(self, requests: Sequence[Request]) -> tuple[Sequence[Outcome], int]:
        try:
            async with self._cursor(pipeline=True) as cursor:
                for method, statement, parameters in _statements(requests):
                    await getattr(cursor, method)(statement, parameters)
        except Exception as error:  # noqa: BLE001 - handed to the request's caller
            if len(requests) == 1:
                return [error], 1
            return [outcome for request in requests for outcome in (await self._commit([request]))[0]], len(requests)
        return [None] * len(requests), 1


def _statements(requests: Sequence[Request]) -> list[tuple[str, Any, Any]]:
    return [statement for request in requests for statement in request.statements]
