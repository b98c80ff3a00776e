"""Functions and objects of other packages, replaced as long as somebody needs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any, NamedTuple, cast

__all__ = ["Hooks", "Wrap"]

_ABSENT = object()

Wrap = Callable[[Any], Any]


class _Place(NamedTuple):
    """A function or object that can be replaced: where it is, and what was there when it was last looked at."""

    module_name: str
    module: ModuleType
    around: Mapping[str, Any]
    """The namespace that holds the owner."""
    owner_name: str
    owner: Any
    space: Mapping[str, Any]
    """The namespace of the owner, as it is at any time."""
    name: str
    before: object
    """What the owner itself has there; `_ABSENT` where it inherits the function."""
    plain: Any
    hook: Any
    """What takes its place; the function itself where nothing has to."""


class Hooks:
    """Wraps functions, or other objects, while at least one block holds them; afterwards everything is as it was.

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
        self._buried: dict[tuple[Any, str], Any] = {}

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
        modules = sys.modules
        for at, wrap in self._wraps.items():
            place = self._known.get(at)
            if place is None:
                place = self._look(at, wrap)
                if place is None:
                    continue
            module_name, module, around, owner_name, owner, space, name, before, plain, hook = place
            if (
                modules.get(module_name) is not module
                or around.get(owner_name) is not owner
                or space.get(name, _ABSENT) is not before
                or (before is _ABSENT and getattr(owner, name, None) is not plain)
            ):
                place = self._look(at, wrap)
                if place is None:
                    continue
                owner, name, plain, hook = place.owner, place.name, place.plain, place.hook
            # A hook that stayed below somebody else's is in force: another one would do its work twice.
            if hook is plain or (self._buried and self._is_buried(place)):
                continue
            setattr(owner, name, hook)
            self._installed.append(place)

    def _look(self, at: tuple[str, str], wrap: Wrap) -> _Place | None:
        """Find a function, and make the hook for it."""
        known = self._known.pop(at, None)
        module = sys.modules.get(at[0])
        if module is None:
            return None
        around: Mapping[str, Any] = sys.modules
        owner_name, owner = at[0], cast("Any", module)
        *path, name = at[1].split(".")
        for part in path:
            around, owner_name, owner = vars(owner), part, getattr(owner, part, None)
        plain: Any = getattr(owner, name, None)
        if plain is None:
            return None
        hook: Any = known.hook if known is not None and known.plain is plain else wrap(plain)
        if callable(plain) and hook is not plain and getattr(hook, "__wrapped__", None) is not plain:
            hook = wraps(plain)(hook)
        before = vars(owner).get(name, _ABSENT)
        place = _Place(at[0], module, around, owner_name, owner, vars(owner), name, before, plain, hook)
        self._known[at] = place
        return place

    def _is_buried(self, place: _Place) -> bool:
        return self._buried.get((place.owner, place.name)) in _layers(place.plain)

    def _remove(self) -> None:
        for _, _, _, _, owner, space, name, before, _, hook in self._installed:
            # Whoever wrapped the hook meanwhile puts it back in the end, where it only passes calls on.
            if space.get(name) is not hook:
                self._buried[owner, name] = hook
            elif before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._installed.clear()


def _layers(function: Any) -> Iterator[Any]:
    """A function or object and all that it wraps."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)
