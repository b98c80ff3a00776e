"""What a place for cached outcomes is, and which one a configuration means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

__all__ = ["Backend", "BackendKind", "Limits", "NamespaceStatistics", "default_url", "kind_of", "open_backend"]

BackendKind = Literal["memory", "sqlite", "redis", "postgres"]

_SCHEMES: dict[str, BackendKind] = {
    "sqlite": "sqlite",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "postgres": "postgres",
    "postgresql": "postgres",
}
_EXAMPLES: dict[BackendKind, str] = {
    "sqlite": "sqlite:///cache.sqlite",
    "redis": "redis://localhost:6379/0",
    "postgres": "postgresql://user@localhost/name",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept, and how long."""

    max_bytes: int = 256 * 2**20
    """Most bytes of values held; beyond it the least recently used go."""

    max_age_s: float | None = None
    """Seconds after which an entry is no longer given; None: never."""


@dataclass(frozen=True, slots=True)
class NamespaceStatistics:
    """What is held in one namespace."""

    namespace: str
    entries: int
    bytes: int
    hits: int
    """How often the entries that are held have been given."""
    oldest_s: float
    """Age of the oldest entry in seconds."""


class Backend(Protocol):
    """Bytes by namespace and key. Safe from threads; every method may block unless ``in_process``.

    Raises:
        StoreError: From any method: the place can't be reached, read or written.
    """

    in_process: bool
    """Whether nothing here ever waits, so that an event loop may call it directly."""

    def get(self, namespace: str, key: str) -> bytes | None:
        """The value, where there is one that is not too old; counts as a use and a hit."""

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Keep a value, in place of what was there; the least recently used make room."""

    def delete(self, namespace: str, key: str) -> None:
        """Forget one entry, if it is there."""

    def clear(self, namespace: str | None = None) -> int:
        """Forget a namespace, or everything; how many entries that were."""

    def statistics(self) -> Sequence[NamespaceStatistics]:
        """What is held, by namespace in the order of their names."""

    def check(self) -> None:
        """Make sure that it answers.

        Raises:
            ConfigurationError: Nobody does.
        """

    def close(self) -> None:
        """Let go of connections that nobody is using; what is asked next opens others. Memory forgets everything."""


def default_url() -> str:
    """The SQLite file that is meant where no address is given."""
    return f"sqlite:///{(get_settings().home / 'cache.sqlite').absolute()}"


def kind_of(url: str) -> BackendKind:
    """Which kind of place an address names.

    Raises:
        ConfigurationError: None that is known.
    """
    scheme = url.partition("://")[0].partition("+")[0]
    if "://" not in url or scheme not in _SCHEMES:
        known = ", ".join(map(repr, _EXAMPLES.values()))
        raise ConfigurationError(
            f"cache: {url.partition('@')[2] or url!r} is no address of a cache; expected one like {known}"
        )
    return _SCHEMES[scheme]


def open_backend(kind: BackendKind, url: str | None, limits: Limits) -> Backend:
    """Open a place and make sure that it answers.

    Args:
        kind: Which.
        url: Its address; None: the default file for ``sqlite``; meaningless for ``memory``.
        limits: Its bounds.

    Raises:
        ConfigurationError: The address does not fit, a library is missing, or nobody answers there.
    """
    if kind == "memory":
        from optiflow.caching.backends.memory import MemoryBackend

        return MemoryBackend(limits)
    if url is None:
        if kind != "sqlite":
            raise ConfigurationError(f"cache: backend={kind} needs a url such as {_EXAMPLES[kind]!r}")
        url = default_url()
    elif kind_of(url) != kind:
        raise ConfigurationError(f"cache: backend={kind} can't use a {kind_of(url)} url; expected {_EXAMPLES[kind]!r}")
    if kind == "redis":
        from optiflow.caching.backends.redis_ import RedisBackend

        return RedisBackend(url, limits)
    from optiflow.caching.backends.sql import SqlBackend

    return SqlBackend(url, limits)
