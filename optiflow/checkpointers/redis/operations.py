"""What a saver does, as commands: the same for a client that blocks and one that does not.

An operation is a generator that yields batches of commands, each to be run as one transaction, is sent their
answers, and returns its result.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from optiflow.checkpointers.redis.layout import (
    Saved,
    flat,
    name,
    pack_checkpoint,
    pack_value,
    parts,
    thread_keys,
    thread_of,
    threads_pattern,
    unpack_checkpoint,
    unpack_value,
)
from optiflow.checkpointers.redis.scripts import COPY, PRUNED, READ, REMOVE

__all__ = ["Operations", "Place", "Steps"]

T = TypeVar("T")

Command: TypeAlias = tuple[Any, ...]
Steps: TypeAlias = Generator[Sequence[Command], Any, T]
"""An operation with a result of type T."""

_SCANNED = 1000
"""Keys that Redis looks at in one step while threads are searched for."""


class Place(NamedTuple):
    """Where a checkpoint is."""

    thread_id: str
    namespace: str
    checkpoint_id: str


class Operations:
    """The operations on the threads under one prefix.

    Args:
        prefix: What every key begins with.
        ttl_s: Seconds after which a thread that is no longer written expires; None: never.
    """

    def __init__(self, prefix: str, ttl_s: int | None) -> None:
        self._prefix = prefix
        self._ttl_s = ttl_s

    def put(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Steps[None]:
        """Store a checkpoint, and the values of the channels that are new in it."""
        where = config["configurable"]
        ids, checkpoints, blobs, *_ = keys = thread_keys(self._prefix, where["thread_id"])
        namespace = where.get("checkpoint_ns", "")
        values = checkpoint["channel_values"]
        whole = get_checkpoint_metadata(config, metadata)
        saved = Saved(
            parent=where.get("checkpoint_id"),
            blobs=[name(channel, version) for channel, version in checkpoint["channel_versions"].items()],
            metadata=serde.dumps_typed(whole),
            checkpoint=serde.dumps_typed({**checkpoint, "channel_values": {}}),
            run_id=whole.get("run_id"),
            delta="counters_since_delta_snapshot" in whole,
        )
        written = {name(namespace, channel, version): channel for channel, version in new_versions.items()}
        filled = [
            (blob, pack_value(serde.dumps_typed(values[channel])))
            for blob, channel in written.items()
            if channel in values
        ]
        emptied = [blob for blob, channel in written.items() if channel not in values]
        member = name(namespace, checkpoint["id"])
        batch: list[Command] = []
        if filled:
            batch.append(("HSET", blobs, *flat(filled)))
        if emptied:
            batch.append(("HDEL", blobs, *emptied))
        batch.append(("HSET", checkpoints, member, pack_checkpoint(saved)))
        batch.append(("ZADD", ids, 0, member))
        yield batch + self._renewed(keys)

    def put_writes(
        self,
        serde: SerializerProtocol,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> Steps[None]:
        """Store what a task wrote; what it wrote before stays, but for interrupts and the like, which are replaced."""
        if not writes:
            return
        where = config["configurable"]
        *_, order, stored = keys = thread_keys(self._prefix, where["thread_id"])
        at = (where.get("checkpoint_ns", ""), where["checkpoint_id"], task_id)
        batch: list[Command] = []
        members: list[str] = []
        for position, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, position)
            members.append(name(*at, index))
            packed = pack_value(serde.dumps_typed(value), channel, task_path)
            batch.append(("HSETNX" if index >= 0 else "HSET", stored, members[-1], packed))
        batch.append(("ZADD", order, *flat((0, member) for member in members)))
        yield batch + self._renewed(keys)

    def read(self, serde: SerializerProtocol, config: RunnableConfig) -> Steps[CheckpointTuple | None]:
        """The checkpoint of an id, or the newest."""
        where = config["configurable"]
        place = Place(str(where["thread_id"]), where.get("checkpoint_ns", ""), get_checkpoint_id(config) or "")
        (found,) = yield from self.read_all(serde, [place])
        return found

    def read_all(self, serde: SerializerProtocol, places: Sequence[Place]) -> Steps[list[CheckpointTuple | None]]:
        """The checkpoints at these places; None where there is none."""
        answers = yield [
            _script(READ, thread_keys(self._prefix, place.thread_id), f"{name(place.namespace)}/", _id(place))
            for place in places
        ]
        return [answer and _loaded(serde, place, answer) for place, answer in zip(places, answers, strict=True)]

    def find(self, config: RunnableConfig | None, before: RunnableConfig | None) -> Steps[list[Place]]:
        """Where the checkpoints are that a configuration is about, newest first.

        Args:
            config: Whose thread, namespace and checkpoint are meant; None: all threads.
            before: Only those older than this checkpoint.
        """
        where = config["configurable"] if config else {}
        threads = [str(where["thread_id"])] if config else (yield from self._threads())
        members = yield [("ZRANGE", thread_keys(self._prefix, thread)[0], 0, -1) for thread in threads]
        places = [
            Place(thread, *parts(member))
            for thread, of_thread in zip(threads, members, strict=True)
            for member in of_thread
        ]
        namespace, checkpoint_id = where.get("checkpoint_ns"), where.get("checkpoint_id")
        end = get_checkpoint_id(before) if before else None
        wanted = (
            place
            for place in places
            if namespace in (None, place.namespace)
            and checkpoint_id in (None, place.checkpoint_id)
            and (end is None or place.checkpoint_id < end)
        )
        return sorted(wanted, key=lambda place: place.checkpoint_id, reverse=True)

    def delete(self, thread_ids: Iterable[str]) -> Steps[None]:
        """Delete whole threads."""
        batch = [("DEL", *thread_keys(self._prefix, thread)) for thread in thread_ids]
        if batch:
            yield batch

    def delete_for_runs(self, run_ids: Sequence[str]) -> Steps[None]:
        """Delete the checkpoints of these runs, in whichever thread they are."""
        if not run_ids:
            return
        threads = yield from self._threads()
        for thread in threads:
            yield [_script(REMOVE, thread_keys(self._prefix, thread), "runs", *map(str, run_ids))]

    def keep_latest(self, thread_ids: Iterable[str]) -> Steps[None]:
        """Delete all but the newest checkpoint of each namespace.

        Raises:
            NotImplementedError: A thread keeps differences, which can't be read without those before them.
        """
        for thread in thread_ids:
            (answer,) = yield [_script(REMOVE, thread_keys(self._prefix, thread), "older")]
            if answer != PRUNED:
                raise NotImplementedError(f"keep_latest can't prune thread {thread!r}, which uses a DeltaChannel")

    def copy(self, source_thread_id: str, target_thread_id: str) -> Steps[None]:
        """Add everything of a thread to another."""
        target = thread_keys(self._prefix, target_thread_id)
        copying = _script(COPY, [*thread_keys(self._prefix, source_thread_id), *target])
        yield [copying, *self._renewed(target)]

    def _threads(self) -> Steps[list[str]]:
        """Every thread there is; Redis is searched for them, so that no list of them can be wrong."""
        threads: set[str] = set()
        cursor = 0
        while True:
            ((cursor, keys),) = yield [("SCAN", cursor, "MATCH", threads_pattern(self._prefix), "COUNT", _SCANNED)]
            threads.update(thread_of(key, self._prefix) for key in keys)
            if int(cursor) == 0:
                return sorted(threads)

    def _renewed(self, keys: Iterable[str]) -> list[Command]:
        return [] if self._ttl_s is None else [("EXPIRE", key, self._ttl_s) for key in keys]


def _script(text: str, keys: Sequence[str], *arguments: str) -> Command:
    # The whole text each time: Redis knows it by its digest, and no failover or flush can make it unknown.
    return ("EVAL", text, len(keys), *keys, *arguments)


def _id(place: Place) -> str:
    return place.checkpoint_id and name(place.checkpoint_id)


def _loaded(serde: SerializerProtocol, place: Place, answer: Sequence[Any]) -> CheckpointTuple:
    checkpoint_id, packed, blobs, names, writes = answer
    saved = unpack_checkpoint(packed)
    values = {
        parts(blob.encode())[0]: serde.loads_typed(unpack_value(value)[0])
        for blob, value in zip(saved.blobs, blobs, strict=True)
        if value is not None
    }
    pending = []
    for member, write in zip(names, writes, strict=True):
        _, _, task_id, index = parts(member)
        value, (channel, path) = unpack_value(write)
        pending.append((writes_sort_key(path, task_id, int(index)), (task_id, channel, serde.loads_typed(value))))
    pending.sort(key=lambda each: each[0])
    (found,) = parts(checkpoint_id)
    return CheckpointTuple(
        config=_config(place, found),
        checkpoint=cast("Checkpoint", {**serde.loads_typed(saved.checkpoint), "channel_values": values}),
        metadata=serde.loads_typed(saved.metadata),
        parent_config=_config(place, saved.parent) if saved.parent else None,
        pending_writes=[write for _, write in pending],
    )


def _config(place: Place, checkpoint_id: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.namespace,
            "checkpoint_id": checkpoint_id,
        }
    }
