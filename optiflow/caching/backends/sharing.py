"""One place for all toggles that mean the same, closed when the last of them is gone.

A program that compiles its graph for each request would else hold a connection, and its file descriptors, for each.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from optiflow.caching.backends.base import Backend, BackendKind, Limits, default_url, open_backend

__all__ = ["shared_backend"]

_Known = tuple[int, BackendKind, str | None, Limits, tuple[int, int] | None]

_open: weakref.WeakValueDictionary[_Known, Backend] = weakref.WeakValueDictionary()


def shared_backend(kind: BackendKind, url: str | None, limits: Limits) -> Backend:
    """Open a place, or give the one that is open already in this process; memory is never shared.

    Args:
        kind: Which.
        url: Its address; None: the default file for ``sqlite``; meaningless for ``memory``.
        limits: Its bounds.

    Raises:
        ConfigurationError: The address does not fit, a library is missing, or nobody answers there.
    """
    if kind == "memory":
        return open_backend(kind, url, limits)
    if kind == "sqlite" and url is None:
        url = default_url()
    found = _open.get(_known(kind, url, limits))
    if found is None:
        opened = open_backend(kind, url, limits)
        # Of two that are opened at once the second is closed as nobody keeps it.
        return _open.setdefault(_known(kind, url, limits), opened)
    found.check()
    return found


def _known(kind: BackendKind, url: str | None, limits: Limits) -> _Known:
    return os.getpid(), kind, url, limits, _file(url) if kind == "sqlite" and url else None


def _file(url: str) -> tuple[int, int] | None:
    """Which file an address of SQLite's means at the moment: one that was removed is not the one that is made next."""
    try:
        found = Path(url.partition(":///")[2]).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
