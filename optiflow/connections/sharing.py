"""Sharing connections between the client objects of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from optiflow.connections import httpx_pools, requests_pools
from optiflow.connections.idle import IDLE
from optiflow.connections.usage import Usage, current_usage, use
from optiflow.offload.hooks import Hooks, Wrap

__all__ = ["LENDING", "Lending", "libraries", "share_connections", "unsupported"]

LIBRARIES = (*httpx_pools.LIBRARIES, "requests")
"""HTTP libraries whose connections can be shared."""


def libraries() -> tuple[ModuleType, ...]:
    """Those of the HTTP libraries that this process has loaded."""
    return tuple(sys.modules[name] for name in LIBRARIES if name in sys.modules)


def unsupported(library: ModuleType) -> str | None:
    """Why connections of an HTTP library can't be shared; None where they can."""
    if library.__name__ == "requests":
        return requests_pools.unsupported(library)
    return httpx_pools.unsupported(library)


class Lending:
    """What is held while runs share connections: with the last of them, what is idle finds its way back.

    Args:
        keep: Leave what is idle for the next run instead.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep

    def hold(self) -> None:
        """A run begins."""
        IDLE.begin()

    def release(self) -> None:
        """A run ends."""
        IDLE.end(keep=self._keep)


@contextmanager
def share_connections(keep_alive_s: float, *, across_runs: bool = False) -> Iterator[Usage]:
    """Share connections between the clients that are made in the block, as long as they are used in such a block.

    Blocks may be nested and overlap; what is idle at the end of the last one goes back to the clients that are still
    open, and is closed otherwise.

    Args:
        keep_alive_s: Seconds that a connection may have been idle before it is used again; never longer than its
            client's own limit.
        across_runs: Leave what is idle at the end for the next block of the process.

    Yields:
        What is shared.
    """
    usage = Usage(keep_alive_s)
    IDLE.begin()
    try:
        with LENDING.held(), _counting_clients.held(), use(usage):
            yield usage
    finally:
        IDLE.end(keep=across_runs)


def _lending(name: str, transport: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what makes a library's pools, so that those made during a run lend and borrow."""
    library = sys.modules[name]
    if unsupported(library) is not None:
        return plain
    if name == "requests":
        return requests_pools.lending_manager(library)(plain)
    return httpx_pools.lending_transport(library, transport)(plain)


def _counting(plain: Callable[..., None]) -> Callable[..., None]:
    """Wrap the ``__init__`` of a client, so that those made during a run are counted."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        usage = current_usage()
        if usage is not None:
            usage.count_client()
        plain(self, *args, **kwargs)

    return init


_transports: dict[tuple[str, str], Wrap] = {
    (library, f"{transport}.__init__"): partial(_lending, library, transport)
    for library in httpx_pools.LIBRARIES
    for transport in ("HTTPTransport", "AsyncHTTPTransport")
}

LENDING = Hooks(
    {**_transports, ("requests.adapters", "HTTPAdapter.init_poolmanager"): partial(_lending, "requests", "HTTPAdapter")}
)
"""What makes pools of connections, of the libraries that are loaded."""

_clients = [
    (library, f"{client}.__init__") for library in httpx_pools.LIBRARIES for client in ("Client", "AsyncClient")
]

_counting_clients = Hooks(dict.fromkeys([*_clients, ("requests", "Session.__init__")], _counting))
