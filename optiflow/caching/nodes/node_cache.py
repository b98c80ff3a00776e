"""The cache of one set of toggles: looks nodes' outcomes up, keeps them, and counts."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import ormsgpack

from optiflow.caching.backends.resilient import Resilient
from optiflow.caching.encoding import Codec, CorruptError, UncacheableError
from optiflow.caching.entry import sealed, unsealed
from optiflow.caching.flights import Flight, Flights
from optiflow.caching.message_ids import InputIds, NewIds, StoredIds
from optiflow.caching.nodes.identity import UnidentifiedError, identify
from optiflow.caching.nodes.seen import Seen, Visible, key_of, see
from optiflow.caching.usage import Answers, Usage, collect_answers, cost
from optiflow.steps import Steps, walk, walk_async

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CachedNode", "NodeCache"]

_WORK: Literal["work"] = "work"

_Step = Literal["work"] | Flight | partial[Any]
"""What a call of a node has to do: the node's work, wait for another's, read or write the place."""

_Steps = Steps[_Step, Any]

_COUNTED = ("hits", "misses", "merged", "uncacheable", "corrupt")


@dataclass(frozen=True)
class _Call:
    """One call of a node whose outcome may be known."""

    key: str
    ids: InputIds
    seen: Seen
    merges: bool


@dataclass(frozen=True)
class _Known:
    """An outcome, and what it took."""

    update: Any
    payload: bytes
    usages: list[Usage]
    """What each answer of a model took."""


class NodeCache:
    """Where the outcomes of nodes are kept, the work on them in progress, and what was counted.

    Args:
        open_store: Opens the place on first use.

    Raises:
        ConfigurationError: From `store`, where the place does not answer.
    """

    def __init__(self, open_store: Callable[[], Resilient]) -> None:
        self._open_store = open_store
        self._counted: Counter[str] = Counter()
        self._tokens = 0
        self._dollars = 0.0
        self._lock = threading.Lock()
        self.flights = Flights()

    @functools.cached_property
    def store(self) -> Resilient:
        """The place, opened on first use."""
        return self._open_store()

    def count(self, what: str) -> None:
        """Add one to a figure."""
        with self._lock:
            self._counted[what] += 1

    def save(self, how: str, usages: Iterable[Usage]) -> None:
        """An outcome was given without working for it."""
        tokens, dollars = cost(usages)
        with self._lock:
            self._counted[how] += 1
            self._tokens += tokens
            self._dollars += dollars

    def statistics(self) -> Mapping[str, float | int]:
        """What was counted so far."""
        with self._lock:
            figures = {f"node_{what}": self._counted[what] for what in _COUNTED}
            return {**figures, "tokens_saved": self._tokens, "usd_saved": self._dollars}


@dataclass(frozen=True)
class CachedNode:
    """Does a node's work, or knows what comes of it. Safe for threads and event loops."""

    cache: NodeCache
    namespace: str
    functions: tuple[Callable[..., Any], ...]
    """The node's functions as the application wrote them: what they are is part of the key."""
    vouched: bool
    """Whether somebody answers for it that they depend on nothing but input and constants."""
    place: bytes
    """Toggles, graph, versions, and which node this is: part of the key."""
    visible: Visible
    codec: Codec
    merges: bool
    """Whether equal calls wait for each other; not where the time of a call is limited."""

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The node's synchronous function with the cache around it."""

        @functools.wraps(work)
        def node(state: Any, *args: Any, **kwargs: Any) -> Any:
            return walk(self._outcome(state, sync=True), partial(_do, lambda: work(state, *args, **kwargs)))

        return node

    def around_async(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The node's asynchronous function with the cache around it."""

        @functools.wraps(work)
        async def node(state: Any, *args: Any, **kwargs: Any) -> Any:
            do = partial(self._do_async, lambda: work(state, *args, **kwargs))
            return await walk_async(self._outcome(state, sync=False), do)

        return node

    def _outcome(self, state: Any, *, sync: bool) -> _Steps:
        """What comes of a call: known, worked out by another call in progress, or by this one."""
        call = self._begin(state)
        if call is None:
            return (yield _WORK)
        while call.merges:
            flight, leads = self.cache.flights.join(call.key, sync=sync)
            if leads:
                with self.cache.flights.leading(call.key, flight):
                    return (yield from self._lead(call, flight))
            outcome = yield flight
            known = self._decoded(call, outcome) if isinstance(outcome, bytes) else None
            if known is not None:
                self.cache.save("merged", known.usages)
                return known.update
            if outcome != "failed":
                break
        return (yield from self._lead(call, None))

    def _lead(self, call: _Call, flight: Flight | None) -> _Steps:
        known = self._known(call, (yield partial(self.cache.store.get, self.namespace, call.key)))
        if known is None:
            with self._work(call) as done:
                done.update = yield _WORK
            if done.payload is not None:
                yield partial(self.cache.store.put, self.namespace, call.key, sealed(done.payload, call.key))
            return _landed(flight, done.payload, done.update)
        return _landed(flight, known.payload, self._hit(known))

    async def _do_async(self, work: Callable[[], Awaitable[Any]], step: _Step) -> Any:
        if isinstance(step, Flight):
            return await step.arrival()
        if isinstance(step, partial):
            return step() if self.cache.store.in_process else await asyncio.to_thread(step)
        return await work()

    def _begin(self, state: Any) -> _Call | None:
        """The key of a call, or None where its outcome can't be known."""
        seen = see(self.visible, state)
        if not seen.resumes:
            try:
                identity = identify(self.functions, vouched=self.vouched)
                key, ids = key_of(seen, self.place, identity.digest)
            except (UncacheableError, UnidentifiedError):
                pass
            else:
                return _Call(key, ids, seen, self.merges and not seen.streams_tokens)
        self.cache.count("uncacheable")
        return None

    def _known(self, call: _Call, entry: bytes | None) -> _Known | None:
        if entry is None:
            return None
        payload = unsealed(entry, call.key)
        known = None if payload is None else self._decoded(call, payload)
        if known is None:
            self.cache.count("corrupt")
            return None
        # Whoever listens to tokens would miss them.
        return None if call.seen.streams_tokens and known.usages else known

    def _decoded(self, call: _Call, payload: bytes) -> _Known | None:
        try:
            update, usages = ormsgpack.unpackb(payload)
            return _Known(self.codec.decode(update, NewIds(call.ids.given)), payload, usages)
        except (CorruptError, ormsgpack.MsgpackDecodeError, TypeError, ValueError):
            return None

    def _hit(self, known: _Known) -> Any:
        self.cache.save("hits", known.usages)
        return known.update

    @contextmanager
    def _work(self, call: _Call) -> Iterator[_Done]:
        """The node works: afterwards its outcome is encoded, before a reducer puts ids into its messages."""
        done = _Done()
        self.cache.count("misses")
        with collect_answers() as answers:
            yield done
        if not call.seen.resumes:
            done.encode(self.codec, call.ids, answers)
        if done.payload is None:
            self.cache.count("uncacheable")


class _Done:
    """What a node returned, and the same as it is kept."""

    update: Any = None
    payload: bytes | None = None

    def encode(self, codec: Codec, ids: InputIds, answers: Answers) -> None:
        try:
            stored = codec.encode(self.update, StoredIds(ids.numbers, answers.ids))
        except UncacheableError:
            return
        self.payload = ormsgpack.packb([stored, answers.usages])


def _do(work: Callable[[], Any], step: _Step) -> Any:
    if isinstance(step, Flight):
        return step.wait()
    return step() if isinstance(step, partial) else work()


def _landed(flight: Flight | None, payload: bytes | None, update: Any) -> Any:
    if flight is not None:
        flight.land(payload)
    return update
