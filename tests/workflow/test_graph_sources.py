"""The files of a graph's nodes are those that the user wrote."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnablePassthrough
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from optiflow.workflow.graph_sources import graph_sources


class Node:
    """A callable class."""

    def __call__(self, state: Any) -> Any:
        """Do nothing."""
        return {}


def _partly(extra: int, state: Any) -> Any:
    return {}


async def _waiting(state: Any) -> Any:
    return {}


def test_functions_classes_and_partials_are_found() -> None:
    """Whatever stands for a node; what is installed doesn't count."""
    here = (Path(__file__).resolve(),)
    for node in (Node(), functools.partial(_partly, 1), _waiting, lambda state: {}, Node().__call__):
        builder: StateGraph[Any] = StateGraph(MessagesState)
        builder.add_node("node", node)
        assert graph_sources(builder) == here
    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([]))
    builder.add_node("pass", RunnablePassthrough())
    assert graph_sources(builder) == ()


def test_a_graph_of_the_functional_api_has_none_that_are_known() -> None:
    """There is no builder to ask."""
    assert graph_sources(None) == ()
