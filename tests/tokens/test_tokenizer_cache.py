"""Tests of the process's tokenizers and of remembered counts."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from optiflow.tokens import CountCache, TokenizerCache
from optiflow.tokens.counting import NaiveCounter

MODEL = "gpt-4o"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has built no tokenizer yet."""
    monkeypatch.setattr(TokenizerCache, "_instance", None)


def in_threads(number: int, function: object) -> list[object]:
    """Call ``function`` in that many threads at the same moment."""
    barrier = threading.Barrier(number)

    def call(_: int) -> object:
        barrier.wait()
        return function()  # type: ignore[operator]

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, range(number)))


def test_there_is_one_cache_for_the_process(fresh: None) -> None:
    """However many threads make it at once, it is one object."""
    caches = in_threads(16, TokenizerCache)
    assert all(cache is caches[0] for cache in caches)


def test_each_tokenizer_is_built_once(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that ask at the same moment share the one that the first of them builds."""
    built: Counter[str] = Counter()
    plain = tiktoken.get_encoding

    def slow(name: str) -> tiktoken.Encoding:
        built[name] += 1
        threading.Event().wait(0.02)  # the others arrive meanwhile
        return plain(name)

    monkeypatch.setattr(tiktoken, "get_encoding", slow)
    looked_up = in_threads(16, lambda: TokenizerCache().lookup("o200k_base"))
    assert built == {"o200k_base": 1}
    assert TokenizerCache().initializations == {"o200k_base": 1}
    assert sum(not found for _, found in looked_up) == 1  # type: ignore[misc]
    assert len({id(tokenizer) for tokenizer, _ in looked_up}) == 1  # type: ignore[misc]


def test_a_repeated_text_is_counted_once(fresh: None) -> None:
    """The second count of a text is a hit, for every model with the same encoding."""
    cache = CountCache(10, 1000)
    assert cache.statistics().hit_rate == cache.statistics().tokenizer_hit_rate == 0
    assert not cache.holds("hello world", MODEL)
    assert cache.count("hello world", MODEL) == 2
    assert cache.holds("hello world", "gpt-4.1")
    assert cache.count("hello world", "gpt-4.1") == 2
    assert cache.count("another", MODEL) == 1
    seen = cache.statistics()
    assert (seen.hits, seen.misses, seen.entries, seen.characters) == (1, 2, 2, 18)
    assert (seen.tokenizer_hits, seen.tokenizer_misses, seen.initializations) == (1, 1, 1)
    assert seen.hit_rate == pytest.approx(1 / 3)
    assert seen.tokenizer_hit_rate == 0.5


def test_encodings_are_kept_apart(fresh: None) -> None:
    """The same text has a count of its own in each encoding; each encoding is built once."""
    cache = CountCache(10, 1000)
    text = "Übergrößenträger"
    assert cache.count(text, MODEL) == NaiveCounter().count(text, MODEL)
    assert cache.count(text, "gpt-4") == NaiveCounter().count(text, "gpt-4")
    assert cache.statistics().entries == 2
    assert cache.statistics().initializations == 1
    assert TokenizerCache().initializations == {"o200k_base": 1, "cl100k_base": 1}


def test_runs_do_not_warm_each_other() -> None:
    """Each cache begins empty; the tokenizer is there already."""
    first, second = CountCache(10, 1000), CountCache(10, 1000)
    first.count("hello", MODEL)
    second.count("hello", MODEL)
    assert (second.statistics().hits, second.statistics().misses) == (0, 1)
    assert (second.statistics().tokenizer_hits, second.statistics().initializations) == (1, 1)


def test_the_least_recently_used_goes_first() -> None:
    """Beyond the bound of entries, what was not used longest is given up."""
    cache = CountCache(2, 1000)
    cache.count("a", MODEL)
    cache.count("b", MODEL)
    cache.count("a", MODEL)
    cache.count("c", MODEL)
    assert [cache.holds(text, MODEL) for text in "abc"] == [True, False, True]
    assert cache.statistics().evictions == 1


def test_characters_are_bounded() -> None:
    """Beyond the bound of characters entries go too; a text beyond it is counted and not held."""
    cache = CountCache(100, 10)
    cache.count("12345", MODEL)
    cache.count("abcde", MODEL)
    cache.count("xyz", MODEL)
    assert [cache.holds(text, MODEL) for text in ("12345", "abcde", "xyz")] == [False, True, True]
    assert cache.count("x" * 11, MODEL) > 0
    assert not cache.holds("x" * 11, MODEL)
    assert cache.statistics().characters == 8


@settings(deadline=None)
@given(st.lists(st.text(max_size=6), max_size=40), st.integers(1, 5), st.integers(1, 12))
def test_bounds_hold_and_counts_are_right(texts: list[str], max_entries: int, max_characters: int) -> None:
    """Whatever is counted in whatever order, counts are the naive ones and the bounds hold."""
    cache = CountCache(max_entries, max_characters)
    naive = NaiveCounter()
    for text in texts:
        assert cache.count(text, MODEL) == naive.count(text, MODEL)
        seen = cache.statistics()
        assert seen.entries <= max_entries
        assert seen.characters <= max_characters
    assert cache.statistics().hits + cache.statistics().misses == len(texts)


def test_threads_lose_no_counts() -> None:
    """Concurrent use keeps the account and the bounds."""
    cache = CountCache(8, 1000)

    def count() -> int:
        return sum(cache.count(f"text {number % 16}", MODEL) for number in range(200))

    totals = in_threads(8, count)
    assert len(set(totals)) == 1
    seen = cache.statistics()
    assert seen.hits + seen.misses == 1600
    assert seen.entries == 8
    assert seen.characters == sum(len(text) for _, text in cache._counts)
