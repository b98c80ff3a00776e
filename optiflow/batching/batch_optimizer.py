"""Asking a model many prompts: one after another, or several at a time with identical ones asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from optiflow.clock.base import current_clock
from optiflow.errors import ConfigurationError

if TYPE_CHECKING:
    from optiflow.optimizations.base import Statistics

__all__ = ["BatchOptimizer", "PromptOutcome", "activate", "active", "process_prompts", "process_prompts_parallel"]

T = TypeVar("T")

Ask = Callable[[str], Awaitable[T]]
"""Asks a model one prompt and makes of its answer whatever the caller wants to have."""


@dataclass(frozen=True, slots=True)
class PromptOutcome(Generic[T]):
    """What came of one prompt: a value or an error."""

    prompt: str
    """The prompt."""

    value: T | None = None
    """What ``ask`` returned; None if it failed."""

    error: Exception | None = None
    """What ``ask`` raised; None if it did not."""

    merged: bool = False
    """Whether this one was not asked, but shares the outcome of an identical prompt that was in flight."""

    def result(self) -> T:
        """The value.

        Raises:
            Exception: The error that ``ask`` raised.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # without an error the value is ask's own


@dataclass
class _OnLoop:
    """What belongs to one event loop: futures and semaphores don't work across loops."""

    slots: asyncio.Semaphore
    in_flight: dict[tuple[Hashable, str], asyncio.Future[PromptOutcome[Any]]] = field(default_factory=dict)


_lent_slot: ContextVar[asyncio.Semaphore | None] = ContextVar("optiflow_lent_slot", default=None)
"""Inside of an ask: the slot that it holds, which the prompts that it asks in turn use one at a time.

They must not wait for a slot of their own, which the ask that waits for them may be holding, nor for an
identical prompt in flight, which may be waiting for them.
"""


class BatchOptimizer:
    """Asks prompts concurrently, within one limit for everybody who shares it.

    Args:
        max_concurrency: Most prompts in flight at a time, on each event loop.

    Raises:
        ConfigurationError: The limit is below 1.
    """

    def __init__(self, max_concurrency: int) -> None:
        if max_concurrency < 1:
            raise ConfigurationError(f"max_concurrency is {max_concurrency!r}; it has to be 1 or more")
        self._max_concurrency = max_concurrency
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _OnLoop] = WeakKeyDictionary()
        self._batches = 0
        self._prompts = 0
        self._merged = 0
        self._failed = 0
        self._in_flight = 0
        self._peak_in_flight = 0
        self._waited_s = 0.0
        self._asked_s = 0.0

    async def process(
        self, prompts: Sequence[str], ask: Ask[T], *, identity: Hashable | None = None
    ) -> list[PromptOutcome[T]]:
        """Ask all prompts and wait for all outcomes; see `process_prompts`."""
        self._batches += 1
        self._prompts += len(prompts)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(prompt, ask, identity)) for prompt in prompts]
        # An ask that was cancelled from within does not end the group; awaiting it tells the caller all the
        # same.
        outcomes = [await task for task in tasks]
        self._merged += sum(outcome.merged for outcome in outcomes)
        self._failed += sum(outcome.error is not None for outcome in outcomes)
        return outcomes

    def statistics(self) -> dict[str, float | int | str]:
        """What was done so far; times are summed over prompts, in seconds of the run's clock."""
        return {
            "batches": self._batches,
            "prompts": self._prompts,
            "merged": self._merged,
            "failed": self._failed,
            "peak_in_flight": self._peak_in_flight,
            "waited_s": self._waited_s,
            "asked_s": self._asked_s,
        }

    async def _outcome(self, prompt: str, ask: Ask[T], identity: Hashable | None) -> PromptOutcome[T]:
        lent = _lent_slot.get()
        if lent is not None:
            return await self._asked(prompt, ask, lent)
        here = self._loops.setdefault(asyncio.get_running_loop(), _OnLoop(asyncio.Semaphore(self._max_concurrency)))
        if identity is None:
            return await self._asked(prompt, ask, here.slots)
        key = (identity, prompt)
        while (leader := here.in_flight.get(key)) is not None:
            await asyncio.wait([leader])
            # A leader that was cancelled leaves no outcome: one of those who waited asks in its place.
            if not leader.cancelled():
                led = leader.result()
                return PromptOutcome(prompt, led.value, led.error, merged=True)
        leader = here.in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._asked(prompt, ask, here.slots)
            leader.set_result(outcome)
            return outcome
        finally:
            del here.in_flight[key]
            leader.cancel()

    async def _asked(self, prompt: str, ask: Ask[T], slots: asyncio.Semaphore) -> PromptOutcome[T]:
        now = current_clock().time
        arrived = now()
        async with slots:
            started = now()
            self._waited_s += started - arrived
            self._in_flight += 1
            self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
            token = _lent_slot.set(asyncio.Semaphore(1))
            try:
                return await _ask_one(prompt, ask)
            finally:
                _lent_slot.reset(token)
                self._in_flight -= 1
                self._asked_s += now() - started


async def _ask_one(prompt: str, ask: Ask[T]) -> PromptOutcome[T]:
    try:
        return PromptOutcome(prompt, await ask(prompt))
    except Exception as error:  # noqa: BLE001  the outcome carries it to whoever asks for the result
        return PromptOutcome(prompt, error=error)


active: ContextVar[BatchOptimizer | None] = ContextVar("optiflow_batch_optimizer", default=None)
"""What dispatches the prompts of this context."""


@contextmanager
def activate(max_concurrency: int) -> Iterator[Statistics]:
    """Let `process_prompts` ask concurrently within the block, under one limit for all of its callers.

    Yields:
        A function that returns the statistics so far.

    Raises:
        ConfigurationError: The limit is below 1.
    """
    optimizer = BatchOptimizer(max_concurrency)
    token = active.set(optimizer)
    try:
        yield optimizer.statistics
    finally:
        active.reset(token)


async def process_prompts(
    prompts: Sequence[str], ask: Ask[T], *, identity: Hashable | None = None
) -> list[PromptOutcome[T]]:
    """Ask every prompt, one strictly after another unless a toggle made it concurrent.

    Prompts that an ``ask`` processes in turn are asked one at a time, within the slot of the prompt that
    they serve.

    Args:
        prompts: The prompts.
        ask: Asks one of them. Its errors go into the outcomes; cancellation goes to everybody.
        identity: Everything besides the prompt that decides what ``ask`` returns: model, settings, and what
            is made of the answer. Where prompts are concurrent, one that equals another in flight with the
            same identity is not asked but shares its outcome. None: never.

    Returns:
        The outcomes, in the order of the prompts.
    """
    optimizer = active.get()
    if optimizer is not None:
        return await optimizer.process(prompts, ask, identity=identity)
    return [await _ask_one(prompt, ask) for prompt in prompts]


async def process_prompts_parallel(
    prompts: Sequence[str], ask: Ask[T], *, max_concurrency: int, identity: Hashable | None = None
) -> list[PromptOutcome[T]]:
    """Ask prompts concurrently, under a limit of their own.

    Args:
        prompts: The prompts.
        ask: Asks one of them.
        max_concurrency: Most prompts of this call in flight at a time.
        identity: As for `process_prompts`; prompts are shared within this call.

    Returns:
        The outcomes, in the order of the prompts.

    Raises:
        ConfigurationError: The limit is below 1.
    """
    return await BatchOptimizer(max_concurrency).process(prompts, ask, identity=identity)
