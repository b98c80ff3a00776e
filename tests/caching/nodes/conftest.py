"""Graphs whose nodes are kept, and what was counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from optiflow import api

Compile = Callable[..., CompiledStateGraph[Any, Any, Any, Any]]


@pytest.fixture
def cached(tmp_path: Any) -> Compile:
    """Compiles a graph with ``cache``; ``auto`` unless nodes are named."""

    def compile_it(
        builder: StateGraph[Any, Any, Any, Any], *, compiling: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        return api.compile(builder, {"cache": {"nodes": "auto", **options}}, **(compiling or {}))

    return compile_it


@pytest.fixture
def figures() -> Callable[[Any], dict[str, int]]:
    """What a graph's cache has counted, without zeros, and without ``node_`` in front."""

    def count(graph: Any) -> dict[str, int]:
        counted = graph.run_toggles[0]._kept()
        return {name.removeprefix("node_"): figure for name, figure in counted.items() if figure}

    return count


@pytest.fixture
def chain() -> Callable[..., StateGraph[Any, Any, Any, Any]]:
    """Builds a straight chain of nodes."""

    def build(
        schema: Any, *nodes: Callable[..., Any], context: Any = None, **options: Any
    ) -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(schema, context_schema=context)
        names = [node.__name__ for node in nodes]
        for node in nodes:
            builder.add_node(node.__name__, node, **options)
        for source, target in zip([START, *names], [*names, END], strict=True):
            builder.add_edge(source, target)
        return builder

    return build
