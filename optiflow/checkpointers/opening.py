"""From an address to a checkpointer that is open, set up, and closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from optiflow.config.checkpointer import checked_address
from optiflow.errors import ConfigurationError
from optiflow.extras import require

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

__all__ = ["open_checkpointer"]


class _Kind(NamedTuple):
    """One kind of storage."""

    name: str
    extra: str
    """The extra of this package that brings its library."""
    module: str
    """Our module, which imports the library and has a function ``opened(url)``."""


_SQLITE = _Kind("SQLite", "sqlite", "optiflow.checkpointers.sqlite")
_POSTGRES = _Kind("PostgreSQL", "postgres", "optiflow.checkpointers.postgres")
_REDIS = _Kind("Redis", "redis", "optiflow.checkpointers.redis.opening")
_KINDS = {"sqlite": _SQLITE, "postgresql": _POSTGRES, "postgres": _POSTGRES, "redis": _REDIS, "rediss": _REDIS}
"""By the scheme of the URL."""


@contextmanager
def open_checkpointer(address: str) -> Iterator[BaseCheckpointSaver[Any] | Literal[False]]:
    """Open a checkpointer for the block; its tables are created where they are missing.

    What is kept by URL outlasts the block: plain LangGraph savers of the same kind read it.

    Args:
        address: ``memory`` for a fresh one in memory; ``none``; or a URL, ``sqlite:///runs.db`` (four slashes before
            an absolute path), ``postgresql://user:password@host/database`` or ``redis://host:6379/0``, with
            ``?ttl_s=SECONDS`` for threads that expire so long after they were last written, and ``prefix=TEXT`` for
            keys that begin so.

    Yields:
        A checkpointer whose synchronous and asynchronous methods both work, on any thread and any event loop; False,
        which is LangGraph's word for none, for ``none``.

    Raises:
        ConfigurationError: The address makes no sense or can't be reached, or its library is not installed.
    """
    try:
        checked_address(address)
    except ValueError as error:
        raise ConfigurationError(f"workflow.checkpointer: {error}") from None
    if address == "none":
        yield False
        return
    if address == "memory":
        from langgraph.checkpoint.memory import InMemorySaver

        yield InMemorySaver()
        return
    with _opening(address)(address) as saver:
        yield saver


def _opening(url: str) -> Callable[[str], AbstractContextManager[BaseCheckpointSaver[Any]]]:
    kind = _KINDS[url.partition("://")[0]]
    module = require(kind.module, kind.extra, f"workflow.checkpointer: {kind.name}")
    opened: Callable[[str], AbstractContextManager[BaseCheckpointSaver[Any]]] = module.opened
    return opened
