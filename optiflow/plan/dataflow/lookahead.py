"""What one run has started ahead of its turn, and the rules for starting it and handing it over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphBubbleUp

from optiflow.clock.base import now
from optiflow.plan.dataflow import seam, threads
from optiflow.plan.dataflow.containment import contained, why_not_contained
from optiflow.plan.dataflow.early import Early, Seen
from optiflow.plan.dataflow.folding import CannotFoldError, fold
from optiflow.plan.dataflow.guard import Guard, can_guard, guarded
from optiflow.plan.dataflow.observers import OBSERVERS, hold_output
from optiflow.plan.dataflow.onlookers import has_onlookers, is_heard
from optiflow.plan.dataflow.output import Output
from optiflow.plan.dataflow.tally import current_tally

if TYPE_CHECKING:
    from langgraph.channels.base import BaseChannel
    from langgraph.pregel._read import PregelNode
    from langgraph.types import PregelExecutableTask

    from optiflow.plan.dataflow.schedule import Schedule, Stage

__all__ = ["Early", "Lookahead", "Turn"]


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
        self._held_off: set[str] = set()
        self._tallies = [tally for tally in (schedule.tally, current_tally()) if tally is not None]

    def arrive(self, name: str, seat: seam.Seat, *, sync: bool) -> Early | None:
        """A node's turn has come.

        Returns:
            Its early work, where there is some for this very superstep that has begun.
        """
        with self._lock:
            early = self._early.pop(name, None)
            if not self._early:
                self._schedule.busy.discard(self)
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
        begun = now()
        try:
            yield
        except BaseException:
            self.leave(name, seat, failed=True)
            raise
        if self._turn is None or self._turn.early is None:
            self._schedule.durations.note(name, now() - begun)
        self.leave(name, seat, failed=False)

    def commit(self, early: Early, seat: seam.Seat) -> bool:
        """Whether early work that is not finished goes on as the node's own, now that its turn has come."""
        return early.commit(seam.values(seat.loop.channels, early.channels), seam.settings(seat.loop))

    def take(self, early: Early, seat: seam.Seat) -> bool:
        """Whether finished early work can be handed over; if not, the node now runs in its turn."""
        why = early.why_not(seam.values(seat.loop.channels, early.channels), seam.settings(seat.loop))
        for tally in self._tallies:
            if why is None:
                tally.used()
            else:
                tally.redone(why)
        if why is not None:
            early.spoil(why)
            with self._lock:
                if self._turn is not None:
                    self._turn = replace(self._turn, early=None)
        return why is None

    def leave(self, name: str, seat: seam.Seat, *, failed: bool) -> None:
        """The turn ends: until the next arrival LangGraph may change the channels, so nothing is started."""
        with self._lock:
            self._turn = None

    def following(self, name: str) -> Iterator[str]:
        """The nodes whose work may start while this one runs, nearest first."""
        return self._schedule.path(name)

    def early(self, step: int, task: PregelExecutableTask, seen: Seen, guard: Guard | None) -> Early:
        """Work that is about to start ahead of its turn."""
        output = Output()
        return Early(step, contained(task, output), seen, guard, output)

    def _drop_strays(self, name: str, step: int) -> None:
        # The run went another way than the edges promised, e.g. an error handler sent it elsewhere.
        expected = {n: step + d for d, n in enumerate(self.following(name), start=1)}
        for stray in [n for n, early in self._early.items() if expected.get(n) != early.step]:
            self._early.pop(stray).abandon()

    def _launch(self, turn: Turn) -> None:
        schedule, seat = self._schedule, turn.seat
        crowded = not turn.sync and seam.is_crowded()
        if not schedule.promises(turn.name, crowded=crowded) or why_not_contained(seat.loop) is not None:
            return
        slots = min(schedule.max_concurrency, seat.max_concurrency or schedule.max_concurrency)
        slots -= sum(early.working for early in self._early.values())
        slots -= 1 if turn.early is None else turn.early.working
        written: dict[str, list[Early | None]] = {}
        before, done, observed = turn.name, turn.early, False
        for ahead, name in enumerate(self.following(turn.name), start=1):
            if slots <= 0 or not seat.reaches(ahead) or seat.breaks_after(before) or seat.breaks_before(name):
                return
            if done is not None and done.error is not None:
                return
            for key in self._keys(schedule.stages[before], done):
                written.setdefault(key, []).append(done if done is not None and done.succeeded else None)
            observed = observed or schedule.stages[before].observed
            stage = schedule.stages[name]
            worth = name in schedule.gains and name not in schedule.durations.not_worth(crowded=crowded)
            if worth and name not in self._early:
                early = self._prepare(turn, stage, ahead, written, observed=observed)
                if early is not None:
                    self._start(turn, name, early)
                    slots -= 1
            before, done = name, self._early.get(name)

    def _keys(self, stage: Stage, done: Early | None) -> frozenset[str]:
        if done is None or not done.succeeded:
            return stage.writes
        return stage.writes | {key for key, _ in done.writes() if key in self._schedule.keys}

    def _prepare(
        self, turn: Turn, stage: Stage, ahead: int, written: Mapping[str, list[Early | None]], *, observed: bool
    ) -> Early | None:
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
        values = seam.values({**loop.channels, **view}, [key for key in node.channels if key not in withheld])
        seen = Seen.of(stage, values, seam.settings(loop))
        if stage.unsteady is not None and (observed or has_onlookers(loop)):
            # What they change may have its old value again whenever it is compared: a gauge, a flag.
            seen = "observer"
        if getattr(node, "timeout", None) is not None and (observed or is_heard(loop)):
            # LangGraph cancels it when its time is up and goes on; what it tells then can't be held back any more.
            seen = "observer"
        if isinstance(seen, str):
            self._hold_off(stage.name, seen)
            return None
        try:
            task = seam.prepare(loop, node, stage.name, ahead, view)
        except Exception:  # noqa: BLE001 - the state does not fit the node's schema yet; if it never does, its turn will say so
            return None
        if task is None or (task.cache_key is not None and loop.cache is not None):
            return None
        if not turn.sync:
            task = replace(task, proc=threads.detached(task.proc, OBSERVERS))
        guard = Guard(stage.name, frozenset(withheld)) if withheld else None
        if guard is not None:
            task = replace(task, proc=guarded(task.proc, guard))
        early = self.early(turn.seat.step + ahead, task, seen, guard)
        early.channels = tuple(node.channels)
        early.output.unsteady = stage.unsteady
        return early

    def _hold_off(self, name: str, kind: str) -> None:
        # The node is looked at again each time that anything has finished.
        if name not in self._held_off:
            self._held_off.add(name)
            for tally in self._tallies:
                tally.held_off(kind)

    def _start(self, turn: Turn, name: str, early: Early) -> None:
        self._early[name] = early
        self._schedule.busy.add(self)
        for tally in self._tallies:
            tally.started()
        if turn.sync:
            early.future = threads.start_thread(turn.seat.loop, name, partial(self._run, early), early.abandon)
        else:
            work = partial(self._arun, early, turn.seat.streaming)
            early.future = seam.start_async(turn.seat.loop, name, work)

    def _run(self, early: Early) -> None:
        if early.begin():
            begun = now()
            try:
                with hold_output(early.output):
                    seam.run(early.task)
            except (GraphBubbleUp, seam.NotAheadError) as error:
                early.spoil(getattr(error, "kind", None))
            except BaseException as error:  # noqa: BLE001 - raised in the node's turn
                early.error = error
            self._finish(early, now() - begun)

    async def _arun(self, early: Early, streaming: bool) -> None:
        if early.begin():
            begun = now()
            try:
                with hold_output(early.output):
                    await seam.arun(early.task, streaming=streaming)
            except asyncio.CancelledError:
                early.spoil()
                raise
            except (GraphBubbleUp, seam.NotAheadError) as error:
                early.spoil(getattr(error, "kind", None))
            except BaseException as error:  # noqa: BLE001 - raised in the node's turn
                early.error = error
            self._finish(early, now() - begun)

    def _finish(self, early: Early, seconds: float) -> None:
        self._schedule.durations.note(early.task.name, seconds)
        # What has changed while the node worked may be changed back by its turn: a gauge, a flag.
        why = early.seen.taken.changed()
        if why is not None and not early.committed:
            early.spoil(why)
        with self._lock:
            early.finished = True
            if self._turn is not None:
                self._launch(self._turn)
