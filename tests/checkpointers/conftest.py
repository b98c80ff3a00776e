"""What the tests of checkpointers share: keys of their own in Redis, a port where nobody listens, a plain user."""

from __future__ import annotations

import socket
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
def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
