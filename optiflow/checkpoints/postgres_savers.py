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

from optiflow.checkpoints.backlog import AsyncBatchSaver, Backlog, BatchSaver
from optiflow.checkpoints.extent import is_small
from optiflow.checkpoints.messages import EncodedMessages
from optiflow.checkpoints.statements import Request, encode_put, encode_writes, share, written_values
from optiflow.checkpoints.together import AsyncTogether, Outcome, Together

__all__ = ["OptimizedAsyncPostgresSaver", "OptimizedPostgresSaver"]


class OptimizedPostgresSaver(BatchSaver, PostgresSaver):
    """A `PostgresSaver` over the attributes of another."""

    __slots__ = ("_known", "_together", "backlogs")

    def __init__(self, saver: PostgresSaver) -> None:
        self.__dict__ = vars(saver)
        self._known = EncodedMessages()
        self._together: Together[Request] = Together(self._write, threading.Lock())
        self.backlogs: set[Backlog] = set()

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        result, request = self._encode_put(config, checkpoint, metadata, new_versions)
        self._together.submit(request)
        return result

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Save the pending writes of a task."""
        self._together.submit(self._encode_writes(config, writes, task_id, task_path))

    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        return encode_writes(self, PostgresSaver, config, writes, task_id, task_path)

    def write_all(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Write requests, with what others have to write at the same time."""
        return self._together.submit_all(requests)

    def _encode_put(self, *given: Any) -> tuple[Any, Request]:
        return encode_put(self, PostgresSaver, self._known, *given)

    def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        started = perf_counter()
        outcomes, commits = self._commit(requests)
        share(requests, commits, len(requests) - commits, perf_counter() - started)
        return outcomes

    def _commit(self, requests: Sequence[Request]) -> tuple[Sequence[Outcome], int]:
        if _fit_together(requests) and self._commit_together(requests) is None:
            return [None] * len(requests), 1
        alone = [each.ended(each.refused or self._commit_together([each])) for each in requests]
        return alone, len(requests)

    def _commit_together(self, requests: Sequence[Request]) -> Outcome:
        try:
            with self._cursor(pipeline=True) as cursor:
                for method, statement, parameters in _statements(requests):
                    getattr(cursor, method)(statement, parameters)
        except Exception as error:  # noqa: BLE001 - handed to the request's caller
            return error
        return None


class OptimizedAsyncPostgresSaver(AsyncBatchSaver, AsyncPostgresSaver):
    """An `AsyncPostgresSaver` over the attributes of another."""

    __slots__ = ("_known", "runs", "together")

    encodes_in_threads = True

    def __init__(self, saver: AsyncPostgresSaver) -> None:
        self.__dict__ = vars(saver)
        self._known = EncodedMessages()
        self.together: AsyncTogether[Request] = AsyncTogether(self._write, asyncio.Lock())
        self.runs: set[object] = set()

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        given = (config, checkpoint, metadata, new_versions)
        if is_small(written_values(checkpoint, new_versions)):
            result, request = self._encode_put(*given)
        else:
            result, request = await asyncio.to_thread(self._encode_put, *given)
        await self.together.submit(request)
        return result

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Save the pending writes of a task."""
        given = (config, writes, task_id, task_path)
        if is_small(writes):
            request = self._encode_writes(*given)
        else:
            request = await asyncio.to_thread(self._encode_writes, *given)
        await self.together.submit(request)

    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        return encode_writes(self, PostgresSaver, config, writes, task_id, task_path)

    def _encode_put(self, *given: Any) -> tuple[Any, Request]:
        return encode_put(self, PostgresSaver, self._known, *given)

    async def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        started = perf_counter()
        outcomes, commits = await self._commit(requests)
        share(requests, commits, len(requests) - commits, perf_counter() - started)
        return outcomes

    async def _commit(self, requests: Sequence[Request]) -> tuple[Sequence[Outcome], int]:
        if _fit_together(requests) and await self._commit_together(requests) is None:
            return [None] * len(requests), 1
        alone = [each.ended(each.refused or await self._commit_together([each])) for each in requests]
        return alone, len(requests)

    async def _commit_together(self, requests: Sequence[Request]) -> Outcome:
        try:
            async with self._cursor(pipeline=True) as cursor:
                for method, statement, parameters in _statements(requests):
                    await getattr(cursor, method)(statement, parameters)
        except Exception as error:  # noqa: BLE001 - handed to the request's caller
            return error
        return None


def _fit_together(requests: Sequence[Request]) -> bool:
    return len(requests) > 1 and not any(request.refused for request in requests)


def _statements(requests: Sequence[Request]) -> list[tuple[str, Any, Any]]:
    return [statement for request in requests for statement in request.statements]
