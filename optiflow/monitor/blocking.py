"""What blocks the event loop during a run, named by line, without getting in the application's way.

Calls that wait (sleeping, files, sockets, locks, SQLite) are found by ``blockbuster``, told here to let
everything pass and only to say what it saw. Work of one's own that holds the loop is found by timing every
callback; a thread that wakes a few times per threshold looks where the loop is meanwhile. Time in which the
loop's thread only stood in line for a processor is not counted, where the system tells it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

from optiflow.monitor.frames import Place, application_place, place_of_callback

__all__ = ["BlockingMonitor", "BlockingPlace", "BlockingReport", "detect_blocking", "queued_s"]

COMPUTING = "computing"
"""Stands for the name of the call where a callback held the loop without calling anything that waits."""


@dataclass(frozen=True, slots=True)
class BlockingPlace:
    """A line at which the event loop was blocked."""

    call: str
    """What blocked, such as ``time.sleep``; `COMPUTING` for work without such a call."""

    place: Place
    """The innermost line of the application."""

    count: int
    """How often."""

    def __str__(self) -> str:
        return f"{self.place} ({self.call})"


@dataclass(frozen=True, slots=True)
class BlockingReport:
    """Everything that blocked the event loop."""

    places: tuple[BlockingPlace, ...]
    """The lines, those that blocked most often first."""

    longest_block_s: float
    """The longest time that one callback held the loop, in seconds, imports left out where they were
    noticed."""

    @property
    def calls(self) -> int:
        """How often the loop was blocked."""
        return sum(place.count for place in self.places)


class BlockingMonitor:
    """Keeps account of what blocks the event loops of the process.

    Args:
        threshold_s: A callback that holds the loop for at least this long counts as blocking, in seconds.
    """

    def __init__(self, threshold_s: float) -> None:
        self.threshold_s = threshold_s
        self.longest_s = 0.0
        self._calls: Counter[tuple[str, Place]] = Counter()
        self._lock = threading.Lock()

    def report(self) -> BlockingReport:
        """What was seen so far."""
        with self._lock:
            places = tuple(BlockingPlace(call, place, count) for (call, place), count in self._calls.most_common())
            return BlockingReport(places, self.longest_s)

    def saw(self, call: str, place: Place) -> None:
        """Note a call at ``place``."""
        with self._lock:
            self._calls[call, place] += 1

    def saw_callback(self, elapsed_s: float) -> None:
        """Note how long a callback held the loop."""
        with self._lock:
            self.longest_s = max(self.longest_s, elapsed_s)


@contextmanager
def detect_blocking(threshold_s: float = 0.1) -> Iterator[BlockingMonitor]:
    """Watch every event loop of the process for the block; afterwards everything is as it was.

    Blocks may overlap: each has its own account. Imports, logging and OptiFlow's own bookkeeping are not
    noted.

    Args:
        threshold_s: A callback that holds the loop for at least this long counts as blocking, in seconds.
    """
    monitor = BlockingMonitor(threshold_s)
    _detector.add(monitor)
    try:
        yield monitor
    finally:
        _detector.remove(monitor)


@dataclass(slots=True)
class _Holding:
    """A callback that holds a loop now."""

    started: float
    native_id: int
    """The system's id of the loop's thread."""
    queued_s: float = 0.0
    """Seconds of it, as far as the watchdog has seen, in which the thread was ready but had no processor."""
    noted: list[Place] = field(default_factory=list)
    """Where it was noted to wait."""
    place: Place | None = None
    """Where it was when the watchdog looked."""
    ignored: bool = False
    """Whether it was then doing what is not to be noted."""


class _Detector:
    """What is installed in the process while at least one monitor watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._monitors: tuple[BlockingMonitor, ...] = ()
        self._holding: dict[int, _Holding] = {}
        self._queued: dict[int, float] = {}
        """Seconds that each loop's thread had waited for a processor when the watchdog last looked, by native id."""
        self._installed = ExitStack()

    def add(self, monitor: BlockingMonitor) -> None:
        with self._lock:
            if not self._monitors:
                with ExitStack() as stack:
                    stack.enter_context(self._timed_callbacks())
                    stack.enter_context(self._watchdog())
                    stack.enter_context(_blockbuster(self._waiting_call))
                    self._installed = stack.pop_all()
            self._monitors = (*self._monitors, monitor)

    def remove(self, monitor: BlockingMonitor) -> None:
        with self._lock:
            self._monitors = tuple(other for other in self._monitors if other is not monitor)
            if not self._monitors:
                self._installed.close()
                self._queued.clear()

    def _waiting_call(self, call: str, frame: FrameType | None) -> None:
        place = application_place(frame)
        if place is None:
            return
        holding = self._holding.get(threading.get_ident())
        if holding is not None:
            holding.noted.append(place)
        for monitor in self._monitors:
            monitor.saw(call, place)

    @contextmanager
    def _timed_callbacks(self) -> Iterator[None]:
        run = asyncio.events.Handle._run

        def timed_run(handle: asyncio.Handle) -> None:
            thread = threading.get_ident()
            holding = self._holding[thread] = _Holding(perf_counter(), threading.get_native_id())
            try:
                run(handle)
            finally:
                elapsed = perf_counter() - holding.started
                self._holding.pop(thread, None)
                # On a busy machine a thread stands in line for a processor: that is not the callback's doing.
                elapsed -= holding.queued_s
                for monitor in self._monitors:
                    if elapsed > monitor.longest_s or elapsed >= monitor.threshold_s:
                        _note_callback(monitor, handle, holding, elapsed)

        asyncio.events.Handle._run = timed_run  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            asyncio.events.Handle._run = run  # type: ignore[method-assign]

    @contextmanager
    def _watchdog(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(min(self._threshold_s(), 1.0) / 4):
                self._look()

        thread = threading.Thread(target=watch, name="optiflow-blocking-watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _threshold_s(self) -> float:
        return min((monitor.threshold_s for monitor in self._monitors), default=float("inf"))

    def _look(self) -> None:
        threshold = self._threshold_s()
        for holding in tuple(self._holding.values()):
            queued = queued_s(holding.native_id)
            if perf_counter() - holding.started < threshold / 4:
                self._queued[holding.native_id] = queued
            holding.queued_s = queued - self._queued.setdefault(holding.native_id, queued)
        for thread, holding in tuple(self._holding.items()):
            if holding.place is None and perf_counter() - holding.started >= threshold / 2:
                frame = sys._current_frames().get(thread)
                place = application_place(frame)
                # Only if the callback has not been left in the meantime was this its frame.
                if self._holding.get(thread) is holding:
                    holding.place = place
                    holding.ignored = place is None


def queued_s(native_id: int) -> float:
    """Seconds that a thread of this process has been ready to run and waited for a processor, as Linux counts them.

    Returns:
        0 where the system does not tell, and for a thread that has ended.
    """
    try:
        text = Path(f"/proc/self/task/{native_id}/schedstat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


def _note_callback(monitor: BlockingMonitor, handle: asyncio.Handle, holding: _Holding, elapsed_s: float) -> None:
    if holding.ignored:
        return
    monitor.saw_callback(elapsed_s)
    if elapsed_s < monitor.threshold_s:
        return
    place = holding.place
    if place is None and not holding.noted:
        # Work that never lets go of the interpreter can't be looked at, but its callback can be named.
        place = place_of_callback(handle)
    if place is not None and place not in holding.noted:
        monitor.saw(COMPUTING, place)


@contextmanager
def _blockbuster(saw: Callable[[str, FrameType | None], None]) -> Iterator[None]:
    from blockbuster import BlockBuster

    detector = BlockBuster()
    # It is an entry of a type's table of slots, which can't be restored to what it was.
    detector.functions.pop("os.scandir", None)
    owners = {function.module for function in detector.functions.values() if isinstance(function.module, type)}
    before = {owner: frozenset(vars(owner)) for owner in owners}
    for function in detector.functions.values():
        function.can_block_predicate = _observer(
            function.full_name, function.can_block_predicate, function.can_block_functions, saw
        )
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()
        for owner in owners:
            _remove(owner, vars(owner).keys() - before[owner])


def _observer(
    call: str,
    harmless: Callable[..., bool],
    exempt: list[tuple[str, Iterable[str]]],
    saw: Callable[[str, FrameType | None], None],
) -> Callable[..., bool]:
    def observe(*args: Any, **kwargs: Any) -> bool:
        if not harmless(*args, **kwargs):
            caller = sys._getframe(2)  # this function was called by blockbuster's wrapper, and that by the caller
            if not _is_exempt(caller, exempt):
                saw(call, caller)
        return True

    return observe


def _is_exempt(frame: FrameType | None, exempt: list[tuple[str, Iterable[str]]]) -> bool:
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        if any(file.endswith(name) and frame.f_code.co_name in functions for name, functions in exempt):
            return True
        frame = frame.f_back
    return False


def _remove(owner: type, names: Iterable[str]) -> None:
    """Take from a type what was put there beside the original, on built-in types too."""
    for name in names:
        try:
            delattr(owner, name)
        except TypeError:
            import forbiddenfruit  # type: ignore[import-untyped]

            forbiddenfruit.reverse(owner, name)


_detector = _Detector()
