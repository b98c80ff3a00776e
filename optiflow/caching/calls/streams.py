"""Streams under way, read by several callers: each gets every part, at his own pace.

A stream advances when somebody wants a part that has not come yet, as it would for one caller, whoever that is; so
nobody depends on another's reading on. It ends for all when the model ends it, and is given up when nobody reads it any
more. It can be joined as long as nothing has come, or somebody is waiting for the next part right now: one that lies
half-read may long be dead on the other side of the network.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

from optiflow.caching.calls.flights import go_alone
from optiflow.caching.calls.parts import Part

__all__ = ["AsyncSharedStream", "LostError", "SharedStream", "Streams"]

S = TypeVar("S", bound="_Shared")


class LostError(Exception):
    """A stream failed before a follower was given any of it: he may ask anew."""


class _Shared(ABC):
    def __init__(self) -> None:
        self.readers = 0
        self._parts: list[Part] = []
        self._ended = False
        self._error: BaseException | None = None

    @property
    def is_open(self) -> bool:
        """Whether one more may join."""
        return not self._ended and (not self._parts or self._advances)

    def first(self, count: int) -> list[Part]:
        """What has been read by who got so many parts."""
        return self._parts[:count]

    @property
    @abstractmethod
    def _advances(self) -> bool:
        """Whether the next part is being waited for."""

    def _outcome(self, position: int, *, leads: bool) -> Part | None:
        """What a reader gets at a position, once it is there or the stream has ended; None: it is complete."""
        if position < len(self._parts):
            return self._parts[position]
        if self._error is None:
            return None
        if position == 0 and not leads:
            raise LostError
        raise self._error


class SharedStream(_Shared):
    """A stream that threads read.

    Args:
        source: Its parts.
    """

    def __init__(self, source: Generator[Part]) -> None:
        super().__init__()
        self._source = source
        self._turn = threading.Lock()
        # The model works in one context, whichever thread makes it go on, as it would for one caller.
        self._context = copy_context()
        self._context.run(go_alone)

    @property
    def _advances(self) -> bool:
        return self._turn.locked()

    def read(self, *, leads: bool) -> Iterator[Part]:
        """Every part.

        Args:
            leads: Whether the caller is who asked.

        Raises:
            LostError: The stream failed, and the caller may ask anew.
        """
        position = 0
        while (part := self._at(position, leads=leads)) is not None:
            yield part
            position += 1

    def give_up(self) -> None:
        """Nobody reads any more."""
        self._context.run(self._source.close)

    def _at(self, position: int, *, leads: bool) -> Part | None:
        if position >= len(self._parts):
            with self._turn:
                if position >= len(self._parts) and not self._ended:
                    self._advance()
        return self._outcome(position, leads=leads)

    def _advance(self) -> None:
        try:
            part = self._context.run(next, self._source, None)
        except BaseException as error:
            self._error, self._ended = error, True
            if not isinstance(error, Exception):
                raise
        else:
            if part is None:
                self._ended = True
            else:
                self._parts.append(part)


class AsyncSharedStream(_Shared):
    """A stream that coroutines of one event loop read.

    A task of its own asks the model, from the first part to the last, so that it does not matter to it who reads on and
    who is cancelled.

    Args:
        source: Its parts.
    """

    def __init__(self, source: AsyncGenerator[Part]) -> None:
        super().__init__()
        self._source = source
        self._asking = False
        self._wanted = 0
        self._demand = asyncio.Event()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._ask())

    @property
    def _advances(self) -> bool:
        return self._asking

    async def read(self, *, leads: bool) -> AsyncIterator[Part]:
        """Every part; as `SharedStream.read`."""
        position = 0
        while True:
            while position >= len(self._parts) and not self._ended:
                self._wanted = max(self._wanted, position + 1)
                self._demand.set()
                await self._news.wait()
            part = self._outcome(position, leads=leads)
            if part is None:
                return
            yield part
            position += 1

    async def give_up(self) -> None:
        """Nobody reads any more; returns when the model has been left."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _ask(self) -> None:
        try:
            go_alone()
            while True:
                while self._wanted <= len(self._parts):
                    self._demand.clear()
                    await self._demand.wait()
                self._asking = True
                part = await anext(self._source, None)
                self._asking = False
                if part is None:
                    return
                self._parts.append(part)
                self._tell()
        except BaseException as error:  # noqa: BLE001 - it is raised where the stream is read
            self._error = error
        finally:
            self._ended = True
            self._tell()
            await self._source.aclose()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Streams(Generic[S]):
    """The streams under way of one run."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, AbstractEventLoop | None], S] = {}
        # A stream that is read no further is left when the garbage collector finds it, in whichever thread that runs,
        # perhaps in one that holds the lock.
        self._lock = threading.RLock()

    def join(self, key: str, loop: AbstractEventLoop | None, new: Callable[[], S]) -> tuple[S, bool]:
        """A stream under way that the caller may read, or a new one; he has to `leave` it.

        Args:
            key: What is asked.
            loop: The caller's event loop; None: he is a thread.
            new: Makes a stream.

        Returns:
            The stream, and whether it is new.
        """
        with self._lock:
            found = self._streams.get((key, loop))
            leads = found is None or not found.is_open
            stream = new() if found is None or leads else found
            self._streams[key, loop] = stream
            stream.readers += 1
            return stream, leads

    def leave(self, key: str, loop: AbstractEventLoop | None, stream: S) -> bool:
        """Read no further; whether nobody else reads it either."""
        with self._lock:
            stream.readers -= 1
            if stream.readers == 0 and self._streams.get((key, loop)) is stream:
                del self._streams[key, loop]
            return stream.readers == 0
