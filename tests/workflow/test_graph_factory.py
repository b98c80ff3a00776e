"""From what a reference names to a compiled graph."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from optiflow.errors import GraphReferenceError
from optiflow.workflow import graph_factory
from optiflow.workflow.graph_factory import open_graph
from optiflow.workflow.references import Reference

if TYPE_CHECKING:
    from langgraph_sdk.runtime import ServerRuntime

REFERENCE = Reference("here:graph", "here", "graph", "graph", (), {})


class State(TypedDict, total=False):
    text: str


def make(text: str = "done") -> StateGraph[State]:
    """A graph of one node."""
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {"text": text})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open an object as if a reference had led to it."""

    def opened(value: Any, **given: Any) -> Any:
        monkeypatch.setattr(graph_factory, "import_object", lambda reference: value)
        return open_graph(REFERENCE, **given)

    return opened


def text_of(opened: Any) -> str:
    """What the graph behind an open reference answers."""
    with opened as graph:
        text: str = graph.invoke({})["text"]
        return text


def test_builder_is_compiled(opened: Any) -> None:
    """A StateGraph is compiled as its author would."""
    with opened(make()) as graph:
        assert isinstance(graph, CompiledStateGraph)


def test_compiled_graph_and_entrypoint_stay_as_they_are(opened: Any) -> None:
    """Settings that their author gave them are kept."""
    compiled = make().compile(name="mine")
    with opened(compiled) as graph:
        assert graph is compiled

    @entrypoint()
    def answer(question: str) -> str:
        return question

    with opened(answer) as graph:
        assert graph is answer


def test_factories_without_parameters(opened: Any) -> None:
    """Synchronous or not, of a builder or a compiled graph."""

    async def asynchronous() -> Any:
        await asyncio.sleep(0)
        return make("awaited").compile()

    assert text_of(opened(lambda: make("made"))) == "made"
    assert text_of(opened(asynchronous)) == "awaited"


def test_factories_get_what_they_ask_for(opened: Any) -> None:
    """A config and a ServerRuntime, told apart by annotation, evaluated or not, or by name."""
    given: dict[str, Any] = {"config": {"configurable": {"model": "small"}}, "context": {"user": "me"}}

    def by_config(config: RunnableConfig) -> Any:
        return make(config["configurable"]["model"])

    def by_any_name(settings: Any) -> Any:
        return make(settings["configurable"]["model"])

    def by_annotation(rt: ServerRuntime[Any], cfg: RunnableConfig, *args: Any, extra: int = 1) -> Any:
        assert rt.execution_runtime is not None
        return make(f"{cfg['configurable']['model']} {rt.execution_runtime.context['user']} {extra}")

    def by_name(config: dict[str, Any], runtime: Any) -> Any:
        return make(f"{config['configurable']['model']} {runtime.access_context}")

    assert text_of(opened(by_config, **given)) == "small"
    assert text_of(opened(by_any_name, **given)) == "small"
    assert text_of(opened(by_annotation, **given)) == "small me 1"
    assert text_of(opened(by_name, **given)) == "small threads.create_run"
    assert text_of(opened(lambda config: make(str(config)))) == "{'configurable': {}}"


def test_factory_with_no_signature(opened: Any) -> None:
    """Something callable whose parameters can't be read is called without any."""

    class Opaque:
        __signature__ = "none"

        def __call__(self) -> Any:
            return make("opaque")

    assert text_of(opened(Opaque())) == "opaque"


def test_context_managers_are_held_for_the_block(opened: Any) -> None:
    """What a factory opened is closed when the block ends, not before."""
    events: list[str] = []

    @contextmanager
    def synchronous() -> Iterator[Any]:
        events.append("opened")
        yield make("held").compile()
        events.append("closed")

    @asynccontextmanager
    async def asynchronous(config: RunnableConfig) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        events.append("opened")
        yield make("held")
        events.append("closed")

    for factory in (synchronous, asynchronous):
        events.clear()
        with opened(factory) as graph:
            assert events == ["opened"]
            assert graph.invoke({}) == {"text": "held"}
        assert events == ["opened", "closed"]


def test_asynchronous_factory_keeps_its_loop(opened: Any) -> None:
    """What it left running on its loop goes on while the graph is used, and the thread ends afterwards."""
    woken = threading.Event()

    async def factory() -> Any:
        asyncio.get_running_loop().call_later(0.01, woken.set)
        return make()

    with opened(factory):
        assert woken.wait(10)
    assert not [each for each in threading.enumerate() if each.name == "optiflow-graph-factory"]


def fail() -> Any:
    """A factory that fails."""
    raise LookupError("no key")


async def fail_later() -> Any:
    """An asynchronous factory that fails."""
    raise LookupError("no key")


@asynccontextmanager
async def fail_on_entry() -> AsyncIterator[Any]:
    """A context manager that can't be entered."""
    raise LookupError("no key")
    yield


def unconnected() -> Any:
    """A builder that does not compile."""
    builder = StateGraph(State)
    builder.add_node("node", lambda state: {})
    return builder


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (3, "builtins.int is no graph; expected a StateGraph"),
        (lambda: RunnableLambda(lambda state: state), "RunnableLambda is no graph"),
        (lambda: SimpleNamespace(), "types.SimpleNamespace is no graph"),
        (lambda a, b: None, "the factory asks for 'a'; it may only ask for a config and a ServerRuntime"),
        (fail, r"the factory failed with LookupError: no key \(.*test_graph_factory.py, line \d+\)"),
        (fail_later, "the factory failed with LookupError: no key"),
        (fail_on_entry, "the factory failed with LookupError: no key"),
        (unconnected(), "the graph does not compile: Graph must have an entrypoint"),
        (unconnected, "the graph does not compile: Graph must have an entrypoint"),
    ],
)
def test_what_is_no_graph(opened: Any, value: Any, problem: str) -> None:
    """Each failure is one line."""
    with pytest.raises(GraphReferenceError, match=problem) as raised, opened(value):
        raise AssertionError
    assert "\n" not in str(raised.value)
