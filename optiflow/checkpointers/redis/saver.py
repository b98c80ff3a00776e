"""A checkpointer on plain Redis; `docs/adr/0007-checkpointers.md` says why it is our own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from typing import Any, Self, TypeVar

import redis
import redis.asyncio
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from redis.backoff import NoBackoff
from typing_extensions import override

from optiflow.checkpointers.redis.operations import Operations, Place, Steps

__all__ = ["RedisSaver", "blocking_client"]

PREFIX = "optiflow:checkpoints"
"""What every key begins with unless another prefix is given."""

_PAGE = 20
"""Checkpoints that are read at a time while a history is listed."""
_TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 10.0, "socket_timeout": 30.0}
"""Seconds; a URL may say otherwise."""
_RETRIES = 1
"""A connection that the server closed while it was idle is replaced; a server that is gone is not waited for."""

T = TypeVar("T")


def blocking_client(url: str) -> redis.Redis:
    """A client that connects when it is first used.

    Raises:
        ValueError: redis-py does not understand the URL.
    """
    return redis.Redis.from_url(url, retry=redis.retry.Retry(NoBackoff(), _RETRIES), **_TIMEOUTS)


class RedisSaver(BaseCheckpointSaver[str]):
    """Keeps LangGraph's checkpoints in Redis or Valkey, from version 6.0 on; no module is needed.

    Every operation is atomic. A channel's value is stored once for each of its versions, so what a step leaves alone
    is not written again. Not for Redis Cluster: all threads are found by one SCAN.

    Args:
        client: Runs the synchronous methods.
        async_client: Runs the asynchronous ones; it belongs to the event loop in which it is first used.
        prefix: What every key begins with.
        ttl_s: Seconds after which a thread that is no longer written expires; None: never.
        serde: How values become bytes; LangGraph's own by default.
    """

    def __init__(
        self,
        client: redis.Redis,
        async_client: redis.asyncio.Redis | None = None,
        *,
        prefix: str = PREFIX,
        ttl_s: int | None = None,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde)
        self._client = client
        self._async_client = async_client
        self._operations = Operations(prefix, ttl_s)

    @classmethod
    def from_url(cls, url: str, *, prefix: str = PREFIX, ttl_s: int | None = None) -> Self:
        """Make a saver with clients of its own, which connect when they are first used.

        Args:
            url: ``redis://user:password@host:6379/0``, ``rediss://…`` for TLS.
            prefix: As for the class.
            ttl_s: As for the class.

        Raises:
            ValueError: redis-py does not understand the URL.
        """
        retry = redis.asyncio.retry.Retry(NoBackoff(), _RETRIES)
        async_client = redis.asyncio.Redis.from_url(url, retry=retry, **_TIMEOUTS)
        return cls(blocking_client(url), async_client, prefix=prefix, ttl_s=ttl_s)

    def setup(self) -> None:
        """Make sure that the server answers; there is nothing to be created.

        Raises:
            redis.RedisError: It does not, or does not let us in.
        """
        self._client.ping()

    def close(self) -> None:
        """Close the synchronous client's connections."""
        self._client.close()

    async def aclose(self) -> None:
        """Close the connections of both clients."""
        self.close()
        if self._async_client is not None:
            await self._async_client.aclose()

    @override
    def get_next_version(self, current: str | int | float | None, channel: None) -> str:
        """A version above the current one; no two branches of a history ever come to the same."""
        number = int(str(current or 0).partition(".")[0]) + 1
        return f"{number:032d}.{random.random():.16f}"

    @override
    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._run(self._operations.read(self.serde, config))

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._arun(self._operations.read(self.serde, config))

    @override
    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        found = self._run(self._operations.find(config, before))
        pages = (self._run(self._operations.read_all(self.serde, page)) for page in _pages(found, filter, limit))
        return islice((each for page in pages for each in _matching(page, filter)), limit)

    @override
    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        left = float("inf") if limit is None else limit
        found = await self._arun(self._operations.find(config, before))
        for page in _pages(found, filter, limit):
            for each in _matching(await self._arun(self._operations.read_all(self.serde, page)), filter):
                if left <= 0:
                    return
                left -= 1
                yield each

    @override
    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        self._run(self._operations.put(self.serde, config, checkpoint, metadata, new_versions))
        return _stored(config, checkpoint)

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        await self._arun(self._operations.put(self.serde, config, checkpoint, metadata, new_versions))
        return _stored(config, checkpoint)

    @override
    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._run(self._operations.put_writes(self.serde, config, writes, task_id, task_path))

    @override
    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._arun(self._operations.put_writes(self.serde, config, writes, task_id, task_path))

    @override
    def delete_thread(self, thread_id: str) -> None:
        self._run(self._operations.delete([thread_id]))

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await self._arun(self._operations.delete([thread_id]))

    @override
    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._run(self._operations.delete_for_runs(run_ids))

    @override
    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self._arun(self._operations.delete_for_runs(run_ids))

    @override
    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._run(self._operations.copy(source_thread_id, target_thread_id))

    @override
    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self._arun(self._operations.copy(source_thread_id, target_thread_id))

    @override
    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._run(self._pruning(thread_ids, strategy))

    @override
    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self._arun(self._pruning(thread_ids, strategy))

    def _pruning(self, thread_ids: Sequence[str], strategy: str) -> Steps[None]:
        if strategy == "keep_latest":
            return self._operations.keep_latest(thread_ids)
        if strategy == "delete":
            return self._operations.delete(thread_ids)
        raise ValueError(f"strategy={strategy!r}: expected 'keep_latest' or 'delete'")

    def _run(self, steps: Steps[T]) -> T:
        answers = None
        try:
            while True:
                batch = steps.send(answers)
                with self._client.pipeline(transaction=len(batch) > 1) as pipeline:
                    for command in batch:
                        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                    answers = pipeline.execute()
        except StopIteration as end:
            result: T = end.value
            return result

    async def _arun(self, steps: Steps[T]) -> T:
        if self._async_client is None:
            raise RuntimeError("this RedisSaver was made without an async_client, and can't run asynchronously")
        answers = None
        try:
            while True:
                batch = steps.send(answers)
                async with self._async_client.pipeline(transaction=len(batch) > 1) as pipeline:
                    for command in batch:
                        pipeline.execute_command(*command)
                    answers = await pipeline.execute()
        except StopIteration as end:
            result: T = end.value
            return result


def _stored(config: RunnableConfig, checkpoint: Checkpoint) -> RunnableConfig:
    where = config["configurable"]
    return {
        "configurable": {
            "thread_id": where["thread_id"],
            "checkpoint_ns": where.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint["id"],
        }
    }


def _pages(found: Sequence[Place], filter: dict[str, Any] | None, limit: int | None) -> Iterator[Sequence[Place]]:
    """What is to be read, some at a time, and no more than can be asked for."""
    wanted = found if filter or limit is None else found[: max(limit, 0)]
    return (wanted[start : start + _PAGE] for start in range(0, len(wanted), _PAGE))


def _matching(page: Sequence[CheckpointTuple | None], filter: dict[str, Any] | None) -> Iterator[CheckpointTuple]:
    for each in page:
        # A checkpoint that was found a moment ago may have been deleted since.
        if each is not None and all(each.metadata.get(key) == value for key, value in (filter or {}).items()):
            yield each
