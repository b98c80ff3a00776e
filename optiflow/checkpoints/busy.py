"""Which threads are in the midst of writing checkpoints.

Whatever a thread does, the collector may have it close an abandoned stream, whose saves somebody has to write. A thread
that is writing itself, or about to tell the writer to, must not wait for that: it would wait for itself.
"""

from __future__ import annotations

import threading

__all__ = ["busy", "is_busy"]


class _Depth(threading.local):
    """How many blocks of this kind the thread is in."""

    value = 0


_depth = _Depth()


class _Busy:
    """A block in which the thread holds what a writer needs; it may be entered again."""

    def __enter__(self) -> None:
        _depth.value += 1

    def __exit__(self, *_: object) -> None:
        _depth.value -= 1


busy = _Busy()


def is_busy() -> bool:
    """Whether this thread is in the midst of writing checkpoints."""
    return _depth.value > 0
