"""How an attempt at a task starts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from langgraph._internal._constants import CONF, CONFIG_KEY_RUNTIME
from langgraph.pregel._retry import arun_with_retry, run_with_retry
from langgraph.runtime import ExecutionInfo, Runtime

from optiflow.dispatch.internals import rebound

if TYPE_CHECKING:
    from langgraph.types import PregelExecutableTask

__all__ = ["attempt", "attempt_async"]


class _NoRuntime:
    """What no runtime is an instance of: the attempt's own is in place already."""


_run_once = rebound(run_with_retry, Runtime=_NoRuntime)
_arun_once = rebound(arun_with_retry, Runtime=_NoRuntime)


def attempt(task: PregelExecutableTask, retry_policy: Any, configurable: Mapping[str, Any] | None = None) -> Any:
    """LangGraph's ``run_with_retry``; a task that is tried once is told so in one go."""
    told = _told(task, retry_policy, configurable)
    if told is None:
        return run_with_retry(task, retry_policy, cast("Any", configurable))
    return _run_once(task, retry_policy, told)


async def attempt_async(
    task: PregelExecutableTask, retry_policy: Any, stream: bool = False, configurable: Mapping[str, Any] | None = None
) -> Any:
    """LangGraph's ``arun_with_retry``; a task that is tried once is told so in one go."""
    told = _told(task, retry_policy, configurable)
    if told is None:
        return await arun_with_retry(task, retry_policy, stream, cast("Any", configurable))
    return await _arun_once(task, retry_policy, stream, told)


def _told(
    task: PregelExecutableTask, retry_policy: Any, configurable: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The configurable values of an attempt that is the only one."""
    runtime = task.config[CONF].get(CONFIG_KEY_RUNTIME)
    info = runtime.execution_info if type(runtime) is Runtime else None
    if info is None or runtime is None or task.retry_policy or retry_policy or task.timeout is not None:
        return None
    return {
        **(configurable or {}),
        CONFIG_KEY_RUNTIME: Runtime(
            context=runtime.context,
            store=runtime.store,
            stream_writer=runtime.stream_writer,
            heartbeat=runtime.heartbeat,
            previous=runtime.previous,
            execution_info=ExecutionInfo(
                checkpoint_id=info.checkpoint_id,
                checkpoint_ns=info.checkpoint_ns,
                task_id=info.task_id,
                thread_id=info.thread_id,
                run_id=info.run_id,
                node_attempt=1,
                node_first_attempt_time=time.time(),
            ),
            server_info=runtime.server_info,
            control=runtime.control,
        ),
    }
