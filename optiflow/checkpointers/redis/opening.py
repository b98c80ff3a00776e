"""Redis by URL, for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis

from optiflow.checkpointers.in_threads import AsyncInThreads
from optiflow.checkpointers.messages import unavailable
from optiflow.checkpointers.redis.saver import RedisSaver
from optiflow.errors import ConfigurationError

__all__ = ["opened"]

_RIGHT = "a running server, a user and password that it knows, and a database that it has"
_PARAMETERS = "parameters that redis-py knows"
_TTL = "ttl_s"


class _RedisSaver(AsyncInThreads, RedisSaver):
    """For both kinds of runs through one blocking client, as the others."""


@contextmanager
def opened(url: str) -> Iterator[RedisSaver]:
    """Connect to a server.

    Args:
        url: A URL as redis-py takes it; ``ttl_s`` among its parameters is ours.

    Raises:
        ConfigurationError: The server can't be reached or refuses, or a parameter makes no sense.
    """
    address, ttl_s = _without_ttl(url)
    try:
        saver = _RedisSaver.from_url(address, ttl_s=ttl_s)
    except (TypeError, ValueError) as error:
        raise unavailable("Redis", url, error, _PARAMETERS) from error
    try:
        saver.setup()
    except (redis.RedisError, OSError) as error:
        raise unavailable("Redis", url, error, _RIGHT) from error
    except TypeError as error:
        # redis-py finds parameters that it does not know when it connects.
        raise unavailable("Redis", url, error, _PARAMETERS) from error
    try:
        yield saver
    finally:
        saver.close_threads()
        saver.close()


def _without_ttl(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = parameters.pop(_TTL, None)
    if given is None:
        return url, None
    if not given.isdecimal() or int(given) == 0:
        raise ConfigurationError(f"workflow.checkpointer: {_TTL}={given!r}: expected whole seconds, 1 or more")
    return parts._replace(query=urlencode(parameters)).geturl(), int(given)
