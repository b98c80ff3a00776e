"""Virtual time: sleeping costs nothing, computing costs what it costs.

The clock's time is real monotonic time plus an offset. Whoever sleeps on the clock, a thread in
`VirtualClock.sleep` or an event loop of `VirtualClock.run` with nothing but timers to wait for, is a
*sleeper* with a deadline. When all threads of the process wait (`optiflow.clock.stillness` says how that is
known), the offset grows so that the earliest deadline is now. No function of the application is patched, so
it does not matter how its threads came to be or what they wait on.

One sleeper at a time *leads*: it watches the threads and moves the offset; the others are truly asleep until
their time has come or they are asked to lead. A loop that has sockets or pipes registered is no sleeper but
waits really, up to its next timer, and time does not jump meanwhile.

What virtual time means for each caller:

- ``asyncio.sleep``, ``wait_for``, ``timeout`` and every other timer of the clock's own loop are virtual.
- `VirtualClock.sleep` on a thread, of whatever pool, sleeps beside all others: n threads that sleep one
  second each take one second. On the loop's own thread it blocks the loop for as long as it says, as it
  really would.
- `VirtualClock.sleep_async` on a loop that is not the clock's works, with a thread for each call; other
  timers and waits of such a loop are real.

Limits: ``time.sleep``, ``threading.Timer`` and timeouts of locks, queues and futures are real; so is I/O, and
while a thread is in it time does not jump (an idle server thread started after the clock was made therefore
slows virtual time down to real time). The clock's own bookkeeping costs a fraction of a millisecond a jump,
which counts as time spent.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

# Bound here so that whoever patches time.sleep to find blocking calls in the application does not find the
# clock's.
from time import sleep as _pause
from typing import Any, Literal, TypeVar

from optiflow.clock.stillness import Watch, watch_threads

__all__ = ["VirtualClock"]

T = TypeVar("T")

_Events = list[tuple[selectors.SelectorKey, int]]

_GRACE_S = 50e-6
"""Real time between the two looks at the threads before a jump, s."""

_LONGEST_REST_S = 0.004
"""The longest real time between two looks while somebody computes, s; it bounds how late a jump may come."""


class VirtualClock:
    """A clock that jumps over waiting. Safe to use from any thread; use one clock a run."""

    kind: Literal["virtual"] = "virtual"
    """Figures taken from this clock are virtual seconds."""

    def __init__(self) -> None:
        self._watch: Watch[Any] = watch_threads()
        self._lock = threading.Lock()
        self._offset = 0.0
        self._sleepers: set[_ThreadSleeper | _LoopSleeper] = set()
        self._leader: _ThreadSleeper | _LoopSleeper | None = None
        self._foreign_loops: Counter[int] = Counter()

    def time(self) -> float:
        """Real monotonic seconds plus all that was jumped over."""
        return time.monotonic() + self._offset

    def sleep(self, seconds: float) -> None:
        """Spend virtual time on the calling thread.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        # The clock blocks, as time.sleep would, and must look so to whoever watches for blocking calls.
        time.sleep(min(seconds, 0.0))
        if seconds > 0:
            self._wait(_ThreadSleeper(self.time() + seconds))

    async def sleep_async(self, seconds: float) -> None:
        """Spend virtual time without blocking the running loop, be it this clock's or another."""
        loop = asyncio.get_running_loop()
        if seconds <= 0 or (isinstance(loop, _VirtualLoop) and loop.clock is self):
            await asyncio.sleep(seconds)
        else:
            await self._sleep_beside(loop, seconds)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on a fresh loop of virtual time; else as `asyncio.run`.

        Raises:
            RuntimeError: The calling thread already runs an event loop.
        """
        if _runs_loop():
            raise RuntimeError("VirtualClock.run() cannot be called from a running event loop")
        with asyncio.Runner(loop_factory=self.new_event_loop) as runner:
            return runner.run(main)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop of virtual time, for who runs one himself; `run` does it all."""
        return _VirtualLoop(self)

    async def _sleep_beside(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        thread = threading.get_native_id()
        sleeper = _ThreadSleeper(self.time() + seconds)
        pool = ThreadPoolExecutor(1, "optiflow-virtual-sleep")
        with self._lock:
            self._foreign_loops[thread] += 1
        try:
            await loop.run_in_executor(pool, self._wait, sleeper)
        finally:
            with self._lock:
                self._foreign_loops[thread] -= 1
            sleeper.deadline = -math.inf
            sleeper.nudge()
            pool.shutdown(wait=False)

    def _wait(self, sleeper: _ThreadSleeper | _LoopSleeper) -> None:
        """Block until the sleeper's deadline has come or something else calls it away."""
        with self._lock:
            self._sleepers.add(sleeper)
        try:
            while not self._awake(sleeper):
                if self._takes_lead(sleeper):
                    self._lead(sleeper)
                else:
                    sleeper.rest(None)
        finally:
            self._leave(sleeper)

    def _awake(self, sleeper: _ThreadSleeper | _LoopSleeper) -> bool:
        return sleeper.called_away or self.time() >= sleeper.deadline

    def _takes_lead(self, sleeper: _ThreadSleeper | _LoopSleeper) -> bool:
        with self._lock:
            if self._leader is None and sleeper.deadline < math.inf:
                self._leader = sleeper
            return self._leader is sleeper

    def _leave(self, sleeper: _ThreadSleeper | _LoopSleeper) -> None:
        with self._lock:
            self._sleepers.discard(sleeper)
            if self._leader is sleeper:
                self._leader = None
            if self._leader is None:
                heir = next((other for other in self._sleepers if other.deadline < math.inf), None)
                if heir is not None:
                    heir.nudge()

    def _lead(self, sleeper: _ThreadSleeper | _LoopSleeper) -> None:
        rest = _GRACE_S
        while not self._awake(sleeper):
            mark = self._watch.mark()
            sleeper.rest(rest)
            if self._awake(sleeper):
                return
            still = self._watch.still(mark, self._parked())
            left = self._advance(jump=still)
            rest = _GRACE_S if still else max(_GRACE_S, min(2 * rest, _LONGEST_REST_S, left))

    def _parked(self) -> set[int]:
        with self._lock:
            loops = {sleeper.thread for sleeper in self._sleepers if isinstance(sleeper, _LoopSleeper)}
            return loops | {thread for thread, sleeps in self._foreign_loops.items() if sleeps}

    def _advance(self, *, jump: bool) -> float:
        """Call whoever is due, after a jump to the earliest deadline if asked; return seconds to the next."""
        with self._lock:
            now = self.time()
            if jump:
                ahead = max(0.0, min(sleeper.deadline for sleeper in self._sleepers) - now)
                self._offset += ahead
                now += ahead
            for sleeper in self._sleepers:
                if sleeper.deadline <= now:
                    sleeper.nudge()
            return min((s.deadline - now for s in self._sleepers if s.deadline > now), default=0.0)


class _ThreadSleeper:
    """A thread in `VirtualClock.sleep`."""

    called_away = False

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._nudged = threading.Event()

    def rest(self, seconds: float | None) -> None:
        self._nudged.wait(seconds)
        self._nudged.clear()

    def nudge(self) -> None:
        self._nudged.set()


class _LoopSleeper:
    """An event loop in its selector, waiting for its next timer or a call from another thread."""

    def __init__(self, deadline: float, selector: _VirtualSelector) -> None:
        self.deadline = deadline
        self.thread = threading.get_native_id()
        self.events: _Events = []
        self._selector = selector

    @property
    def called_away(self) -> bool:
        return bool(self.events)

    def rest(self, seconds: float | None) -> None:
        # A selector counts in milliseconds and rounds up.
        if seconds is not None and seconds < 1e-3:
            _pause(seconds)
            seconds = 0.0
        self.events = self._selector.select_really(seconds)

    def nudge(self) -> None:
        self._selector.loop.call_soon_threadsafe(_nothing)


class _VirtualSelector(selectors.DefaultSelector):
    """Waits on the clock where only time is waited for, and really where I/O is."""

    own_descriptors = 0

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self.loop = loop

    def select_really(self, timeout: float | None) -> _Events:
        return super().select(timeout)

    def select(self, timeout: float | None = None) -> _Events:
        events = self.select_really(0.0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if len(self.get_map()) > self.own_descriptors:
            return self.select_really(timeout)
        clock = self.loop.clock
        sleeper = _LoopSleeper(math.inf if timeout is None else clock.time() + timeout, self)
        clock._wait(sleeper)
        return sleeper.events


class _VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose timers run on a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        selector = _VirtualSelector(self)
        super().__init__(selector)
        # What the loop wakes itself with is not I/O of the application.
        selector.own_descriptors = len(selector.get_map())

    def time(self) -> float:
        return self.clock.time()


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _nothing() -> None:
    """What a woken loop has to do."""
