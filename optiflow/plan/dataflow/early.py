"""One node's work, started ahead of its turn, and what has to hold for its outcome to be handed over."""

from __future__ import annotations

import decimal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from optiflow.plan.dataflow.folding import same
from optiflow.plan.dataflow.output import Output
from optiflow.plan.guards.content import Content, take_down
from optiflow.plan.guards.reads import Kind, Taken

if TYPE_CHECKING:
    from langgraph.types import PregelExecutableTask

    from optiflow.plan.dataflow.guard import Guard
    from optiflow.plan.dataflow.schedule import Stage

__all__ = ["Early", "Seen", "Why"]

Why = Literal[Kind, "state", "configuration", "observer"]
"""Kinds of guards that fail: what was another one than the early work had seen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a node's early work could see."""

    values: Mapping[str, Any]
    """Its state: key -> value."""
    contents: Mapping[str, Content]
    """Content of those values that the node reads."""
    settings: Mapping[str, Any]
    """Entries of the run's configuration that the node reads, and their content."""
    taken: Taken
    """Everything else that its code reads."""
    vouched: bool = False
    """Whether the application answers for the node."""
    arithmetic: tuple[object, ...] = field(default_factory=lambda: _arithmetic())
    """How numbers are worked out and written in the present context, and the time zone of the process."""

    @classmethod
    def of(cls, stage: Stage, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Seen | Why:
        """Take down what a node sees.

        Returns:
            The kind of what can't be taken down, because it is of another type than the node's code was followed for,
            or has changed since.
        """
        taken = Taken.of(stage.seen)
        if isinstance(taken, str):
            return taken
        contents: dict[str, Content] = {}
        for key in stage.reads & values.keys():
            content = take_down(values[key], stage.classes.get(key, ()))
            if content is not None:
                contents[key] = content
            elif not stage.vouched:
                return "state"
        configured: dict[str, Any] = {}
        for name in stage.settings if stage.settings is not None else settings:
            configured[name] = take_down(settings.get(name))
            if configured[name] is None:
                return "configuration"
        return cls(values, contents, configured, taken, stage.vouched)

    def changed(self, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Why | None:
        """The kind of the first thing that is not as it was seen, or None where all is."""
        if values.keys() != self.values.keys():
            return "state"
        for key, value in self.values.items():
            content = self.contents.get(key)
            now = values[key]
            if not (same(value, now, vouched=self.vouched) if content is None else content.holds(now)):
                return "state"
        if not all(content.holds(settings.get(name)) for name, content in self.settings.items()):
            return "configuration"
        if self.arithmetic != _arithmetic():
            return "global"
        return self.taken.changed()


def _arithmetic() -> tuple[object, ...]:
    context, default = decimal.getcontext(), decimal.DefaultContext
    return (
        default.prec, default.rounding, *default.traps.values(),
        context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp,
        *context.traps.values(), sys.get_int_max_str_digits(), time.timezone, *time.tzname,
    )  # fmt: skip


class Early:
    """One node's work, started ahead of its turn."""

    def __init__(
        self,
        step: int,
        task: PregelExecutableTask,
        seen: Seen,
        guard: Guard | None,
        output: Output | None = None,
    ) -> None:
        self.step = step
        """The superstep that will be the node's turn."""
        self.channels: Sequence[str] = ()
        """The keys of the node's state."""
        self.task = task
        self.seen = seen
        self.guard = guard
        self.output = output or Output()
        """What it lets out, held back until its turn."""
        self.future: Any = None
        self.begun = False
        self.finished = False
        self.abandoned = False
        """Nobody wants the outcome, or it can't be used."""
        self.committed = False
        """Whether its turn has come while it works, and all that it had seen was as it should be: it goes on as the
        node's own work."""
        self.why: Why | None = None
        """The kind of guard that has failed."""
        self.error: BaseException | None = None
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """Asked by the work itself: whether it is still wanted."""
        with self._lock:
            self.begun = not self.abandoned
            return self.begun

    def claim(self) -> bool:
        """Asked in the node's turn: whether the work has begun; if not, it never will."""
        with self._lock:
            self.abandoned = self.abandoned or not self.begun
            return not self.abandoned

    def spoil(self, why: Why | None = None) -> None:
        """The outcome can't be used."""
        with self._lock:
            self.abandoned = True
            self.why = self.why or why
        self.output.drop()

    def abandon(self) -> None:
        """Give the work up: a coroutine is cancelled, a thread's outcome ignored."""
        self.spoil()
        if self.future is not None:
            self.future.cancel()

    def use(self) -> None:
        """The outcome is about to be handed over."""

    @property
    def working(self) -> bool:
        """Whether it takes up one of the run's slots."""
        return not self.finished and not self.abandoned

    @property
    def succeeded(self) -> bool:
        """Whether its writes can be built upon."""
        return self.finished and not self.abandoned and self.error is None

    def writes(self) -> list[tuple[str, Any]]:
        """What the node wrote, in its order."""
        return list(self.task.writes)

    def writes_to(self, key: str) -> list[Any]:
        """What the node wrote to one key."""
        return [value for written, value in self.task.writes if written == key]

    def commit(self, now: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
        """Whether unfinished work can go on as the node's own, from here on in its turn.

        Args:
            now: The node's state in its turn: key -> value.
            settings: The run's configuration.
        """
        # In its turn the node could read what is withheld from it.
        if self.finished or self.abandoned or self.guard is not None or self.output.refusal is not None:
            return False
        self.committed = self.seen.changed(now, settings) is None
        return self.committed

    def why_not(self, now: Mapping[str, Any], settings: Mapping[str, Any]) -> Why | None:
        """Why the outcome, success or error, is not what the node would come to now; None where it is.

        Args:
            now: The node's state in its turn: key -> value.
            settings: The run's configuration.
        """
        if self.committed and not self.abandoned:
            return None
        if self.guard is not None and self.guard.tripped:
            return "state"
        if self.output.refusal is not None:
            return "observer"
        if not self.finished or self.abandoned:
            return self.why or "state"
        withheld: Sequence[str] | frozenset[str] = () if self.guard is None else self.guard.withheld
        return self.seen.changed({key: value for key, value in now.items() if key not in withheld}, settings)
