"""LangGraph's run loop and runner, which do less for a run that nobody listens to."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langgraph._internal._constants import CONFIG_KEY_STREAM
from langgraph.constants import START
from langgraph.pregel._io import map_output_updates, map_output_values
from langgraph.pregel._loop import AsyncPregelLoop, PregelLoop, SyncPregelLoop
from langgraph.pregel._runner import PregelRunner

from optiflow.dispatch.attempts import attempt, attempt_async
from optiflow.dispatch.channels import STEADY, Channels, apply
from optiflow.dispatch.executors import AsyncExecutor, Executor
from optiflow.dispatch.internals import rebound
from optiflow.dispatch.managers import is_flat, is_idle
from optiflow.dispatch.tally import current_tally
from optiflow.dispatch.tasks import Shared, prepare

__all__ = ["AsyncLastLoop", "AsyncLoop", "Runner", "SyncLastLoop", "SyncLoop"]

_TOLD_OF_TASKS = frozenset({"checkpoints", "debug", "tasks"})


class _LeanLoop(PregelLoop):
    """What both loops do differently. Where the run is not idle, they are LangGraph's."""

    _manager_types: tuple[type[Any], type[Any]]
    """Of a graph's run, and of its tasks."""

    _last_only = False
    """Whether the caller takes nothing of the stream but interrupts and the last values."""

    _shared: Shared | None = None
    """What the tasks have in common, once there are any."""

    _late = False
    """Whether values were to be emitted since they were last."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manager = self.manager
        self._idle = (
            is_idle(manager, self._manager_types[0])
            and is_flat(manager.inheritable_metadata)  # type: ignore[union-attr]
            and not self._delta_channel_names
            and (self.stream is None or _TOLD_OF_TASKS.isdisjoint(self.stream.modes))
        )
        self._may_wait = (
            self._last_only
            and self._idle
            and CONFIG_KEY_STREAM not in self.config["configurable"]
            and not isinstance(self.output_keys, str)
            and all(type(self.specs.get(key)) in STEADY for key in self.output_keys)
        )
        self._tally = current_tally()
        if self._tally is not None:
            self._tally.count_run(lean=self._idle)

    def _prepare_tasks_and_emit_checkpoint(self) -> None:
        if not self._idle:
            super()._prepare_tasks_and_emit_checkpoint()
            return
        if not isinstance(self.channels, Channels):
            self.channels = Channels(self.channels, self.checkpoint["channel_versions"])
        if self._shared is None or self._shared.given is not self.config:
            self._shared = Shared(self.config)
        self.tasks = prepare(self, self.channels, self._shared, self._manager_types[1])
        if self._tally is not None:
            self._tally.nodes += sum(task.name != START for task in self.tasks.values())

    after_tick = rebound(PregelLoop.after_tick, apply_writes=apply)

    def _emit(self, mode: Any, values: Any, *args: Any, **kwargs: Any) -> None:
        if self._may_wait:
            if values is map_output_updates:
                return
            if mode == "values":
                # Steady channels still have these values when the run ends.
                self._late = values is map_output_values
                if self._late:
                    return
        super()._emit(mode, values, *args, **kwargs)

    def _suppress_interrupt(self, *args: Any) -> bool | None:
        suppressed = super()._suppress_interrupt(*args)
        if self._late and (suppressed or args[0] is None):
            self._may_wait = False
            self._emit("values", map_output_values, self.output_keys, True, self.channels)
        return suppressed


class SyncLoop(_LeanLoop, SyncPregelLoop):
    """The loop of ``stream``."""

    _manager_types = (CallbackManagerForChainRun, CallbackManager)
    __enter__ = rebound(SyncPregelLoop.__enter__, BackgroundExecutor=Executor)


class SyncLastLoop(SyncLoop):
    """The loop of ``invoke``."""

    _last_only = True


class AsyncLoop(_LeanLoop, AsyncPregelLoop):
    """The loop of ``astream``."""

    _manager_types = (AsyncCallbackManagerForChainRun, AsyncCallbackManager)
    __aenter__ = rebound(AsyncPregelLoop.__aenter__, AsyncBackgroundExecutor=AsyncExecutor)


class AsyncLastLoop(AsyncLoop):
    """The loop of ``ainvoke``."""

    _last_only = True


class Runner(PregelRunner):
    """Runs the tasks of a step."""

    tick = rebound(PregelRunner.tick, run_with_retry=attempt)
    atick = rebound(PregelRunner.atick, arun_with_retry=attempt_async)
