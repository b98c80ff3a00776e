"""Redis by URL, for one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis

from optiflow.checkpointers.in_threads import AsyncInThreads
from optiflow.checkpointers.messages import unavailable
from optiflow.checkpointers.redis.saver import RedisSaver, blocking_client
from optiflow.errors import ConfigurationError

__all__ = ["opened"]

_RIGHT = "a running server, a user and password that it knows, and a database that it has"
_PARAMETERS = "parameters that redis-py knows"
_OWN = ("prefix", "ttl_s")


class _RedisSaver(AsyncInThreads, RedisSaver):
    """For both kinds of runs through one blocking client, as the others."""


@contextmanager
def opened(url: str) -> Iterator[RedisSaver]:
    """Connect to a server.

    Args:
        url: A URL as redis-py takes it; of its parameters, ``ttl_s`` and ``prefix`` are ours.

    Raises:
        ConfigurationError: The server can't be reached or refuses, or a parameter makes no sense.
    """
    address, own = _own_parameters(url)
    try:
        saver = _RedisSaver(blocking_client(address), **own)
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


def _own_parameters(url: str) -> tuple[str, dict[str, Any]]:
    """The URL as redis-py takes it, and what in it is ours."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    own: dict[str, Any] = {name: given.pop(name) for name in _OWN if name in given}
    lasts = own.get("ttl_s")
    if lasts is not None:
        if not lasts.isdecimal() or int(lasts) == 0:
            raise ConfigurationError(f"workflow.checkpointer: ttl_s={lasts!r}: expected whole seconds, 1 or more")
        own["ttl_s"] = int(lasts)
    if own.get("prefix") == "":
        raise ConfigurationError("workflow.checkpointer: prefix is empty; expected what every key is to begin with")
    return parts._replace(query=urlencode(given)).geturl(), own
