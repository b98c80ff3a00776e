"""A run goes on without its cache."""

from __future__ import annotations

import io

import pytest

from optiflow import log
from optiflow.caching.backends.base import Limits
from optiflow.caching.backends.memory import MemoryBackend
from optiflow.caching.backends.resilient import Resilient
from optiflow.errors import StoreError


class Flaky(MemoryBackend):
    """A place that is away when it is told to be."""

    away = False
    asked = 0

    def get(self, namespace: str, key: str) -> bytes | None:
        self.asked += 1
        if self.away:
            raise StoreError("cache somewhere: gone")
        return super().get(namespace, key)


@pytest.fixture
def lines() -> io.StringIO:
    """What is logged."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield stream
    log.configure()


def test_it_is_said_once_and_left_alone(lines: io.StringIO) -> None:
    """The place is not asked again for a while, and nobody fails."""
    flaky = Flaky(Limits())
    cache = Resilient(flaky)
    cache.put("n", "k", b"v")
    assert cache.get("n", "k") == b"v"
    flaky.away = True
    assert [cache.get("n", "k") for _ in range(5)] == [None] * 5
    assert (flaky.asked, cache.errors) == (2, 1)
    assert lines.getvalue().count("the cache failed, the run goes on without it") == 1
    assert "cache somewhere: gone" in lines.getvalue()


def test_it_comes_back(lines: io.StringIO) -> None:
    """After the pause it is asked again; each time of absence is said once."""
    flaky = Flaky(Limits())
    cache = Resilient(flaky, pause_s=0.0)
    cache.put("n", "k", b"v")
    for _ in range(2):
        flaky.away = True
        assert [cache.get("n", "k") for _ in range(3)] == [None] * 3
        flaky.away = False
        assert cache.get("n", "k") == b"v"
    cache.delete("n", "k")
    assert cache.get("n", "k") is None
    assert cache.errors == 6
    assert cache.in_process
    assert lines.getvalue().count("the cache failed") == 2
