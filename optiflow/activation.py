"""Holds the run-level part of toggles around every run of a compiled graph.

The graph stays what it was: a real `CompiledStateGraph` (or `Pregel`), because LangGraph Studio,
``isinstance`` checks and graphs used as nodes of other graphs refuse anything else. Only `stream` and
`astream` are overridden; every other way to run a graph goes through one of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar, copy_context
from functools import lru_cache, update_wrapper
from typing import Any, cast

from langgraph.pregel import Pregel

from optiflow.optimizations.base import Optimization
from optiflow.plan.dataflow.onlookers import without_consumer

__all__ = ["AnyPregel", "activated", "run_level"]

_active: ContextVar[frozenset[str]] = ContextVar("optiflow_active_toggles", default=frozenset())
"""Names of the toggles that an outer run holds already."""

_END = object()

AnyPregel = Pregel[Any, Any, Any, Any]


def run_level(toggles: Sequence[Optimization[Any]]) -> tuple[Optimization[Any], ...]:
    """Those of the toggles that do something around the run."""
    return tuple(toggle for toggle in toggles if type(toggle).activate is not Optimization.activate)


def activated(graph: AnyPregel, toggles: Sequence[Optimization[Any]]) -> AnyPregel:
    """Make a graph hold the run-level toggles around each of its runs.

    Args:
        graph: A compiled graph that nobody else uses: its class is changed in place.
        toggles: The toggles; where none of them acts around a run, the graph stays as it is.

    Returns:
        The same graph.
    """
    toggles = tuple(toggle for toggle in run_level(toggles) if not toggle.only_rewrites)
    if toggles:
        graph.__class__ = _activated_class(type(graph))
        cast(_Activated, graph).run_toggles = toggles
    return graph


@lru_cache(maxsize=16)
def _activated_class(plain: type[AnyPregel]) -> type[AnyPregel]:
    """The same class, holding toggles around the runs of its graphs."""
    if issubclass(plain, _Activated):
        return plain
    # A drawing (`get_graph().to_json()`) and a repr show the class: nothing that LangGraph shows may change.
    shown = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    return cast("type[AnyPregel]", type(plain.__name__, (_Activated, plain), shown))


class _Run:
    """The toggles of one run, entered in a context of their own.

    What they set in context variables is lent to each step of the run and taken back after it. A generator
    that set them itself would leak them into its caller between two steps, and could not reset them when it
    is closed from another context, as a garbage-collected or abandoned stream is.
    """

    def __init__(self, toggles: Sequence[Optimization[Any]]) -> None:
        self._context = copy_context()
        self._stack = ExitStack()
        before = dict(self._context.items())
        try:
            self._context.run(self._enter, toggles)
        except BaseException:
            self.close()
            raise
        self._variables = [
            (variable, value) for variable, value in self._context.items() if before.get(variable, _END) is not value
        ]

    def _enter(self, toggles: Sequence[Optimization[Any]]) -> None:
        _active.set(_active.get() | {toggle.name for toggle in toggles})
        for toggle in toggles:
            self._stack.enter_context(toggle.attach())

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Set in the current context what the toggles set; for one step, or for a run that is one call."""
        tokens = [variable.set(value) for variable, value in self._variables]
        try:
            yield
        finally:
            for token in reversed(tokens):
                token.var.reset(token)

    def close(self) -> None:
        """Leave the toggles."""
        self._context.run(self._stack.close)


class _Activated(Pregel[Any, Any, Any, Any]):
    """The overridden ways to run; `batch`, `abatch`, `astream_events` and all others end in one of them."""

    run_toggles: tuple[Optimization[Any], ...]

    def __init__(self, *, run_toggles: tuple[Optimization[Any], ...], **attributes: Any) -> None:
        # `copy` and `with_config` pass every attribute of the original on, so the toggles survive both.
        super().__init__(**attributes)
        self.run_toggles = run_toggles

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self._fresh()
        with without_consumer():
            if not fresh:
                return super().invoke(*args, **kwargs)
            with closing(_Run(fresh)) as run, run.lent():
                return super().invoke(*args, **kwargs)

    async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self._fresh()
        with without_consumer():
            if not fresh:
                return await super().ainvoke(*args, **kwargs)
            with closing(_Run(fresh)) as run, run.lent():
                return await super().ainvoke(*args, **kwargs)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        stream = cast("Generator[Any]", super().stream(*args, **kwargs))
        fresh = self._fresh()
        return _stepwise(stream, fresh) if fresh else stream

    def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        stream = cast("AsyncGenerator[Any]", super().astream(*args, **kwargs))
        fresh = self._fresh()
        return _stepwise_async(stream, fresh) if fresh else stream

    def _fresh(self) -> list[Optimization[Any]]:
        """The toggles that no outer run holds yet."""
        held = _active.get()
        return [toggle for toggle in self.run_toggles if toggle.name not in held]


def _stepwise(stream: Generator[Any], toggles: Sequence[Optimization[Any]]) -> Iterator[Any]:
    with closing(_Run(toggles)) as run:
        try:
            while True:
                with run.lent():
                    part = next(stream, _END)
                if part is _END:
                    return
                yield part
        finally:
            with run.lent():
                stream.close()


async def _stepwise_async(stream: AsyncGenerator[Any], toggles: Sequence[Optimization[Any]]) -> AsyncIterator[Any]:
    with closing(_Run(toggles)) as run:
        try:
            while True:
                with run.lent():
                    part = await anext(stream, _END)
                if part is _END:
                    return
                yield part
        finally:
            with run.lent():
                await stream.aclose()


# Whoever inspects the methods sees LangGraph's parameters and documentation.
for _name in ("invoke", "ainvoke", "stream", "astream"):
    update_wrapper(getattr(_Activated, _name), getattr(Pregel, _name))
