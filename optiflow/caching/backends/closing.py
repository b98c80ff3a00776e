"""Closing what nobody can reach any more."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable

__all__ = ["close_with"]


def close_with(owner: object, close: Callable[[], object]) -> None:
    """Close something when its owner is collected, and at the end of the process at the latest.

    What closes may take locks of what is closed, and of nothing else: a collector runs in any thread at any moment,
    and only of what nobody can reach any more is it sure that nobody, this thread included, holds its locks. In a
    process that was forked meanwhile nothing is closed: its connections are those of the one that opened them.

    Args:
        owner: What nobody who uses it can do without.
        close: Must not know the owner, which it would keep alive.
    """
    weakref.finalize(owner, _close_here, os.getpid(), close)


def _close_here(process: int, close: Callable[[], object]) -> None:
    if os.getpid() == process:
        close()
