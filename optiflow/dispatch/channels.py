"""The channels of a run: what a step changes, without asking every channel whether it changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from langgraph._internal._constants import (
    ERROR,
    ERROR_SOURCE_NODE,
    INTERRUPT,
    NO_WRITES,
    PUSH,
    RESERVED,
    RESUME,
    RETURN,
)
from langgraph._internal._typing import EMPTY_SEQ
from langgraph.channels.base import BaseChannel
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.checkpoint.base import writes_sort_key
from langgraph.pregel._algo import apply_writes, local_read, task_path_str
from langgraph.pregel._io import read_channels
from langgraph.pregel._log import logger

__all__ = ["STEADY", "Channels", "apply", "reader"]

STEADY = frozenset({LastValue, BinaryOperatorAggregate})
"""Channels that change only by a write, and keep the value that they once have."""

_TOLD = frozenset({NO_WRITES, PUSH, RESUME, INTERRUPT, RETURN, ERROR, ERROR_SOURCE_NODE})
"""Writes that are no channel's."""

AnyChannel = BaseChannel[Any, Any, Any]


class Channels(dict[str, AnyChannel]):
    """A run's channels by key, with account of those that may change in a step without being written to.

    Args:
        channels: LangGraph's own; they change only through `apply` from here on.
        versions: The version of each channel in the checkpoint.
    """

    def __init__(self, channels: Mapping[str, AnyChannel], versions: Mapping[str, Any]) -> None:
        super().__init__(channels)
        self._order = {key: at for at, key in enumerate(channels)}
        self._passing = {key for key, channel in channels.items() if type(channel) not in STEADY}
        self._always = {key for key in self._passing if type(channels[key]) is not EphemeralValue}
        self._available = {key for key in self._passing - self._always if channels[key].is_available()}
        self.finishing = [key for key, channel in channels.items() if type(channel).finish is not BaseChannel.finish]
        self.highest = max(versions.values()) if versions else None
        self._values: dict[tuple[str, ...], dict[str, Any] | None] = {}
        self._unsteady: set[tuple[str, ...]] = set()

    def passing(self) -> list[str]:
        """Keys that a step may change though nobody writes to them, in the order of the channels."""
        return sorted(self._always | self._available, key=self._order.__getitem__)

    def changed(self, key: str) -> None:
        """Take note of a change, which is to be told before anybody reads."""
        if key in self._passing:
            if key not in self._always:
                (self._available.add if self[key].is_available() else self._available.discard)(key)
            return
        for keys, values in self._values.items():
            if values is None:
                continue
            if key in values:
                values[key] = self[key].get()
            elif key in keys:
                # A value that is new belongs in its place, not at the end.
                self._values[keys] = None

    def read(self, keys: tuple[str, ...]) -> dict[str, Any] | None:
        """The values of those of the keys that have one, in their order, or None where that is to be asked each time.

        Args:
            keys: Keys of channels.
        """
        values = self._values.get(keys)
        if values is None:
            if keys in self._unsteady:
                return None
            if any(type(self.get(key)) not in STEADY for key in keys):
                self._unsteady.add(keys)
                return None
            values = read_channels(self, keys)
            self._values[keys] = values
        return values.copy()


def apply(
    checkpoint: Any,
    channels: Mapping[str, AnyChannel],
    tasks: Iterable[Any],
    get_next_version: Callable[[Any, None], Any] | None,
    trigger_to_nodes: Mapping[str, Sequence[str]],
) -> set[str]:
    """LangGraph's ``apply_writes``, at a cost that grows with what a step touches and not with the graph.

    Returns:
        Keys of the channels that were updated and have a value.
    """
    if not isinstance(channels, Channels) or get_next_version is None:
        return apply_writes(checkpoint, channels, tasks, get_next_version, trigger_to_nodes)
    tasks = [*tasks]
    if len(tasks) > 1:
        tasks.sort(key=lambda task: writes_sort_key(task_path_str(task.path)))
    versions, seen = checkpoint["channel_versions"], checkpoint["versions_seen"]
    for task in tasks:
        noted = seen.setdefault(task.name, {})
        noted.update({key: versions[key] for key in task.triggers if key in versions})
    version = get_next_version(channels.highest, None)
    updated: set[str] = set()

    def bump(key: str, *, available: bool = True) -> None:
        versions[key] = channels.highest = version
        channels.changed(key)
        if available and channels[key].is_available():
            updated.add(key)

    for key in {key for task in tasks for key in task.triggers if key not in RESERVED and key in channels}:
        if channels[key].consume():
            bump(key, available=False)
    writes: dict[str, list[Any]] = defaultdict(list)
    for task in tasks:
        for key, value in task.writes:
            if key in _TOLD:
                continue
            if key in channels:
                writes[key].append(value)
            else:
                logger.warning(f"Task {task.name} with path {task.path} wrote to unknown channel {key}, ignoring it.")
    for key, values in writes.items():
        if channels[key].update(values):
            bump(key)
    if not any(task.triggers for task in tasks):
        return updated
    for key in channels.passing():
        if key not in updated and channels[key].is_available() and channels[key].update(EMPTY_SEQ):
            bump(key)
    if not any(key in trigger_to_nodes for key in updated):
        for key in channels.finishing:
            if channels[key].finish():
                bump(key)
    return updated


def reader(scratchpad: Any, channels: Channels, managed: Any, writes: Any) -> Callable[..., Any]:
    """What routers read the state with, once their own node has written."""
    return partial(_read, scratchpad, channels, managed, writes)


def _read(scratchpad: Any, channels: Channels, managed: Any, task: Any, select: Any, fresh: bool = False) -> Any:
    values = None
    if fresh and not isinstance(select, str) and not any(key in managed for key in select):
        values = channels.read(tuple(select))
    if values is None:
        return local_read(scratchpad, channels, managed, task, select, fresh)
    written: dict[str, list[Any]] = defaultdict(list)
    for key, value in task.writes:
        written[key].append(value)
    touched = {key: channels[key].copy() for key in select if key in written}
    for key, channel in touched.items():
        channel.update(written[key])
    if touched.keys() <= values.keys():
        values.update({key: channel.get() for key, channel in touched.items()})
        return values
    return read_channels({**channels, **touched}, select)
