"""One tokenizer for the whole process, and token counts remembered for a run."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tiktoken

from optiflow.tokens.encodings import encoded_length, encoding_name, use_shipped_rank_files

__all__ = ["CacheStatistics", "CountCache", "TokenizerCache"]


class TokenizerCache:
    """The process's tokenizers, each built once however many threads ask for it at the same time.

    A singleton: ``TokenizerCache()`` is always the same object.
    """

    _instance: ClassVar[TokenizerCache | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()

    _encodings: dict[str, tiktoken.Encoding]
    _initializations: Tally[str]
    _lock: threading.Lock

    def __new__(cls) -> TokenizerCache:
        """The one instance, made on the first call."""
        with cls._instance_lock:
            if cls._instance is None:
                cls._instance = super().__new__(cls)
                cls._instance._encodings = {}
                cls._instance._initializations = Tally()
                cls._instance._lock = threading.Lock()
            return cls._instance

    @property
    def initializations(self) -> Mapping[str, int]:
        """How often each encoding was built in this process."""
        with self._lock:
            return dict(self._initializations)

    def lookup(self, encoding: str) -> tuple[tiktoken.Encoding, bool]:
        """The tokenizer of that name, and whether it was there already."""
        tokenizer = self._encodings.get(encoding)
        if tokenizer is not None:
            return tokenizer, True
        with self._lock:
            tokenizer = self._encodings.get(encoding)
            if tokenizer is not None:
                return tokenizer, True
            use_shipped_rank_files()
            tokenizer = tiktoken.get_encoding(encoding)
            self._initializations[encoding] += 1
            self._encodings[encoding] = tokenizer
            return tokenizer, False


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What a `CountCache` has done so far."""

    hits: int
    """Counts that were remembered."""

    misses: int
    """Counts that had to be made."""

    entries: int
    """Counts held now."""

    characters: int
    """Characters of text held now."""

    evictions: int
    """Counts given up to stay within the bounds."""

    tokenizer_hits: int
    """Times a tokenizer was needed and there."""

    tokenizer_misses: int
    """Times a tokenizer was needed and had to be built."""

    initializations: int
    """How often the process has built the encoding that it built most often, among those used here: 1 is
    one
    instance of each, 0 is that none was needed."""

    @property
    def hit_rate(self) -> float:
        """Share of the counts that were remembered; 0 without any."""
        return _share(self.hits, self.misses)

    @property
    def tokenizer_hit_rate(self) -> float:
        """Share of the needs of a tokenizer that found it there; 0 without any."""
        return _share(self.tokenizer_hits, self.tokenizer_misses)


def _share(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits or misses else 0.0


class CountCache:
    """A `Counter` that remembers the counts used last; one for each run, so that no run warms another.

    Args:
        max_entries: Most counts held.
        max_characters: Most characters of text held; a longer text is counted and not held.
    """

    def __init__(self, max_entries: int, max_characters: int) -> None:
        self._max_entries = max_entries
        self._max_characters = max_characters
        self._tokenizers = TokenizerCache()
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._characters = 0
        self._used: set[str] = set()
        # Plain numbers: one of these is made for each run.
        self._hits = self._misses = self._evictions = 0
        self._tokenizer_hits = self._tokenizer_misses = 0
        self._lock = threading.Lock()

    def count(self, text: str, model: str) -> int:
        """The number of tokens of ``text`` for ``model``, remembered or counted."""
        key = (encoding_name(model), text)
        with self._lock:
            count = self._counts.get(key)
            if count is not None:
                self._counts.move_to_end(key)
                self._hits += 1
                return count
        # Two threads may count the same text at once; that costs less than making one wait for the other.
        tokenizer, found = self._tokenizers.lookup(key[0])
        count = encoded_length(tokenizer, text)
        with self._lock:
            self._misses += 1
            self._tokenizer_hits += found
            self._tokenizer_misses += not found
            self._used.add(key[0])
            self._hold(key, count)
        return count

    def holds(self, text: str, model: str) -> bool:
        """Whether the count is remembered; asking does not count as use."""
        with self._lock:
            return (encoding_name(model), text) in self._counts

    def statistics(self) -> CacheStatistics:
        """What the cache has done so far."""
        built = self._tokenizers.initializations
        with self._lock:
            return CacheStatistics(
                hits=self._hits,
                misses=self._misses,
                entries=len(self._counts),
                characters=self._characters,
                evictions=self._evictions,
                tokenizer_hits=self._tokenizer_hits,
                tokenizer_misses=self._tokenizer_misses,
                initializations=max((built[name] for name in self._used), default=0),
            )

    def _hold(self, key: tuple[str, str], count: int) -> None:
        if key in self._counts or len(key[1]) > self._max_characters:
            return
        self._counts[key] = count
        self._characters += len(key[1])
        while len(self._counts) > self._max_entries or self._characters > self._max_characters:
            (_, text), _ = self._counts.popitem(last=False)
            self._characters -= len(text)
            self._evictions += 1
