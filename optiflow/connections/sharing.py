"""Sharing connections between the client objects of a run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from optiflow.connections import httpx_pools, requests_pools
from optiflow.connections.idle import IDLE
from optiflow.connections.usage import Usage, current_usage, use
from optiflow.offload.hooks import Hooks, Wrap

__all__ = ["libraries", "share_connections", "unsupported"]

LIBRARIES = (*httpx_pools.LIBRARIES, "requests")
"""HTTP libraries whose connections can be shared."""

_for_good = ExitStack()
"""What is held until the process ends."""


def libraries() -> tuple[ModuleType, ...]:
    """Those of the HTTP libraries that this process has loaded."""
    return tuple(sys.modules[name] for name in LIBRARIES if name in sys.modules)


def unsupported(library: ModuleType) -> str | None:
    """Why connections of an HTTP library can't be shared; None where they can."""
    if library.__name__ == "requests":
        return requests_pools.unsupported(library)
    return httpx_pools.unsupported(library)


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
        with ExitStack() as stack:
            for library in libraries():
                stack.enter_context(_transports(library).held())
            stack.enter_context(_loops().held())
            stack.enter_context(use(usage))
            if across_runs:
                _watch_loops_for_good()
            yield usage
    finally:
        IDLE.end(keep=across_runs)


@cache
def _transports(library: ModuleType) -> Hooks:
    wraps: dict[tuple[str, str], Wrap] = {}
    name = library.__name__
    if unsupported(library) is None:
        if name == "requests":
            wraps["requests.adapters", "HTTPAdapter.init_poolmanager"] = requests_pools.lending_manager(library)
        else:
            for transport in ("HTTPTransport", "AsyncHTTPTransport"):
                wraps[name, f"{transport}.__init__"] = httpx_pools.lending_transport(library, transport)
        for client in ("Session",) if name == "requests" else ("Client", "AsyncClient"):
            wraps[name, f"{client}.__init__"] = _counting
    return Hooks(wraps)


def _counting(plain: Callable[..., None]) -> Callable[..., None]:
    """Wrap the ``__init__`` of a client, so that those made during a run are counted."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        usage = current_usage()
        if usage is not None:
            usage.count_client()
        plain(self, *args, **kwargs)

    return init


@cache
def _loops() -> Hooks:
    loops = [("asyncio", "SelectorEventLoop.close"), ("asyncio", "ProactorEventLoop.close"), ("uvloop", "Loop.close")]
    return Hooks(dict.fromkeys(loops, _closing_idle))


@cache
def _watch_loops_for_good() -> None:
    _for_good.enter_context(_loops().held())


def _closing_idle(plain: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``close`` of event loops: idle connections can't be closed properly any more once their loop is."""

    def close(self: Any) -> None:
        if not self.is_closed() and not self.is_running():
            connections = IDLE.take_all(self)
            if connections:
                self.run_until_complete(_close(connections))
        plain(self)

    return close


async def _close(connections: list[Any]) -> None:
    await asyncio.gather(*(connection.aclose() for connection in connections))
