"""Everything that the dataflow asks of LangGraph's run loop, in one place.

LangGraph gives a running node, in its config, the function that starts tasks of the functional API. It is bound to
the run's loop, which knows the step, the channels and the tasks. These are internals: what is not as expected here
makes `current_loop` return None, and the graph then runs in program order, as without OptiFlow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from langgraph._internal._constants import (
    CONF,
    CONFIG_KEY_CALL,
    CONFIG_KEY_RESUMING,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SEND,
    CONFIG_KEY_TASK_ID,
    PULL,
)
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.pregel._algo import prepare_next_tasks
from langgraph.pregel._retry import arun_with_retry, run_with_retry

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.channels.base import BaseChannel
    from langgraph.pregel._loop import PregelLoop
    from langgraph.pregel._read import PregelNode
    from langgraph.types import PregelExecutableTask

__all__ = [
    "NotAheadError",
    "Seat",
    "arun",
    "attached",
    "current_seat",
    "empty_channel",
    "is_crowded",
    "is_known_langgraph",
    "prepare",
    "run",
    "send",
    "settings",
    "start_async",
    "values",
]

T = TypeVar("T")

_NEEDED = (
    "cache", "cache_policy", "channels", "checkpoint", "checkpointer", "config", "interrupt_after", "interrupt_before",
    "managed", "manager", "step", "stop", "store", "submit", "tasks",
)  # fmt: skip
"""What is asked of a loop."""

CROWD = 8
"""How many callbacks may wait on an event loop that counts as free."""

_TO = "branch:to:"
"""Beginning of the name of the channel that starts a node."""

_PREPARING = frozenset(
    {
        "cache_policy", "channels", "checkpoint", "checkpointer", "config", "for_execution", "managed", "manager",
        "pending_writes", "processes", "retry_policy", "step", "stop", "store",
    }
)  # fmt: skip
"""What LangGraph's preparation of tasks has to take."""


class NotAheadError(BaseException):
    """A node did, ahead of its turn, what can only be done in its turn. No node may catch it by accident.

    Args:
        message: What it did.
        kind: Which kind of guard it ran into.
    """

    def __init__(self, message: str, kind: Literal["state", "observer"] = "observer") -> None:
        super().__init__(message)
        self.kind: Literal["state", "observer"] = kind


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a node runs: its loop, its task, and how the loop drives nodes."""

    loop: PregelLoop
    task_id: str
    triggered: bool
    """Whether an edge started the node on the state (True), or a ``Send`` with an input of its own."""
    streaming: bool
    """Whether the loop drains nodes as streams, so that tokens come through."""

    @property
    def step(self) -> int:
        """Number of the running superstep."""
        return self.loop.step

    @property
    def targets(self) -> frozenset[str]:
        """Where the node has sent the run by now, by its edges and routers."""
        writes = self.loop.tasks[self.task_id].writes
        return frozenset(key.removeprefix(_TO) for key, _ in writes if key.startswith(_TO))

    @property
    def alone(self) -> bool:
        """Whether no other task runs in this superstep of this graph."""
        return len(self.loop.tasks) == 1

    @property
    def max_concurrency(self) -> int | None:
        """The run's own limit, if it has one."""
        limit: int | None = self.loop.config.get("max_concurrency")
        return limit

    def breaks_before(self, name: str) -> bool:
        """Whether the run may stop before this node."""
        return _listed(name, self.loop.interrupt_before)

    def breaks_after(self, name: str) -> bool:
        """Whether the run may stop after this node."""
        return _listed(name, self.loop.interrupt_after)

    def reaches(self, steps_ahead: int) -> bool:
        """Whether the recursion limit lets the run come to that step."""
        return self.loop.step + steps_ahead <= self.loop.stop


def _listed(name: str, breakpoints: Any) -> bool:
    return breakpoints == "*" or name in breakpoints


def is_known_langgraph() -> bool:
    """Whether tasks can be prepared ahead with the LangGraph that is installed."""
    return _parameters(prepare_next_tasks) >= _PREPARING


@lru_cache(maxsize=4)  # looked at for each graph, while it is one function for good
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(signature(function).parameters)


def current_seat(config: RunnableConfig) -> Seat | None:
    """Find the loop that runs a node, or None where LangGraph is not built as expected."""
    configurable = config.get(CONF, {})
    call = configurable.get(CONFIG_KEY_CALL)
    while not isinstance(call, partial):
        # A node with a timeout gets the function wrapped in a guard that closes over it.
        if not isinstance(call, FunctionType) or "call" not in call.__code__.co_freevars:
            return None
        call = (call.__closure__ or ())[call.__code__.co_freevars.index("call")].cell_contents
    loop = getattr(call.keywords.get("schedule_task"), "__self__", None)
    task = getattr(loop, "tasks", {}).get(configurable.get(CONFIG_KEY_TASK_ID))
    if loop is None or task is None or not all(hasattr(loop, name) for name in _NEEDED):
        return None
    return Seat(
        loop=loop,
        task_id=task.id,
        triggered=task.path[0] == PULL,
        streaming=bool(call.keywords.get("stream")),
    )


def attached(loop: PregelLoop, key: Hashable, make: Callable[[], T]) -> T:
    """What belongs to a run of a graph, made on first use, and gone with the run's loop."""
    belongings: dict[Hashable, T] = vars(loop).setdefault("_optiflow", {})
    return belongings[key] if key in belongings else belongings.setdefault(key, make())


def values(channels: Mapping[str, BaseChannel[Any, Any, Any]], keys: Iterable[str]) -> dict[str, Any]:
    """The values of those of the keys that have one."""
    return {key: channels[key].get() for key in keys if key in channels and channels[key].is_available()}


def empty_channel() -> BaseChannel[Any, Any, Any]:
    """A channel without a value: its key is absent from the state."""
    return LastValue(Any)


def prepare(
    loop: PregelLoop,
    node: PregelNode,
    name: str,
    steps_ahead: int,
    view: Mapping[str, BaseChannel[Any, Any, Any]],
) -> PregelExecutableTask | None:
    """Let LangGraph itself prepare the task that a node will be, some steps from now, on another view of the state.

    Args:
        loop: The run's loop.
        node: The node as compiled.
        name: Its name.
        steps_ahead: Supersteps between the running one and the node's.
        view: Channels that differ from the loop's.

    Returns:
        The task, or None where LangGraph would not run the node on this state.
    """
    trigger = next(iter(node.triggers))
    fired: EphemeralValue[Any] = EphemeralValue(Any, guard=False)
    fired.update([None])
    channels = {k: v for k, v in loop.channels.items() if not k.startswith("__pregel")}
    version = max(loop.checkpoint["channel_versions"].values())
    config = loop.config
    if CONFIG_KEY_RESUMING in config[CONF]:
        config = {**config, CONF: {k: v for k, v in config[CONF].items() if k != CONFIG_KEY_RESUMING}}
    tasks = prepare_next_tasks(
        {**loop.checkpoint, "channel_versions": {trigger: version}, "versions_seen": {}},
        [],
        {name: node},
        {**channels, **view, trigger: fired},
        loop.managed,
        config,
        loop.step + steps_ahead,
        loop.stop,
        for_execution=True,
        store=loop.store,
        checkpointer=loop.checkpointer,
        manager=loop.manager,
        retry_policy=(),
        cache_policy=loop.cache_policy,
    )
    task = next(iter(tasks.values()), None)
    # One attempt only: a failed one is raised in the node's turn, where LangGraph retries it by its policy.
    return None if task is None else replace(task, retry_policy=())


def _refuse_calls(*args: object, **kwargs: object) -> object:
    raise NotAheadError("a task of the functional API can only be started in the node's turn")


_AHEAD = {CONFIG_KEY_CALL: _refuse_calls}


def run(task: PregelExecutableTask) -> None:
    """One attempt at a task; its writes are in ``task.writes`` afterwards."""
    try:
        run_with_retry(task, None, configurable=_AHEAD)
    except Exception as error:
        _forget_note(error)
        raise


async def arun(task: PregelExecutableTask, *, streaming: bool) -> None:
    """One attempt at a task, under its timeout; its writes are in ``task.writes`` afterwards."""
    try:
        await arun_with_retry(task, None, stream=streaming, configurable=_AHEAD)
    except Exception as error:
        _forget_note(error)
        raise


def _forget_note(error: Exception) -> None:
    # LangGraph notes the task on the error, and will do so again when the node raises it in its turn.
    notes = getattr(error, "__notes__", None)
    if notes and notes[-1].startswith("During task with name"):
        notes.pop()


def send(config: RunnableConfig, task: PregelExecutableTask) -> None:
    """Hand a finished task's writes to the node whose turn it is."""
    config[CONF][CONFIG_KEY_SEND](list(task.writes))


def start_async(loop: PregelLoop, name: str, work: Callable[[], Any]) -> Any:
    """Start a coroutine that the run cancels and awaits when it ends. Returns the asyncio task."""
    return loop.submit(work, __name__=name, __cancel_on_exit__=True, __reraise_on_exit__=False)


def is_crowded() -> bool:
    """Whether the running event loop has more to do at this moment than a few callbacks."""
    ready = getattr(asyncio.get_running_loop(), "_ready", ())
    return len(ready) > CROWD


def settings(loop: PregelLoop) -> Mapping[str, Any]:
    """What the application has put into the run's configuration, and its context."""
    configured = loop.config.get(CONF, {})
    runtime = configured.get(CONFIG_KEY_RUNTIME)
    own = {name: value for name, value in configured.items() if not name.startswith(("__", "checkpoint"))}
    entries = {name: value for name, value in loop.config.items() if name in _ENTRIES}
    return {**entries, **own, "context": getattr(runtime, "context", None), "configurable": own}


_ENTRIES = frozenset({"tags", "metadata", "run_name", "max_concurrency", "recursion_limit", "run_id"})
