"""Functions of other packages, replaced as long as somebody needs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any

__all__ = ["Hooks", "Wrap"]

_ABSENT = object()

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(slots=True)
class _Place:
    """A function that can be replaced: where it is, and what was there when it was last looked at."""

    module_name: str
    module: ModuleType
    path: tuple[str, ...]
    """Names from the module to the owner."""
    owner: Any
    name: str
    before: object
    """What the owner itself has there; `_ABSENT` where it inherits the function."""
    plain: Callable[..., Any]
    hook: Callable[..., Any]
    """What takes its place; the function itself where nothing has to."""

    def is_unchanged(self) -> bool:
        """Whether the function is where it was, and the same."""
        module = sys.modules.get(self.module_name)
        if module is not self.module:
            return False
        owner: Any = module
        for part in self.path:
            owner = getattr(owner, part, None)
        if owner is not self.owner or owner.__dict__.get(self.name, _ABSENT) is not self.before:
            return False
        return self.before is not _ABSENT or getattr(owner, self.name, None) is self.plain


class Hooks:
    """Wraps functions while at least one block holds them; afterwards everything is as it was.

    Only packages that are loaded already are touched. Every run holds hooks, so that holding them costs a count where
    somebody else does, and an assignment for each function otherwise.

    Args:
        wraps: How to wrap what, by module and dotted name within it; what gives back the function itself leaves it.
    """

    def __init__(self, wraps: Mapping[tuple[str, str], Wrap]) -> None:
        self._wraps = wraps
        # Reentrant: a garbage collection may end a run, on this very thread, while another one begins.
        self._lock = threading.RLock()
        self._holders = 0
        self._installed: list[_Place] = []
        self._known: dict[tuple[str, str], _Place] = {}
        self._buried: dict[tuple[Any, str], Callable[..., Any]] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the hooks for the block; blocks may overlap, in any thread."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def hold(self) -> None:
        """Put the hooks in place, unless they are; whoever calls this calls `release` once."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                try:
                    self._install()
                except BaseException:
                    self.release()
                    raise

    def release(self) -> None:
        """Take the hooks away, unless somebody else holds them."""
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._remove()

    def forget(self) -> None:
        """Look at everything anew when the hooks are held next."""
        with self._lock:
            self._known.clear()

    def _install(self) -> None:
        for at, wrap in self._wraps.items():
            place = self._known.get(at)
            if place is None or not place.is_unchanged():
                place = self._look(at, wrap)
            # A hook that stayed below somebody else's is in force: another one would do its work twice.
            if place is None or place.hook is place.plain or (self._buried and self._is_buried(place)):
                continue
            setattr(place.owner, place.name, place.hook)
            self._installed.append(place)

    def _look(self, at: tuple[str, str], wrap: Wrap) -> _Place | None:
        """Find a function, and make the hook for it."""
        module = sys.modules.get(at[0])
        owner: Any = module
        *path, name = at[1].split(".")
        for part in path:
            owner = getattr(owner, part, None)
        plain: Callable[..., Any] | None = getattr(owner, name, None)
        if module is None or plain is None:
            self._known.pop(at, None)
            return None
        known = self._known.get(at)
        hook: Callable[..., Any] = known.hook if known is not None and known.plain is plain else wrap(plain)
        if hook is not plain and getattr(hook, "__wrapped__", None) is not plain:
            hook = wraps(plain)(hook)
        before = vars(owner).get(name, _ABSENT)
        place = self._known[at] = _Place(at[0], module, tuple(path), owner, name, before, plain, hook)
        return place

    def _is_buried(self, place: _Place) -> bool:
        return self._buried.get((place.owner, place.name)) in _layers(place.plain)

    def _remove(self) -> None:
        for place in self._installed:
            # Whoever wrapped the hook meanwhile puts it back in the end, where it only passes calls on.
            if place.owner.__dict__.get(place.name) is not place.hook:
                self._buried[place.owner, place.name] = place.hook
            elif place.before is _ABSENT:
                delattr(place.owner, place.name)
            else:
                setattr(place.owner, place.name, place.before)
        self._installed.clear()


def _layers(function: Any) -> Iterator[Any]:
    """A function and all that it wraps."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)
