"""Counting tokens: two functions for everybody, and the seams at which toggles change how they work.

*What* counts is the active `Counter` (`use_counter`); *where* long texts are counted is the active
`Offload` (`use_offload`). Both are context variables, so each run has its own, and neither knows of the
other.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, Protocol, TypeVar

import tiktoken

from optiflow.monitor.performance_monitor import performance_monitor
from optiflow.tokens.encodings import encoded_length, encoding_name, is_built, use_shipped_rank_files

__all__ = [
    "Counter",
    "NaiveCounter",
    "Offload",
    "active_counter",
    "active_offload",
    "count_tokens",
    "count_tokens_async",
    "use_counter",
    "use_offload",
]


P = ParamSpec("P")
R = TypeVar("R")

_PREFIX = "optiflow-tokens"
"""Names of threads that count begin with it."""


class Counter(Protocol):
    """Counts tokens."""

    def count(self, text: str, model: str) -> int:
        """The number of tokens of ``text`` for ``model``."""
        ...

    def holds(self, text: str, model: str) -> bool:
        """Whether the count is known already, so that it costs nothing worth moving to a thread."""
        ...


class NaiveCounter:
    """Looks the tokenizer up and encodes the whole text on every count, as applications do at first."""

    def count(self, text: str, model: str) -> int:
        """The number of tokens of ``text`` for ``model``."""
        use_shipped_rank_files()
        try:
            encoding = tiktoken.encoding_for_model(model)
        except KeyError:
            encoding = tiktoken.get_encoding(encoding_name(model))
        return encoded_length(encoding, text)

    def holds(self, text: str, model: str) -> bool:
        """Never: nothing is remembered."""
        return False


class Offload:
    """Moves counting off the event loop where the work outweighs the way to a thread and back.

    The threads are its own, one a processor: tiktoken lets go of the interpreter only in part, and more
    threads than processors, as in the pool of `asyncio.to_thread`, lose by contention what the second
    processor gains. Nor must counting hold up whatever else waits for that pool.

    Args:
        min_characters: Texts from this length on are counted in a thread; shorter ones inline. A text of any
            length goes to a thread while its tokenizer has yet to be built.
    """

    def __init__(self, min_characters: int) -> None:
        self._min_characters = min_characters
        self._threads: ThreadPoolExecutor | None = None
        self._holders = 0
        # Reentrant: a garbage collection may end a run, on this very thread, while a pool is made.
        self._lock = threading.RLock()
        self.offloaded = 0
        self.inline = 0

    def hold(self) -> None:
        """Let texts be counted in threads until `release` is called as often."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Let the threads end, unless somebody else holds them; whoever still counts here does it inline."""
        with self._lock:
            self._holders -= 1
            threads = None if self._holders else self._threads
            if threads is not None:
                self._threads = None
        if threads is not None:
            # What is abandoned may be collected anywhere, and a thread can't wait for itself.
            threads.shutdown(wait=not threading.current_thread().name.startswith(_PREFIX))

    def wants(self, text: str, model: str, counter: Counter) -> bool:
        """Decide, and keep account of, where this text is counted."""
        wanted = self._holders > 0 and (len(text) >= self._min_characters or not is_built(encoding_name(model)))
        # Most texts are short: their counter need not look them up twice.
        wanted = wanted and not counter.holds(text, model)
        with self._lock:
            self.offloaded += wanted
            self.inline += not wanted
        return wanted

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``function`` in a thread, within the caller's context, as `asyncio.to_thread` does."""
        call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool(), call)

    def _pool(self) -> ThreadPoolExecutor:
        # Most runs count no long text: a pool is made for those that do.
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix=_PREFIX)
            return self._threads


active_counter: ContextVar[Counter] = ContextVar("optiflow_token_counter", default=NaiveCounter())  # noqa: B039
"""What counts in this context."""

active_offload: ContextVar[Offload | None] = ContextVar("optiflow_token_offload", default=None)
"""Where long texts are counted in this context."""


@contextmanager
def use_counter(counter: Counter) -> Iterator[None]:
    """Count with ``counter`` within the block."""
    token = active_counter.set(counter)
    try:
        yield
    finally:
        active_counter.reset(token)


@contextmanager
def use_offload(min_characters: int) -> Iterator[Offload]:
    """Let `count_tokens_async` count texts from ``min_characters`` on in threads within the block."""
    offload = Offload(min_characters)
    offload.hold()
    token = active_offload.set(offload)
    try:
        yield offload
    finally:
        active_offload.reset(token)
        offload.release()


@performance_monitor("token_operations")
def count_tokens(text: str, model: str) -> int:
    """The number of tokens of ``text`` for ``model``, counted on the calling thread."""
    return active_counter.get().count(text, model)


async def count_tokens_async(text: str, model: str) -> int:
    """The number of tokens of ``text`` for ``model``, without blocking the event loop where that pays.

    Without an active `Offload` this is `count_tokens`.
    """
    offload = active_offload.get()
    if offload is not None and offload.wants(text, model, active_counter.get()):
        return await offload.run(count_tokens, text, model)
    return count_tokens(text, model)
