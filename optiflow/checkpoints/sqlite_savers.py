"""LangGraph's savers for SQLite, which write the same rows at less cost.

Each shares the attributes of the user's own saver - the connection, the lock, the serializer - and differs from it in
its class only, so that the user's saver stays what it is and both see the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from optiflow.checkpoints.backlog import AsyncBatchSaver, Backlog, BatchSaver
from optiflow.checkpoints.busy import busy
from optiflow.checkpoints.messages import EncodedMessages
from optiflow.checkpoints.sqlite import Journal, write
from optiflow.checkpoints.sqlite_log import Log
from optiflow.checkpoints.statements import Request, encode_put, encode_writes
from optiflow.checkpoints.together import AsyncTogether, Outcome, Together

__all__ = ["OptimizedAsyncSqliteSaver", "OptimizedSqliteSaver"]


class OptimizedSqliteSaver(BatchSaver, SqliteSaver):
    """A `SqliteSaver` over the attributes of another."""

    __slots__ = ("_journal", "_known", "_log", "_together", "backlogs")

    def __init__(self, saver: SqliteSaver, journal: Journal) -> None:
        self.__dict__ = vars(saver)
        self._journal = journal
        self._known = EncodedMessages()
        self._log = Log()
        self._together: Together[Request] = Together(self._write, saver.lock)
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
        return encode_writes(self, SqliteSaver, config, writes, task_id, task_path)

    def write_all(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Write requests, with what others have to write at the same time."""
        return self._together.submit_all(requests)

    def _encode_put(self, *given: Any) -> tuple[Any, Request]:
        return encode_put(self, SqliteSaver, self._known, *given)

    def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        self.setup()
        return write(self.conn, requests, self._journal, self._log)

    def settled(self) -> None:
        """Copy the log back; whoever uses the connection just now has more to write, or does without."""
        with busy:
            if self.lock.acquire(blocking=False):
                try:
                    self._log.settled(self.conn)
                finally:
                    self.lock.release()


class OptimizedAsyncSqliteSaver(AsyncBatchSaver, AsyncSqliteSaver):
    """An `AsyncSqliteSaver` over the attributes of another: one visit to the connection's thread for all that waits."""

    __slots__ = ("_journal", "_known", "_log", "runs", "together")

    def __init__(self, saver: AsyncSqliteSaver, journal: Journal) -> None:
        self.__dict__ = vars(saver)
        self._journal = journal
        self._known = EncodedMessages()
        self._log = Log()
        self.together: AsyncTogether[Request] = AsyncTogether(self._write, saver.lock)
        self.runs: set[object] = set()

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint."""
        if not self.is_setup:
            await self.setup()
        result, request = self._encode_put(config, checkpoint, metadata, new_versions)
        await self.together.submit(request)
        return result

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Save the pending writes of a task."""
        if not self.is_setup:
            await self.setup()
        await self.together.submit(self._encode_writes(config, writes, task_id, task_path))

    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        return encode_writes(self, SqliteSaver, config, writes, task_id, task_path)

    def can_enqueue(self) -> bool:
        """Whether the tables are there."""
        return bool(self.is_setup)

    def _encode_put(self, *given: Any) -> tuple[Any, Request]:
        return encode_put(self, SqliteSaver, self._known, *given)

    async def _write(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        # aiosqlite has no public way to run several statements in one visit to its thread.
        connection: Any = self.conn
        outcomes: Sequence[Outcome] = await connection._execute(
            write, connection._conn, requests, self._journal, self._log
        )
        return outcomes

    async def settled(self) -> None:
        """Copy the log back; whoever uses the connection just now has more to write, or does without."""
        connection: Any = self.conn
        if self.lock.locked() or connection._connection is None or not connection._running:
            return
        async with self.lock:
            await connection._execute(self._log.settled, connection._conn)
