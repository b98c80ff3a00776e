"""Handlers that were there before a node's early work, and those that it has made."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, StdOutCallbackHandler, get_usage_metadata_callback
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.root_listeners import RootListenersTracer

from optiflow.plan.dataflow.outsiders import Outsiders

HANDLER = BaseCallbackHandler()
MODEL = FakeListChatModel(responses=["x"], callbacks=[HANDLER])
MODULE: Any = ModuleType("models")
MODULE.model = MODEL


def uses_a_global(state: Any) -> Any:
    """Ask a model of the module's."""
    return [MODEL.invoke(each) for each in state]


def uses_a_module(state: Any) -> Any:
    """Ask a model of another module."""
    return MODULE.model.invoke("x")


def uses_a_helper(state: Any) -> Any:
    """Ask it by another function."""
    return uses_a_global(state)


def has_a_default(state: Any, model: Any = MODEL, *, other: Any = None) -> Any:
    """Ask what it is given."""


def closing_over(model: Any) -> Any:
    """A function with a closure."""
    return lambda state: model.invoke("x")


class Agent:
    """Has a model, or uses the module's."""

    def __init__(self, model: Any = None) -> None:
        self.model = model

    def __call__(self, state: Any) -> Any:
        """Ask."""
        return self.ask()

    def ask(self) -> Any:
        """Ask the module's."""
        return MODEL.invoke("x")


@pytest.mark.parametrize(
    "node",
    [
        uses_a_global, uses_a_module, uses_a_helper, has_a_default, closing_over(MODEL),
        Agent(MODEL), Agent(), Agent().ask,
        partial(has_a_default, model=MODEL), RunnableLambda(uses_a_global), RunnableLambda(str) | MODEL,
    ],
)  # fmt: skip
def test_what_a_node_can_reach_was_there(node: Any) -> None:
    """Wherever the model is, whose handler it is."""
    outsiders = Outsiders((), node)
    assert outsiders.knows(HANDLER)
    assert outsiders.knows(HANDLER)
    assert not outsiders.knows(BaseCallbackHandler())


def test_those_of_the_run_and_of_the_context() -> None:
    """A context that the node has entered itself is its own."""
    of_the_run = BaseCallbackHandler()
    with get_usage_metadata_callback() as before:
        outsiders = Outsiders([of_the_run])
        assert outsiders.knows(of_the_run)
        assert outsiders.knows(before)
        with get_usage_metadata_callback() as own:
            assert not outsiders.knows(own)


def test_those_that_langchain_makes_for_each_call() -> None:
    """Where a setting asks for them."""
    assert Outsiders().knows(StdOutCallbackHandler())


def test_listeners() -> None:
    """Their handlers are made for each call: the functions count."""

    def heard(run: Any) -> None:
        """Listen."""

    def tracer(listener: Any) -> RootListenersTracer:
        return RootListenersTracer(config={}, on_start=None, on_end=listener, on_error=None)

    outsiders = Outsiders((), closing_over(RunnableLambda(str).with_listeners(on_end=heard)))
    assert outsiders.knows(tracer(heard))
    assert not outsiders.knows(tracer(lambda run: None))


def test_what_is_looked_at_is_not_called() -> None:
    """Objects that raise when they are asked for anything."""

    class Touchy:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    assert not Outsiders((), closing_over([Touchy(), {"x": Touchy()}])).knows(BaseCallbackHandler())
