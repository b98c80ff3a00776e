"""The tasks of a step, prepared.

What is rare (a ``Send``, a cached node, a checkpoint of an older format) is left to LangGraph, task by task.
"""

from __future__ import annotations

import binascii
from collections import deque
from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from langgraph._internal._config import merge_configs
from langgraph._internal._constants import (
    CONF,
    CONFIG_KEY_CHECKPOINT_ID,
    CONFIG_KEY_CHECKPOINT_MAP,
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_READ,
    CONFIG_KEY_RESUME_MAP,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_SEND,
    CONFIG_KEY_TASK_ID,
    CONFIG_KEY_THREAD_ID,
    NS_END,
    NS_SEP,
    PREVIOUS,
    PULL,
    PUSH,
    TASKS,
)
from langgraph._internal._typing import MISSING
from langgraph.pregel._algo import (
    PregelTaskWrites,
    _proc_input,
    _scratchpad,
    _triggers,
    _xxhash_str,
    checkpoint_null_version,
    prepare_next_tasks,
    prepare_single_task,
)
from langgraph.runtime import DEFAULT_RUNTIME, ExecutionInfo, Runtime
from langgraph.types import PregelExecutableTask

from optiflow.dispatch.channels import Channels, reader
from optiflow.dispatch.managers import child, is_flat

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.pregel._loop import PregelLoop
    from langgraph.pregel._read import PregelNode

__all__ = ["Shared", "prepare"]


def prepare(loop: PregelLoop, channels: Channels, shared: Shared, kind: type[Any]) -> dict[str, PregelExecutableTask]:
    """LangGraph's ``prepare_next_tasks`` for a run that nobody listens to.

    Args:
        loop: The run's loop.
        channels: Its channels.
        shared: What its tasks have in common.
        kind: The callback manager of its tasks.

    Returns:
        The tasks of the next step by id.
    """
    if not (loop.updated_channels and loop.trigger_to_nodes) or loop.checkpoint["v"] <= 1:
        return prepare_next_tasks(
            **_arguments(loop), trigger_to_nodes=loop.trigger_to_nodes, updated_channels=loop.updated_channels
        )
    step = _Step(loop, channels, shared, kind)
    found: list[Any] = []
    sends = channels.get(TASKS)
    if sends is not None and sends.is_available():
        found += [step.by_langgraph((PUSH, at)) for at in range(len(sends.get()))]
    triggered = {name for key in loop.updated_channels for name in loop.trigger_to_nodes.get(key) or ()}
    found += [step.pulled(name) for name in sorted(triggered)]
    return {task.id: task for task in found if task is not None}


def _arguments(loop: PregelLoop) -> dict[str, Any]:
    return {
        "checkpoint": loop.checkpoint,
        "pending_writes": loop.checkpoint_pending_writes,
        "processes": loop.nodes,
        "channels": loop.channels,
        "managed": loop.managed,
        "config": loop.config,
        "step": loop.step,
        "stop": loop.stop,
        "for_execution": True,
        "store": loop.store,
        "checkpointer": loop.checkpointer,
        "manager": loop.manager,
        "retry_policy": loop.retry_policy,
        "cache_policy": loop.cache_policy,
    }


class Shared:
    """What all tasks of a run have in their configs: what LangGraph's merging leaves of the run's own config."""

    def __init__(self, config: RunnableConfig) -> None:
        self.given = config
        merged = merge_configs(config)
        self.metadata = merged.pop("metadata", {})
        self.is_flat = is_flat(self.metadata)
        self.tags: list[str] | None = merged.pop("tags", None)
        merged.pop("run_id", None)
        self.config = merged


class _Step:
    """What the tasks of one step share."""

    def __init__(self, loop: PregelLoop, channels: Channels, shared: Shared, kind: type[Any]) -> None:
        self._loop = loop
        self._channels = channels
        self._kind = kind
        self._shared = shared
        self._checkpoint_id = binascii.unhexlify(loop.checkpoint["id"].replace("-", ""))
        self._null_version = checkpoint_null_version(loop.checkpoint)
        self._inputs: dict[Any, Any] = {}
        self._configurable = loop.config[CONF]
        self._parent: str = self._configurable.get(CONFIG_KEY_CHECKPOINT_NS, "")
        runtime = self._configurable.get(CONFIG_KEY_RUNTIME, DEFAULT_RUNTIME)
        self._runtime = runtime if type(runtime) is Runtime else None

    def by_langgraph(self, path: tuple[Any, ...]) -> PregelExecutableTask | None:
        """The task of that path, as LangGraph makes it."""
        return cast(
            "PregelExecutableTask | None",
            prepare_single_task(
                path,
                None,
                checkpoint_id_bytes=self._checkpoint_id,
                checkpoint_null_version=self._null_version,
                input_cache=self._inputs,
                **_arguments(self._loop),
            ),
        )

    def pulled(self, name: str) -> PregelExecutableTask | None:
        """The task of a node that an edge may have started; None where none did."""
        loop, configurable, runtime, shared = self._loop, self._configurable, self._runtime, self._shared
        node = loop.nodes.get(name)
        if (
            node is None
            or runtime is None
            or not shared.is_flat
            or node.cache_policy
            or loop.cache_policy
            or not is_flat(node.metadata or {})
        ):
            return self.by_langgraph((PULL, name))
        checkpoint = loop.checkpoint
        if self._null_version is None or not _triggers(
            self._channels,
            checkpoint["channel_versions"],
            checkpoint["versions_seen"].get(name),
            self._null_version,
            node,
        ):
            return None
        triggers = tuple(sorted(node.triggers))
        namespace = f"{self._parent}{NS_SEP}{name}" if self._parent else name
        task_id = _xxhash_str(self._checkpoint_id, namespace, str(loop.step), name, PULL, *triggers)
        namespace = f"{namespace}{NS_END}{task_id}"
        scratchpad = _scratchpad(
            configurable.get(CONFIG_KEY_SCRATCHPAD),
            loop.checkpoint_pending_writes,
            task_id,
            namespace,
            configurable.get(CONFIG_KEY_RESUME_MAP),
            loop.step,
            loop.stop,
        )
        path = (PULL, name)
        try:
            value = self._input(node, scratchpad)
        except Exception as error:
            error.add_note(f"Before task with name '{name}' and path '{path}'")
            raise
        if value is MISSING or (work := node.node) is None:
            return None
        writes: deque[tuple[str, Any]] = deque()
        manager = loop.manager
        config: dict[str, Any] = {
            **shared.config,
            "metadata": {
                **shared.metadata,
                "langgraph_step": loop.step,
                "langgraph_node": name,
                "langgraph_triggers": triggers,
                "langgraph_path": path,
                "langgraph_checkpoint_ns": namespace,
                **(node.metadata or {}),
            },
            "run_name": name,
            "callbacks": child(
                self._kind,
                manager.run_id,  # type: ignore[union-attr]
                manager.inheritable_tags,  # type: ignore[union-attr]
                manager.inheritable_metadata,  # type: ignore[union-attr]
                f"graph:step:{loop.step}",
            ),
            CONF: {
                **configurable,
                CONFIG_KEY_TASK_ID: task_id,
                CONFIG_KEY_SEND: writes.extend,
                CONFIG_KEY_READ: reader(
                    scratchpad, self._channels, loop.managed, PregelTaskWrites(path, name, writes, triggers)
                ),
                CONFIG_KEY_CHECKPOINTER: loop.checkpointer or configurable.get(CONFIG_KEY_CHECKPOINTER),
                CONFIG_KEY_CHECKPOINT_MAP: {
                    **configurable.get(CONFIG_KEY_CHECKPOINT_MAP, {}),
                    self._parent: checkpoint["id"],
                },
                CONFIG_KEY_CHECKPOINT_ID: None,
                CONFIG_KEY_CHECKPOINT_NS: namespace,
                CONFIG_KEY_SCRATCHPAD: scratchpad,
                CONFIG_KEY_RUNTIME: Runtime(
                    context=runtime.context,
                    store=loop.store,
                    stream_writer=runtime.stream_writer,
                    heartbeat=runtime.heartbeat,
                    previous=checkpoint["channel_values"].get(PREVIOUS),
                    execution_info=ExecutionInfo(
                        checkpoint_id=checkpoint["id"],
                        checkpoint_ns=namespace,
                        task_id=task_id,
                        thread_id=configurable.get(CONFIG_KEY_THREAD_ID),
                        run_id=str(run_id) if (run_id := loop.config.get("run_id")) else None,
                    ),
                    server_info=runtime.server_info,
                    control=runtime.control,
                ),
            },
        }
        tags = _joined(shared.tags, node.tags)
        if tags:
            config["tags"] = tags
        return PregelExecutableTask(
            name,
            value,
            work,
            writes,
            config,  # type: ignore[arg-type]
            triggers,
            node.retry_policy or loop.retry_policy,
            None,
            task_id,
            path,
            writers=node.flat_writers,
            subgraphs=node.subgraphs,
            timeout=node.timeout,
        )

    def _input(self, node: PregelNode, scratchpad: Any) -> Any:
        if not isinstance(node.channels, str):
            mapper, keys = node.input_cache_key
            if (mapper, keys) in self._inputs:
                return copy(self._inputs[mapper, keys])
            value: Any = self._channels.read(keys)
            if value is not None:
                if mapper is not None:
                    value = mapper(value)
                self._inputs[mapper, keys] = value
                return value
        return _proc_input(
            node,
            self._loop.managed,
            self._channels,
            for_execution=True,
            input_cache=self._inputs,
            scratchpad=scratchpad,
        )


def _joined(run: list[str] | None, node: Iterable[str] | None) -> list[str] | None:
    return [*run, *node] if run and node else run or cast("list[str] | None", node)
