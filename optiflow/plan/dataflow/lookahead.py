"""What one run has started ahead of its turn, and the rules for starting it and handing it over."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphBubbleUp

from optiflow.plan.dataflow import seam
from optiflow.plan.dataflow.folding import CannotFoldError, fold, same
from optiflow.plan.dataflow.guard import Guard, can_guard, guarded
from optiflow.plan.dataflow.output import Output, hold_output

if TYPE_CHECKING:
    from langgraph.channels.base import BaseChannel
    from langgraph.pregel._read import PregelNode
    from langgraph.types import PregelExecutableTask

    from optiflow.plan.dataflow.schedule import Schedule, Stage

__all__ = ["Early", "Lookahead", "Turn"]


class Early:
    """One node's work, started ahead of its turn."""

    def __init__(
        self,
        step: int,
        task: PregelExecutableTask,
        seen: Mapping[str, Any],
        guard: Guard | None,
        output: Output | None = None,
    ) -> None:
        self.step = step
        """The superstep that will be the node's turn."""
        self.task = task
        self.seen = seen
        """What the node could see: key -> value."""
        self.guard = guard
        self.output = output or Output()
        """What it lets out, held back until its turn."""
        self.future: Any = None
        self.begun = False
        self.finished = False
        self.abandoned = False
        """Nobody wants the outcome, or it can't be used."""
        self.error: Exception | None = None
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

    def spoil(self) -> None:
        """The outcome can't be used."""
        with self._lock:
            self.abandoned = True

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

    def holds(self, now: Mapping[str, Any]) -> bool:
        """Whether the outcome, success or error, is what the node would come to on this state."""
        if not self.finished or self.abandoned or (self.guard is not None and self.guard.tripped):
            return False
        visible = {key for key in now if self.guard is None or key not in self.guard.withheld}
        return visible == self.seen.keys() and all(same(now[key], value) for key, value in self.seen.items())


@dataclass(frozen=True, slots=True)
class Turn:
    """The superstep that runs, while no other task runs in it and its channels stand still."""

    name: str
    seat: seam.Seat
    early: Early | None
    sync: bool


class Lookahead:
    """The early work of one run of one graph. Safe for threads."""

    def __init__(self, schedule: Schedule, nodes: Mapping[str, PregelNode]) -> None:
        self._schedule = schedule
        self._nodes = nodes
        self._early: dict[str, Early] = {}
        self._lock = threading.RLock()
        self._turn: Turn | None = None

    def arrive(self, name: str, seat: seam.Seat, *, sync: bool) -> Early | None:
        """A node's turn has come.

        Returns:
            Its early work, where there is some for this very superstep that has begun.
        """
        with self._lock:
            early = self._early.pop(name, None)
            if early is not None and (early.step != seat.step or not seat.triggered or not early.claim()):
                early.abandon()
                early = None
            self._turn = None
            if seat.alone:
                self._drop_strays(name, seat.step)
                self._turn = Turn(name, seat, early, sync)
                self._launch(self._turn)
            return early

    @contextmanager
    def turn(self, name: str, seat: seam.Seat) -> Iterator[None]:
        """Around whatever a node does in its turn."""
        try:
            yield
        except BaseException:
            self.leave(name, seat, failed=True)
            raise
        self.leave(name, seat, failed=False)

    def rerun(self) -> None:
        """The early work of the node whose turn it is was no good: the node now runs in its turn."""
        with self._lock:
            if self._turn is not None:
                self._turn = replace(self._turn, early=None)

    def leave(self, name: str, seat: seam.Seat, *, failed: bool) -> None:
        """The turn ends: until the next arrival LangGraph may change the channels, so nothing is started."""
        with self._lock:
            self._turn = None

    def following(self, name: str) -> Iterator[str]:
        """The nodes whose work may start while this one runs, nearest first."""
        return self._schedule.path(name)

    def early(self, step: int, task: PregelExecutableTask, seen: Mapping[str, Any], guard: Guard | None) -> Early:
        """Work that is about to start ahead of its turn."""
        return Early(step, task, seen, guard)

    def _drop_strays(self, name: str, step: int) -> None:
        # The run went another way than the edges promised, e.g. an error handler sent it elsewhere.
        expected = {n: step + d for d, n in enumerate(self.following(name), start=1)}
        for stray in [n for n, early in self._early.items() if expected.get(n) != early.step]:
            self._early.pop(stray).abandon()

    def _launch(self, turn: Turn) -> None:
        schedule, seat = self._schedule, turn.seat
        slots = min(schedule.max_concurrency, seat.max_concurrency or schedule.max_concurrency)
        slots -= sum(early.working for early in self._early.values())
        slots -= 1 if turn.early is None else turn.early.working
        written: dict[str, list[Early | None]] = {}
        before, done = turn.name, turn.early
        in_order = seat.streams_messages
        for ahead, name in enumerate(self.following(turn.name), start=1):
            if slots <= 0 or not seat.reaches(ahead) or seat.breaks_after(before) or seat.breaks_before(name):
                return
            if done is not None and done.error is not None:
                return
            for key in self._keys(schedule.stages[before], done):
                written.setdefault(key, []).append(done if done is not None and done.succeeded else None)
            stage = schedule.stages[name]
            # Of two messages with one id a stream shows the first: who writes to the same key does it in turn.
            waits = in_order and any(None in written.get(key, ()) for key in stage.writes)
            if name in schedule.gains and name not in self._early and not waits:
                early = self._prepare(turn, stage, ahead, written)
                if early is not None:
                    self._start(turn, name, early)
                    slots -= 1
            before, done = name, self._early.get(name)

    def _keys(self, stage: Stage, done: Early | None) -> frozenset[str]:
        if done is None or not done.succeeded:
            return stage.writes
        return stage.writes | {key for key, _ in done.writes() if key in self._schedule.keys}

    def _prepare(self, turn: Turn, stage: Stage, ahead: int, written: Mapping[str, list[Early | None]]) -> Early | None:
        schedule, loop, node = self._schedule, turn.seat.loop, self._nodes[stage.name]
        view: dict[str, BaseChannel[Any, Any, Any]] = {}
        for key in stage.reads & written.keys():
            writers = [early for early in written[key] if early is not None]
            if len(writers) < len(written[key]) or key not in schedule.foldable:
                return None
            try:
                view[key] = fold(loop.channels[key], [early.writes_to(key) for early in writers])
            except CannotFoldError:
                return None
        withheld = ((written.keys() | schedule.fleeting) - stage.reads).intersection(node.channels)
        if withheld and not can_guard(node.node):
            return None
        if node.mapper is None:
            view.update((key, seam.empty_channel()) for key in withheld)
        seen = seam.values({**loop.channels, **view}, [key for key in node.channels if key not in withheld])
        try:
            task = seam.prepare(loop, node, stage.name, ahead, view)
        except Exception:  # noqa: BLE001 - the state does not fit the node's schema yet; if it never does, its turn will say so
            return None
        if task is None or (task.cache_key is not None and loop.cache is not None):
            return None
        guard = Guard(stage.name, frozenset(withheld)) if withheld else None
        if guard is not None:
            task = replace(task, proc=guarded(task.proc, guard))
        return self.early(turn.seat.step + ahead, task, seen, guard)

    def _start(self, turn: Turn, name: str, early: Early) -> None:
        self._early[name] = early
        if turn.sync:
            early.future = seam.start_thread(turn.seat.loop, name, partial(self._run, early))
        else:
            work = partial(self._arun, early, turn.seat.streaming)
            early.future = seam.start_async(turn.seat.loop, name, work)

    def _run(self, early: Early) -> None:
        if early.begin():
            try:
                with hold_output(early.output):
                    seam.run(early.task)
            except (GraphBubbleUp, seam.NotAheadError):
                early.spoil()
            except Exception as error:  # noqa: BLE001 - raised in the node's turn
                early.error = error
            self._finish(early)

    async def _arun(self, early: Early, streaming: bool) -> None:
        if early.begin():
            try:
                with hold_output(early.output):
                    await seam.arun(early.task, streaming=streaming)
            except (GraphBubbleUp, seam.NotAheadError):
                early.spoil()
            except Exception as error:  # noqa: BLE001 - raised in the node's turn
                early.error = error
            self._finish(early)

    def _finish(self, early: Early) -> None:
        with self._lock:
            early.finished = True
            if self._turn is not None:
                self._launch(self._turn)
