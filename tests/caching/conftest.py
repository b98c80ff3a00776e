"""What tests of caches share."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

_LOCK = "optiflow-test-cache-lock"


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[str]:
    """A logical database of the shared Redis server in which no cache is kept by any other test at the same time.

    Only the cache's own keys are ever deleted: other programs may keep theirs beside them.
    """
    import redis

    for number in range(15, 3, -1):
        url = urlsplit(redis_url)._replace(path=f"/{number}").geturl()
        client = redis.Redis.from_url(url)
        if client.set(_LOCK, "taken", nx=True, ex=120):
            break
        client.close()
    else:
        pytest.fail("no free database in Redis")
    _forget(client)
    try:
        yield url
    finally:
        _forget(client)
        client.delete(_LOCK)
        client.close()


def _forget(client: object) -> None:
    for key in client.scan_iter("{optiflow:cache}*"):  # type: ignore[attr-defined]
        client.delete(key)  # type: ignore[attr-defined]
