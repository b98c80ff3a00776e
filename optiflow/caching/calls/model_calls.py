"""The calls of one run: who asks the model, who waits for an equal request, and what is kept."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from langchain_core.globals import get_llm_cache

from optiflow.caching.calls.flights import Flight, Flights, alone, is_alone
from optiflow.caching.calls.identity import request_key
from optiflow.caching.calls.parts import Part, copied, fresh, messages_of
from optiflow.caching.calls.request import Request
from optiflow.caching.calls.responses import Responses, ResponseStore
from optiflow.caching.calls.sampling import is_deterministic
from optiflow.caching.calls.statistics import CallStatistics
from optiflow.caching.calls.streams import AsyncSharedStream, LostError, SharedStream, Streams

__all__ = ["Merge", "ModelCalls"]

Merge = Literal["deterministic", "all", "none"]
"""Which calls in flight may share one answer."""

_ATTEMPTS = 2
"""How many requests of others, each failing for its own caller, are waited for before somebody asks alone."""


@dataclass(frozen=True, slots=True)
class _Keys:
    in_flight: str | None = None
    """None: the request is not merged with others."""
    kept: str | None = None
    """None: its answer is not kept."""

    @property
    def is_plain(self) -> bool:
        """Whether the answer is the caller's alone."""
        return self.in_flight is None and self.kept is None

    def attempts(self, *, waits: bool = True) -> tuple[str, ...]:
        """What to join, as often as that may be tried."""
        return () if self.in_flight is None or not waits else (self.in_flight,) * _ATTEMPTS


class ModelCalls:
    """Answers requests for the chat models of one run.

    Whoever gets a part may change it, and has yet to tell his callbacks the tokens that come with it.

    Args:
        merge: Which requests are merged.
        store: Where answers are kept; None: nowhere.
    """

    def __init__(self, merge: Merge, store: ResponseStore | None) -> None:
        self.statistics = CallStatistics()
        self._merge = merge
        self._responses = Responses(store, self.statistics)
        self._flights = Flights()
        self._streams: Streams[SharedStream] = Streams()
        self._async_streams: Streams[AsyncSharedStream] = Streams()

    def result(self, request: Request) -> Part:
        """A whole answer."""
        keys = self._keys(request, "result")
        for key in keys.attempts(waits=not _on_loop()):
            flight, leads = self._flights.join(key, None)
            if leads:
                with alone(), self._landing(key, None, flight) as land:
                    answer, own = self._ask(request, keys)
                    land(answer)
                return own
            landed = flight.wait()
            if landed is not None:
                return self._followed(request, landed)
        return self._ask(request, keys)[1]

    async def result_async(self, request: Request) -> Part:
        """A whole answer."""
        keys = self._keys(request, "result")
        loop = asyncio.get_running_loop()
        for key in keys.attempts():
            flight, leads = self._flights.join(key, loop)
            if leads:
                with alone(), self._landing(key, loop, flight) as land:
                    answer, own = await self._ask_async(request, keys)
                    land(answer)
                return own
            landed = await flight.arrival()
            if landed is not None:
                return self._followed(request, landed)
        return (await self._ask_async(request, keys))[1]

    def chunks(self, request: Request) -> Iterator[Part]:
        """An answer bit by bit."""
        keys = self._keys(request, "chunks")
        for key in keys.attempts(waits=not _on_loop()):
            stream, leads = self._streams.join(key, None, lambda: SharedStream(self._source(request, keys)))
            given = 0
            try:
                for part in stream.read(leads=leads):
                    yield _own(part) if leads else fresh(part)
                    given += 1
                return
            except LostError:
                continue
            finally:
                if given and not leads:
                    self.statistics.count_merged(request.model_name, messages_of(stream.first(given)))
                if self._streams.leave(key, None, stream):
                    stream.give_up()
        if keys.is_plain:
            yield from request.chunks(recorded=False)
            return
        with closing(self._source(request, keys)) as source:
            for part in source:
                yield _own(part)

    async def chunks_async(self, request: Request) -> AsyncIterator[Part]:
        """An answer bit by bit."""
        keys = self._keys(request, "chunks")
        loop = asyncio.get_running_loop()
        for key in keys.attempts():
            stream, leads = self._async_streams.join(
                key, loop, lambda: AsyncSharedStream(self._source_async(request, keys))
            )
            given = 0
            try:
                async for part in stream.read(leads=leads):
                    yield _own(part) if leads else fresh(part)
                    given += 1
                return
            except LostError:
                continue
            finally:
                if given and not leads:
                    self.statistics.count_merged(request.model_name, messages_of(stream.first(given)))
                if self._async_streams.leave(key, loop, stream):
                    await stream.give_up()
        if keys.is_plain:
            async with aclosing(request.chunks_async(recorded=False)) as chunks:
                async for part in chunks:
                    yield part
            return
        async with aclosing(self._source_async(request, keys)) as source:
            async for part in source:
                yield _own(part)

    def _keys(self, request: Request, form: str) -> _Keys:
        model = request.model
        has_cache = model.cache is not False and (model.cache is not None or get_llm_cache() is not None)
        if has_cache or is_alone():
            return _Keys()
        if self._merge != "all" and not is_deterministic(model, request.arguments):
            self.statistics.count_not_deterministic()
            return _Keys()
        if request.manager is not None:
            form += ", callbacks told"
        key = partial(request_key, model, form, request.messages, request.stop, request.arguments)
        merges = self._merge != "none"
        keeps = self._responses.keeps and model.cache is not False
        return _Keys(
            _if_comparable(partial(key, lasting=False)) if merges else None,
            _if_comparable(partial(key, lasting=True)) if keeps else None,
        )

    def _ask(self, request: Request, keys: _Keys) -> tuple[Part, Part]:
        """The answer as it is for others, and as it is for the caller."""
        kept = self._responses.get(keys.kept, request)
        if kept is not None:
            return kept[0], kept[0]
        part = request.result(recorded=not keys.is_plain)
        self._responses.put(keys.kept, [part])
        return part, Part(part.content)

    async def _ask_async(self, request: Request, keys: _Keys) -> tuple[Part, Part]:
        kept = await self._responses.get_async(keys.kept, request)
        if kept is not None:
            return kept[0], kept[0]
        part = await request.result_async(recorded=not keys.is_plain)
        await self._responses.put_async(keys.kept, [part])
        return part, Part(part.content)

    def _source(self, request: Request, keys: _Keys) -> Generator[Part]:
        """The parts of a stream, which nobody may change."""
        parts = self._responses.get(keys.kept, request)
        if parts is not None:
            yield from parts
            return
        parts = []
        with closing(request.chunks(recorded=True)) as chunks:
            for part in chunks:
                if keys.kept is not None:
                    parts.append(part)
                yield part
        self._responses.put(keys.kept, parts)

    async def _source_async(self, request: Request, keys: _Keys) -> AsyncGenerator[Part]:
        parts = await self._responses.get_async(keys.kept, request)
        if parts is not None:
            for part in parts:
                yield part
            return
        parts = []
        async with aclosing(request.chunks_async(recorded=True)) as chunks:
            async for part in chunks:
                if keys.kept is not None:
                    parts.append(part)
                yield part
        await self._responses.put_async(keys.kept, parts)

    def _followed(self, request: Request, landed: Part) -> Part:
        self.statistics.count_merged(request.model_name, messages_of([landed]))
        return fresh(landed)

    @contextmanager
    def _landing(self, key: str, loop: AbstractEventLoop | None, flight: Flight) -> Iterator[Callable[[Part], None]]:
        """Give the followers what the block hands over, or nothing if it fails."""
        landed: list[Part] = []
        try:
            yield landed.append
        finally:
            self._flights.leave(key, loop)
            flight.land(_copy_of(landed[0]) if landed and flight.followers else None)


def _on_loop() -> bool:
    """Whether this thread runs an event loop, which whoever makes a request may need."""
    return asyncio._get_running_loop() is not None


def _if_comparable(key: Callable[[], str]) -> str | None:
    try:
        return key()
    except Exception:  # noqa: BLE001 - whatever a model's parts do when they are looked at, the call goes on
        return None


def _copy_of(part: Part) -> Part | None:
    try:
        return copied(part)
    except Exception:  # noqa: BLE001 - an answer that can't be copied is the caller's alone
        return None


def _own(part: Part) -> Part:
    return _copy_of(part) or part
