"""From what a reference names to a compiled graph: builders compiled, factories called, resources held."""

from __future__ import annotations

import asyncio
import inspect
import threading
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from optiflow.workflow.references import Reference, failure, import_object

__all__ = ["Factory", "open_graph"]

T = TypeVar("T")

Factory = Callable[..., Any]
"""Makes a graph, a builder, an awaitable of one, or a context manager around one."""


@contextmanager
def open_graph(
    reference: Reference, config: Mapping[str, Any] | None = None, context: Any = None
) -> Iterator[Pregel[Any, Any, Any, Any]]:
    """Import a graph, make it where the reference names a factory, and hold what it needs for the block.

    A factory may take a config, a ``ServerRuntime``, both or nothing; it may be asynchronous, and may
    return a context manager, which is left when the block ends. Asynchronous ones live on an event loop of
    their own, in a thread of its own, so that what they opened stays alive whichever loop runs the graph.

    Args:
        reference: Where the graph is.
        config: The run's configuration, for factories.
        context: The run's context, for factories that take a ``ServerRuntime``.

    Raises:
        GraphReferenceError: The reference does not lead to a graph that compiles.
    """
    value = import_object(reference)
    with ExitStack() as stack:
        if callable(value) and not isinstance(value, Pregel | StateGraph):
            value = _made(reference, value, _arguments(reference, value, config, context), stack)
        yield _compiled(reference, value)


def _made(reference: Reference, factory: Factory, arguments: Mapping[str, Any], stack: ExitStack) -> Any:
    """What the factory makes, with its context manager entered."""
    try:
        value = factory(**arguments)
        if isinstance(value, AbstractContextManager):
            return stack.enter_context(value)
        if inspect.isawaitable(value):
            return stack.enter_context(_loop_thread())(_awaited(value))
        if isinstance(value, AbstractAsyncContextManager):
            run = stack.enter_context(_loop_thread())
            made = run(value.__aenter__())
            stack.callback(lambda: run(value.__aexit__(None, None, None)))
            return made
    except Exception as error:
        raise reference.error(f"the factory failed with {failure(error)}") from error
    return value


async def _awaited(value: Awaitable[T]) -> T:
    return await value


@contextmanager
def _loop_thread() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """An event loop that runs in a thread of its own; yields what runs a coroutine there and waits for it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="optiflow-graph-factory", daemon=True)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _arguments(
    reference: Reference, factory: Factory, config: Mapping[str, Any] | None, context: Any
) -> dict[str, Any]:
    """The arguments of a factory, told apart as LangGraph's server does: by annotation, else the config."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    try:
        annotations = typing.get_type_hints(factory)
    except Exception:  # noqa: BLE001 - annotations may name what only a type checker can import
        annotations = {}
    arguments: dict[str, Any] = {}
    for parameter in parameters:
        annotation = annotations.get(parameter.name, parameter.annotation)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if _names(annotation, "Runtime") or parameter.name == "runtime":
            arguments[parameter.name] = _server_runtime(context)
        elif _names(annotation, "Config") or parameter.name == "config" or len(parameters) == 1:
            arguments[parameter.name] = {"configurable": {}, **(config or {})}
        elif parameter.default is parameter.empty:
            raise reference.error(
                f"the factory asks for {parameter.name!r}; it may only ask for a config and a ServerRuntime"
            )
    return arguments


def _names(annotation: Any, ending: str) -> bool:
    """Whether an annotation, evaluated or still text, is a type whose name ends so."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.partition("[")[0].endswith(ending)


def _server_runtime(context: Any) -> Any:
    """The runtime that LangGraph's server gives a factory when it makes a graph to run it."""
    from langgraph.store.memory import InMemoryStore
    from langgraph_sdk.runtime import _ExecutionRuntime

    return _ExecutionRuntime(access_context="threads.create_run", store=InMemoryStore(), context=context)


def _compiled(reference: Reference, value: Any) -> Pregel[Any, Any, Any, Any]:
    if isinstance(value, Pregel):
        return value
    if not isinstance(value, StateGraph):
        raise reference.error(
            f"{type(value).__module__}.{type(value).__qualname__} is no graph; expected a StateGraph, "
            "a compiled graph or a factory of one"
        )
    try:
        return value.compile()
    except Exception as error:
        raise reference.error(f"the graph does not compile: {error}") from error
