"""State that tells which of its keys a node reads, and is otherwise what the node would have been given.

A dict is replaced by a subclass that gives itself out for ``dict``. An instance of a pydantic model or a dataclass
stays the same object, whose class is exchanged for a subclass as long as the node runs: what escapes is what it was.
What reads a dict behind Python's back, as some extension modules do, is not seen.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABCMeta
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache
from typing import Any, Protocol, cast

from pydantic import BaseModel

__all__ = ["Tracking", "track"]


class Tracking(Protocol):
    """One execution of a node on a state that is watched."""

    given: Any
    """What the node gets."""

    def end(self) -> None:
        """The node has ended: what it changed in the state is in the state that it would have been given."""

    def own(self, output: Any) -> Any:
        """What the node returned, with the state that it would have been given in the place of the watched one."""


def track(state: Any, visible: frozenset[str], read: set[str]) -> Tracking | None:
    """Watch a state.

    Args:
        state: What the node would be given.
        visible: The keys that count.
        read: Where the keys go that are read before they are written.

    Returns:
        None where the state can't be watched without changing what the node sees.
    """
    reads = _Reads(visible, read)
    if type(state) is dict:
        return _DictTracking(state, reads)
    made = _tracked_class(cast("Hashable", type(state)))
    return None if made is None or id(state) in _watched else _ObjectTracking(state, made, reads)


class _Reads:
    __slots__ = ("_open", "_read", "changed")

    def __init__(self, visible: frozenset[str], read: set[str]) -> None:
        self._open: frozenset[str] = visible
        self._read = read
        self.changed = False
        """Whether the node wrote to its state."""

    def one(self, key: Any) -> None:
        if key in self._open:
            self._read.add(key)

    def whole(self) -> None:
        self._read |= self._open

    def wrote(self, *keys: Any) -> None:
        """What is read of these keys from now on is the node's own."""
        self.changed = True
        self._open = self._open.difference(keys)

    def stop(self) -> None:
        self._open = frozenset()


class _DictTracking:
    __slots__ = ("_reads", "_state", "given")

    def __init__(self, state: dict[str, Any], reads: _Reads) -> None:
        self._state, self._reads = state, reads
        self.given = TrackedDict(state)
        self.given.optiflow_reads = reads

    def end(self) -> None:
        self._reads.stop()
        if self._reads.changed:
            # LangGraph gives the same dict to the next attempt, and callback handlers hold it.
            self._state.clear()
            self._state.update(_plain(self.given))

    def own(self, output: Any) -> Any:
        return self._state if output is self.given else output


class _ObjectTracking:
    def __init__(self, state: Any, made: type, reads: _Reads) -> None:
        self._class, self._reads = type(state), reads
        self.given = state
        _watched[id(state)] = reads
        object.__setattr__(state, "__class__", made)

    def end(self) -> None:
        self._reads.stop()
        _watched.pop(id(self.given), None)
        object.__setattr__(self.given, "__class__", self._class)

    def own(self, output: Any) -> Any:
        return output


class TrackedDict(dict[str, Any]):
    """A dict that notes which of its keys are asked for."""

    __slots__ = ("optiflow_reads",)
    optiflow_reads: _Reads
    __class__ = property(lambda self: dict)

    def __getitem__(self, key: str) -> Any:
        self.optiflow_reads.one(key)
        return dict.__getitem__(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        self.optiflow_reads.one(key)
        return dict.get(self, key, default)

    def __contains__(self, key: object) -> bool:
        self.optiflow_reads.one(key)
        return dict.__contains__(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)
        self.optiflow_reads.wrote(key)

    def __delitem__(self, key: str) -> None:
        dict.__delitem__(self, key)
        self.optiflow_reads.wrote(key)

    def pop(self, key: str, *default: Any) -> Any:
        self.optiflow_reads.one(key)
        self.optiflow_reads.wrote(key)
        return dict.pop(self, key, *default)

    def popitem(self) -> tuple[str, Any]:
        self.optiflow_reads.whole()
        self.optiflow_reads.wrote()
        return dict.popitem(self)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.optiflow_reads.one(key)
        self.optiflow_reads.wrote(key)
        return dict.setdefault(self, key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        new: dict[str, Any] = dict(*args, **kwargs)
        dict.update(self, new)
        self.optiflow_reads.wrote(*new)

    def __ior__(self, other: Any) -> TrackedDict:  # type: ignore[override,misc]
        self.update(other)
        return self

    def clear(self) -> None:
        self.optiflow_reads.wrote(*_plain(self))
        dict.clear(self)

    def __iter__(self) -> Iterator[str]:
        # Having it makes ``{**state}`` and ``dict(state)`` ask for the values instead of copying the table.
        self.optiflow_reads.whole()
        return dict.__iter__(self)

    def __copy__(self) -> dict[str, Any]:
        self.optiflow_reads.whole()
        return _plain(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        self.optiflow_reads.whole()
        return copy.deepcopy(_plain(self), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self.optiflow_reads.whole()
        return dict, (_plain(self),)

    fromkeys = dict.fromkeys


def _plain(state: TrackedDict) -> dict[str, Any]:
    return dict(dict.items(state))


def _reading_whole(method: Callable[..., Any]) -> Callable[..., Any]:
    def read(self: TrackedDict, *args: Any) -> Any:
        self.optiflow_reads.whole()
        return method(self, *args)

    return read


for _name in (
    "__len__", "__eq__", "__ne__", "__or__", "__ror__", "__repr__", "__reversed__", "keys", "values", "items", "copy",
):  # fmt: skip
    setattr(TrackedDict, _name, _reading_whole(getattr(dict, _name)))

TrackedDict.__name__, TrackedDict.__qualname__, TrackedDict.__module__ = "dict", "dict", "builtins"

_watched: dict[int, _Reads] = {}
"""The objects that are watched now, by their id."""

_WHOLE = frozenset({"__dict__", "model_dump", "model_dump_json", "model_copy", "dict", "json", "copy"})
_COPYING = ("__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__", "__replace__")


@lru_cache(maxsize=256)
def _tracked_class(cls: Any) -> type | None:
    """A subclass whose instances note which attributes are asked for; None where there can't be one."""
    if not (dataclasses.is_dataclass(cls) or issubclass(cls, BaseModel)) or _is_told_of_subclasses(cls):
        return None

    def whole(self: Any) -> None:
        # Nothing more to see: from here on the object is what it was.
        object.__setattr__(self, "__class__", cls)
        reads = _watched.pop(id(self), None)
        if reads is not None:
            reads.whole()

    def look_up(self: Any, name: str) -> Any:
        if name == "__class__":
            return cls
        reads = _watched.get(id(self))
        if reads is not None:
            reads.one(name)
            if name in _WHOLE:
                whole(self)
        return cls.__getattribute__(self, name)

    def assign(self: Any, name: str, value: Any) -> None:
        reads = _watched.get(id(self))
        object.__setattr__(self, "__class__", cls)
        try:
            setattr(self, name, value)
        finally:
            if reads is not None:
                reads.wrote(name)
                object.__setattr__(self, "__class__", made)

    def copying(name: str) -> Callable[..., Any]:
        def copied(self: Any, *args: Any, **kwargs: Any) -> Any:
            whole(self)
            return getattr(cls, name)(self, *args, **kwargs)

        return copied

    body: dict[str, Any] = {
        "__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__,
        "__getattribute__": look_up, "__setattr__": assign,
        **{name: copying(name) for name in _COPYING if hasattr(cls, name)},
    }  # fmt: skip
    # A pydantic metaclass would build a whole model, with validators of its own.
    new = ABCMeta.__new__ if issubclass(type(cls), ABCMeta) else type.__new__
    made = cast("type", new(type(cls), cls.__name__, (cls,), body))
    return made


def _is_told_of_subclasses(cls: type) -> bool:
    defined = next(base for base in cls.__mro__ if "__init_subclass__" in vars(base))
    return defined not in (object, BaseModel)
