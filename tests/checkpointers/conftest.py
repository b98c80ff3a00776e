"""Savers on real services, each test with keys and tables of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """What this test's keys begin with; they are gone afterwards."""
    prefix = f"optiflow-test:{uuid4().hex}"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)


@pytest.fixture
def redis_address(redis_url: str, redis_prefix: str) -> str:
    """The address of a Redis checkpointer under this test's prefix."""
    return f"{redis_url}?prefix={redis_prefix}"
