"""State handed to a node ahead of its turn: what it was not known to read can't be read unnoticed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import AsyncIterator, Callable, Hashable
from functools import lru_cache
from typing import Any, NoReturn, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph._internal._runnable import RunnableCallable

from optiflow.plan.dataflow.seam import NotAheadError

__all__ = ["Guard", "can_guard", "guarded"]


def can_guard(proc: Any) -> bool:
    """Whether only the node itself will look at the state it is given.

    A Runnable as a node shows its input to callback handlers, which look at all of it.
    """
    first = getattr(proc, "steps", [None])[0]
    return isinstance(first, RunnableCallable) and not first.trace


def guarded(proc: Any, guard: Guard) -> Any:
    """A compiled node's work whose first step, the node itself, gets the guarded state.

    Only that step: LangGraph and callback handlers may look at the whole input.
    """
    twin = copy.copy(proc)
    twin.steps = [_Guarded(proc.steps[0], guard), *proc.steps[1:]]
    return twin


class _Guarded(Runnable[Any, Any]):
    def __init__(self, inner: Runnable[Any, Any], guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._inner.invoke(self._guard.over(input), config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await self._inner.ainvoke(self._guard.over(input), config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        async for chunk in self._inner.astream(self._guard.over(input), config, **kwargs):
            yield chunk


_WHOLE = "the whole state"
_GUARD = "__optiflow_guard__"


class Guard:
    """Watches a node's state for reads of keys that earlier nodes may still write."""

    def __init__(self, node: str, withheld: frozenset[str]) -> None:
        self.node = node
        self.withheld = withheld
        self.tripped = False

    def trip(self, what: str) -> NoReturn:
        """Remember the read, which the node may try to hide by catching everything, and stop the node."""
        self.tripped = True
        raise NotAheadError(f"node {self.node!r} read {what} before its turn", "state")

    def over(self, state: Any) -> Any:
        """The same state, guarded: a mapping, or an instance of a pydantic model or dataclass."""
        if isinstance(state, dict):
            return _GuardedDict(self, state)
        guarded: Any = object.__new__(_guarded_class(cast(Hashable, type(state))))
        if dataclasses.is_dataclass(state):
            for field in dataclasses.fields(state):
                object.__setattr__(guarded, field.name, getattr(state, field.name))
        else:
            object.__setattr__(guarded, "__dict__", dict(vars(state)))
            for slot in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
                object.__setattr__(guarded, slot, getattr(state, slot))
        object.__getattribute__(guarded, "__dict__")[_GUARD] = self
        return guarded


class _GuardedDict(dict[str, Any]):
    """A dict without the withheld keys that notices when they are asked for, one by one or all together."""

    def __init__(self, guard: Guard, state: dict[str, Any]) -> None:
        super().__init__((k, v) for k, v in state.items() if k not in guard.withheld)
        self._guard = guard

    def _check(self, key: object) -> None:
        if key in self._guard.withheld:
            self._guard.trip(repr(key))

    def __getitem__(self, key: str) -> Any:
        self._check(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._check(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._check(key)
        return super().__contains__(key)


def _whole(name: str) -> Callable[..., Any]:
    def refuse(self: _GuardedDict, *args: object, **kwargs: object) -> NoReturn:
        self._guard.trip(_WHOLE)

    refuse.__name__ = name
    return refuse


for _name in (
    "__iter__", "__len__", "__eq__", "__ne__", "__or__", "__ror__", "__ior__", "__repr__", "__str__", "__reversed__",
    "__setitem__", "__delitem__", "__reduce_ex__", "__copy__", "__deepcopy__", "keys", "values", "items", "copy", "pop",
    "popitem", "setdefault", "update", "clear",
):  # fmt: skip
    setattr(_GuardedDict, _name, _whole(_name))

_WHOLE_ATTRIBUTES = frozenset({"__dict__", "model_dump", "model_dump_json", "model_copy", "dict", "json", "copy"})


@lru_cache(maxsize=256)
def _guarded_class(cls: Any) -> type:
    def look_up(self: object, name: str) -> Any:
        guard: Guard = object.__getattribute__(self, "__dict__")[_GUARD]
        if name in guard.withheld:
            guard.trip(repr(name))
        if name in _WHOLE_ATTRIBUTES:
            guard.trip(_WHOLE)
        if name == "__class__":
            # So that a dataclass compares its fields, of which one may be withheld.
            return cls
        return cls.__getattribute__(self, name)

    # The class keeps its name, so that what a node logs or prints of its state looks the same.
    body = {"__getattribute__": look_up, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    made: type = type(cls)(cls.__name__, (cls,), body)
    return made
