"""Functions and objects of other packages, replaced as long as somebody needs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

__all__ = ["Hooks"]

_ABSENT = object()

Wrap = Callable[[Any], Any]


class Hooks:
    """Wraps functions, or other objects, while at least one block holds them; afterwards everything is as it was.

    Only packages that are loaded already are touched.

    Args:
        wraps: How to wrap what, by module and dotted name within it.
    """

    def __init__(self, wraps: Mapping[tuple[str, str], Wrap]) -> None:
        self._wraps = wraps
        # A coroutine that nobody awaits any more leaves its block wherever it is collected: here too.
        self._lock = threading.RLock()
        self._holders = 0
        self._installed: list[tuple[Any, str, object, Any]] = []
        self._buried: dict[tuple[Any, str], Any] = {}
        self._hooks: dict[tuple[str, str], tuple[Any, Any]] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the hooks for the block; blocks may overlap, in any thread."""
        with self._lock:
            if not self._holders:
                self._install()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._remove()

    def _install(self) -> None:
        for (module, dotted), wrap in self._wraps.items():
            owner: Any = sys.modules.get(module)
            *path, name = dotted.split(".")
            for part in path:
                owner = getattr(owner, part, None)
            plain = getattr(owner, name, None)
            # A hook that stayed below somebody else's is in force: another one would do its work twice.
            if plain is not None and self._buried.get((owner, name)) not in _layers(plain):
                wrapped, hook = self._hooks.get((module, dotted), (None, plain))
                if wrapped is not plain:
                    hook = wraps(plain)(wrap(plain)) if callable(plain) else wrap(plain)
                    self._hooks[module, dotted] = plain, hook
                self._installed.append((owner, name, vars(owner).get(name, _ABSENT), hook))
                setattr(owner, name, hook)

    def _remove(self) -> None:
        for owner, name, before, hook in self._installed:
            # Whoever wrapped the hook meanwhile puts it back in the end, where it only passes calls on.
            if vars(owner).get(name) is not hook:
                self._buried[owner, name] = hook
                continue
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._installed.clear()


def _layers(function: Any) -> Iterator[Any]:
    """A function or object and all that it wraps."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)
