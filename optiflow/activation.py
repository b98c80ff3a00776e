"""Holds the run-level part of toggles around every run of a compiled graph.

The graph stays what it was: a real `CompiledStateGraph` (or `Pregel`), because LangGraph Studio,
``isinstance`` checks and graphs used as nodes of other graphs refuse anything else. Only `stream` and
`astream` are overridden, and `invoke` and `ainvoke` for what they cost; every other way to run a graph goes through
one of them.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping, Sequence
from functools import lru_cache, update_wrapper
from types import MappingProxyType
from typing import Any, cast

from langgraph.pregel import Pregel

from optiflow.holding import Run, RunPart
from optiflow.optimizations.base import Optimization
from optiflow.plan.dataflow.onlookers import CONSUMED

__all__ = ["AnyPregel", "activated", "as_compiled", "run_level"]

_END = object()

AnyPregel = Pregel[Any, Any, Any, Any]


def run_level(toggles: Sequence[Optimization[Any]]) -> tuple[Optimization[Any], ...]:
    """Those of the toggles that do something around the run."""
    return tuple(toggle for toggle in toggles if type(toggle).activate is not Optimization.activate)


def activated(
    graph: AnyPregel,
    toggles: Sequence[Optimization[Any]],
    *,
    strict: bool = False,
    replaced: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
) -> AnyPregel:
    """Make a graph hold the run-level toggles around each of its runs.

    Args:
        graph: A compiled graph that nobody else uses: its class is changed in place.
        toggles: The toggles; where none of them acts around a run and nothing was replaced, the graph stays as it is.
        strict: Whether a toggle that fails in a run is raised there; else the run goes on without it.
        replaced: Settings of the graph that toggles replaced: attribute -> the user's value, theirs.

    Returns:
        The same graph.
    """
    toggles = tuple(toggle for toggle in run_level(toggles) if not toggle.only_rewrites)
    if toggles or replaced:
        graph.__class__ = _activated_class(type(graph))
        cast(_Activated, graph).optiflow = RunPart(toggles, strict, dict(replaced))
    return graph


def as_compiled(graph: AnyPregel) -> AnyPregel:
    """A graph as it was before it was optimized, with the settings that it was given since.

    Args:
        graph: A compiled graph; one that no toggle acts on comes back as it is.
    """
    if not isinstance(graph, _Activated):
        return graph
    plain: AnyPregel = copy.copy(graph)
    plain.__class__ = next(each for each in type(graph).__mro__[1:] if not issubclass(each, _Activated))  # type: ignore[assignment]
    attributes = vars(plain)
    del attributes["optiflow"]
    for name, (users, ours) in graph.optiflow.replaced.items():
        attributes[name] = _without(attributes[name], users, ours)
    return plain


def _without(value: Any, users: Any, ours: Any) -> Any:
    """A setting without what a toggle put there."""
    if value is ours:
        return users
    if not (isinstance(value, dict) and isinstance(ours, dict)):
        return value
    # Binding a configuration to the graph since has copied what a toggle had put into it.
    users = users or {}
    kept = {key: _without(of_key, users.get(key), ours.get(key, _END)) for key, of_key in value.items()}
    return {
        key: of_key for key, of_key in kept.items() if key in users or key not in ours or value[key] is not ours[key]
    }


@lru_cache(maxsize=16)
def _activated_class(plain: type[AnyPregel]) -> type[AnyPregel]:
    """The same class, holding toggles around the runs of its graphs."""
    if issubclass(plain, _Activated):
        return plain
    # A drawing (`get_graph().to_json()`) and a repr show the class: nothing that LangGraph shows may change.
    shown = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    return cast("type[AnyPregel]", type(plain.__name__, (_Activated, plain), shown))


class _Activated(Pregel[Any, Any, Any, Any]):
    """The overridden ways to run; `batch`, `abatch`, `astream_events` and all others end in one of them."""

    optiflow: RunPart

    def __init__(self, *, optiflow: RunPart, **attributes: Any) -> None:
        # `copy` and `with_config` pass every attribute of the original on, so the toggles survive both.
        super().__init__(**attributes)
        self.optiflow = optiflow

    @property
    def run_toggles(self) -> tuple[Optimization[Any], ...]:
        """The toggles that are held around runs."""
        return self.optiflow.toggles

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        run = Run.begin(self.optiflow, self)
        try:
            tokens = run.set()
            try:
                return super().invoke(*args, **kwargs)
            finally:
                run.reset(tokens)
        finally:
            run.end()

    async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        run = Run.begin(self.optiflow, self)
        try:
            tokens = run.set()
            try:
                return await super().ainvoke(*args, **kwargs)
            finally:
                run.reset(tokens)
        finally:
            run.end()

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        stream = cast("Generator[Any]", super().stream(*args, **kwargs))
        return stream if Run.is_begun_by(self) else _stepwise(stream, self.optiflow)

    def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        stream = cast("AsyncGenerator[Any]", super().astream(*args, **kwargs))
        return stream if Run.is_begun_by(self) else _stepwise_async(stream, self.optiflow)


def _stepwise(stream: Generator[Any], part: RunPart) -> Iterator[Any]:
    run = Run.begin(part)
    run.values.append(CONSUMED)
    try:
        try:
            while True:
                # A generator that left its variables set would leak them into its caller between two steps.
                tokens = run.set()
                try:
                    each = next(stream, _END)
                finally:
                    run.reset(tokens)
                if each is _END:
                    return
                yield each
        finally:
            tokens = run.set()
            try:
                stream.close()
            finally:
                run.reset(tokens)
    finally:
        run.end()


async def _stepwise_async(stream: AsyncGenerator[Any], part: RunPart) -> AsyncIterator[Any]:
    run = Run.begin(part)
    run.values.append(CONSUMED)
    try:
        try:
            while True:
                tokens = run.set()
                try:
                    each = await anext(stream, _END)
                finally:
                    run.reset(tokens)
                if each is _END:
                    return
                yield each
        finally:
            tokens = run.set()
            try:
                await stream.aclose()
            finally:
                run.reset(tokens)
    finally:
        run.end()


# Whoever inspects the methods sees LangGraph's parameters and documentation.
for _name in ("invoke", "ainvoke", "stream", "astream"):
    update_wrapper(getattr(_Activated, _name), getattr(Pregel, _name))
