"""Pools of requests' sessions that lend what they leave idle."""

from __future__ import annotations

import queue
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from optiflow.connections.idle import IDLE, Key
from optiflow.connections.usage import current_usage

__all__ = ["lending_manager", "unsupported"]

_NOT_SHAPING = frozenset({"pool", "num_connections", "num_requests", "timeout", "retries", "headers", "block"})
"""Attributes of a pool that say nothing of its connections; every other one counts, those of future versions too."""

_BOUND_SCHEMES = frozenset({"ntlm", "negotiate", "kerberos"})
"""HTTP authentication that is valid for a connection, not for a request (RFC 4559, section 6)."""


@cache
def unsupported(library: ModuleType) -> str | None:
    """Why the installed version can't share connections; None where it can.

    Args:
        library: ``requests``.
    """
    import urllib3

    adapter = library.adapters.HTTPAdapter
    if not hasattr(adapter, "get_connection_with_tls_context"):
        # Earlier ones keep connections of different `verify=` and `cert=` in one pool.
        return f"requests {library.__version__} is older than 2.32"
    pool = urllib3.HTTPConnectionPool("localhost")
    if not all(callable(getattr(pool, name, None)) for name in ("_new_conn", "_put_conn")):
        return f"the pools of urllib3 {version('urllib3')} are not of the kind that is known"
    return None


def lending_manager(library: ModuleType) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """How to wrap ``HTTPAdapter.init_poolmanager``, so that adapters made during a run lend and borrow.

    An adapter of a subclass, with a blocking pool or with keywords of its own keeps its connections to itself, and so
    does one behind a proxy.

    Args:
        library: ``requests``.
    """
    import urllib3

    adapter = library.adapters.HTTPAdapter
    classes = {
        "http": _lending(urllib3.HTTPConnectionPool),
        "https": _lending(urllib3.HTTPSConnectionPool),
    }

    def wrap(plain: Callable[..., None]) -> Callable[..., None]:
        def init_poolmanager(self: Any, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
            plain(self, connections, maxsize, block=block, **kwargs)
            manager = self.poolmanager
            if (
                current_usage() is not None
                and type(self) is adapter
                and type(manager) is urllib3.PoolManager
                and not (block or kwargs)
            ):
                manager.pool_classes_by_scheme = classes

        return init_poolmanager

    return wrap


@cache
def _lending(plain: Any) -> Any:
    """The class of pools that lend."""
    from urllib3.util.connection import is_connection_dropped

    class LendingPool(plain):  # type: ignore[misc]
        is_private = False

        def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            headers = kwargs["headers"] if "headers" in kwargs else args[1] if len(args) > 1 else None
            if _is_bound(headers or {}):
                self.is_private = True
            return super().urlopen(method, url, *args, **kwargs)

        def _new_conn(self) -> Any:
            usage = None if self.is_private else current_usage()
            shape = None if usage is None else _shape(self)
            if usage is None or shape is None:
                return super()._new_conn()
            key = Key(None, (plain.__name__, shape))
            usage.pools.add(key.shape)
            connection, foreign = IDLE.borrow(key, self, usage.keep_alive_s)
            if foreign:
                usage.count_handshake()
            if connection is None:
                connection = super()._new_conn()
                connection.lent_key = key
            return connection

        def _put_conn(self, conn: Any) -> None:
            key = getattr(conn, "lent_key", None)
            if (
                key is None
                or conn.sock is None
                or self.pool is None
                or self.is_private
                or current_usage() is None
                or not IDLE.lend(key, conn, self)
            ):
                super()._put_conn(conn)
            else:
                super()._put_conn(None)  # its place in the pool is free again

        def take_back(self, connection: Any) -> bool:
            try:
                place = self.pool.get(block=False)
            except (AttributeError, queue.Empty):  # closed, or busy to the last place
                return False
            self.pool.put(place or connection, block=False)
            return place is None

        @staticmethod
        def is_usable(connection: Any) -> bool:
            return not is_connection_dropped(connection)

        @staticmethod
        def close_idle(connection: Any) -> None:
            connection.close()

    LendingPool.__name__, LendingPool.__qualname__ = plain.__name__, plain.__qualname__
    LendingPool.__module__ = plain.__module__
    return LendingPool


def _shape(pool: Any) -> Hashable | None:
    """What shapes a pool's connections: all that it knows, but for its own book-keeping.

    Returns:
        None where that is more than data: a TLS context, for one, may be changed at any time.
    """
    known = {name: value for name, value in vars(pool).items() if name not in _NOT_SHAPING}
    return repr(sorted(known.items())) if _is_data(known) else None


def _is_data(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return value is None or isinstance(value, str | bytes | int | float)


def _is_bound(headers: Mapping[str, str | bytes]) -> bool:
    for name in headers:
        if name.lower() in ("authorization", "proxy-authorization"):
            value = headers[name]
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            if text.split(" ")[0].lower() in _BOUND_SCHEMES:
                return True
    return False
