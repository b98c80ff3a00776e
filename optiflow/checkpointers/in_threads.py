"""The asynchronous half of a synchronous checkpointer: each call on a thread of the checkpointer's own.

A connection that belongs to an event loop dies with it, blocks it when a node calls a graph synchronously, and, as a
socket that the loop watches while nothing is under way, holds virtual time. A blocking connection does none of that,
and costs the same (`docs/adr/0007-checkpointers.md`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from typing_extensions import override

__all__ = ["AsyncInThreads"]

_THREADS = 4
"""More than that wait in line: most savers let one call at a time pass anyway."""

P = ParamSpec("P")
T = TypeVar("T")


class AsyncInThreads(BaseCheckpointSaver[Any]):
    """Goes before a synchronous checkpointer among the bases of a class; `close_threads` ends it.

    It has what runs need. The methods that tend a store are left out: having one says that the saver is able to.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Made here and not when first needed: LangGraph copies checkpointers, and all copies share the threads.
        self._threads = ThreadPoolExecutor(_THREADS, "optiflow-checkpointer")

    def close_threads(self) -> None:
        """Wait for what is under way, as after an interrupt; nothing is written afterwards."""
        self._threads.shutdown(cancel_futures=True)

    async def _off_loop(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *args, **kwargs))

    @override
    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._off_loop(self.get_tuple, config)

    @override
    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        # All at once: a saver may hold its lock until the last one is fetched.
        found = await self._off_loop(lambda: list(self.list(config, filter=filter, before=before, limit=limit)))
        for each in found:
            yield each

    @override
    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._off_loop(self.put, config, checkpoint, metadata, new_versions)

    @override
    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._off_loop(self.put_writes, config, writes, task_id, task_path)

    @override
    async def adelete_thread(self, thread_id: str) -> None:
        await self._off_loop(self.delete_thread, thread_id)

    @override
    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await self._off_loop(self.get_delta_channel_history, config=config, channels=channels)
