"""Outcomes in Redis.

An entry is a hash of value, time of making and hits. Beside the entries stand a sorted set (last use) and a hash (size,
and under the empty name their sum), by which the least recently used go when the bound is exceeded; two scripts keep
them in step with the entries, so any number of processes may write. Expiry is Redis's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from optiflow.caching.backends.base import Limits, NamespaceStatistics
from optiflow.caching.backends.closing import close_with
from optiflow.caching.backends.memory import by_namespace
from optiflow.errors import ConfigurationError, StoreError
from optiflow.extras import require

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisBackend"]

T = TypeVar("T")

# In braces, so that a cluster keeps everything in one slot, as scripts need it.
_PREFIX = "{optiflow:cache}"
_USED = f"{_PREFIX}:used"
_SIZES = f"{_PREFIX}:sizes"
_BETWEEN = "\x1f"
_PATIENCE_S = 2.0
_AT_ONCE = 500

_FORGET = """
local function forget(member, entry)
  redis.call('DEL', entry)
  redis.call('ZREM', KEYS[1], member)
  local size = redis.call('HGET', KEYS[2], member)
  if size then
    redis.call('HDEL', KEYS[2], member)
    redis.call('HINCRBY', KEYS[2], '', -size)
  end
end
"""
_GET = f"""{_FORGET}
local member, now = ARGV[1], ARGV[2]
if redis.call('TYPE', KEYS[3])['ok'] == 'string' then forget(member, KEYS[3]); return '' end
local value = redis.call('HGET', KEYS[3], 'value')
if value then
  redis.call('HINCRBY', KEYS[3], 'hits', 1)
  redis.call('ZADD', KEYS[1], now, member)
else
  forget(member, KEYS[3])
end
return value
"""
_PUT = f"""{_FORGET}
local member, now, value, most, age, prefix = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
forget(member, KEYS[3])
redis.call('HSET', KEYS[3], 'value', value, 'created', now, 'hits', 0)
if age > 0 then redis.call('PEXPIRE', KEYS[3], age) end
redis.call('ZADD', KEYS[1], now, member)
redis.call('HSET', KEYS[2], member, #value)
local held = redis.call('HINCRBY', KEYS[2], '', #value)
while held > most do
  local oldest = redis.call('ZPOPMIN', KEYS[1])
  if not oldest[1] then break end
  forget(oldest[1], prefix .. oldest[1])
  held = tonumber(redis.call('HGET', KEYS[2], ''))
end
"""
_DROP = f"{_FORGET} for i, member in ipairs(ARGV) do forget(member, KEYS[2 + i]) end"


class RedisBackend:
    """Keeps entries in a Redis server, which may be another program's too.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        limits: Bounds of these entries alone; the server's own ``maxmemory`` stays as it is.

    Raises:
        ConfigurationError: The library is missing, or the server does not answer.
    """

    in_process = False

    def __init__(self, url: str, limits: Limits) -> None:
        redis: Any = require("redis", "redis", "cache: backend=redis")
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._limits = limits
        scheme, _, place = url.partition("://")
        self._name = f"{scheme}://{place.rpartition('@')[2]}"
        try:
            self._client: Redis = redis.Redis.from_url(
                url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S, retry=Retry(NoBackoff(), 0)
            )
        except (*self._errors, ValueError) as error:
            raise ConfigurationError(f"cache: {self._name} does not answer: {_first_line(error)}") from error
        close_with(self, self._client.close)
        self.check()
        self._get = self._client.register_script(_GET)
        self._put = self._client.register_script(_PUT)
        self._drop = self._client.register_script(_DROP)

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one that is not too old."""
        member = f"{namespace}{_BETWEEN}{key}"
        with self._explained():
            value: bytes | None = self._get(keys=[_USED, _SIZES, _place(member)], args=[member, time.time()])
        return value

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value; one that is larger than the bound is not kept."""
        if len(value) > self._limits.max_bytes:
            return
        member, age_ms = f"{namespace}{_BETWEEN}{key}", int((self._limits.max_age_s or 0) * 1000)
        arguments: list[str | float | bytes] = [member, time.time(), value, self._limits.max_bytes, age_ms, _place("")]
        with self._explained():
            self._put(keys=[_USED, _SIZES, _place(member)], args=arguments)

    def delete(self, namespace: str, key: str) -> None:
        """Forget one entry, if it is there."""
        with self._explained():
            self._forget([f"{namespace}{_BETWEEN}{key}"])

    def clear(self, namespace: str | None = None) -> int:
        """Forget a namespace, or everything."""
        with self._explained():
            members = [m for m in self._members() if namespace is None or m.partition(_BETWEEN)[0] == namespace]
            for some in _batches(members):
                self._forget(some)
        return len(members)

    def statistics(self) -> Sequence[NamespaceStatistics]:
        """What is held, by namespace."""
        found: list[tuple[str, int, int, float]] = []
        with self._explained():
            for some in _batches(list(self._members().items())):
                pipeline = self._client.pipeline(transaction=False)
                for member, _ in some:
                    pipeline.hmget(_place(member), "created", "hits")
                for (member, size), (created, hits) in zip(some, pipeline.execute(), strict=True):
                    if created is not None:
                        found.append((member.partition(_BETWEEN)[0], size, int(hits), float(created)))
        return by_namespace(found)

    def check(self) -> None:
        """Make sure that the server answers."""
        try:
            self._client.ping()
        except self._errors as error:
            raise ConfigurationError(f"cache: {self._name} does not answer: {_first_line(error)}") from error

    def close(self) -> None:
        """Let go of the connections that nobody is using."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _members(self) -> dict[str, int]:
        return {member.decode(): int(size) for member, size in self._client.hscan_iter(_SIZES) if member}

    def _forget(self, members: Sequence[str]) -> None:
        self._drop(keys=[_USED, _SIZES, *map(_place, members)], args=list(members))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise StoreError(f"cache {self._name}: {_first_line(error)}") from error


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _place(member: str) -> str:
    return f"{_PREFIX}:entry:{member}"


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
