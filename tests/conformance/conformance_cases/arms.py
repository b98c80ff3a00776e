"""The arms of the cross: none, every registered toggle alone, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from optiflow.optimizations.base import Decision

try:
    from optiflow import api
    from optiflow.optimizations.registry import available

    ARMS: tuple[str, ...] = ("none", *available(), "safe", "all")
except ImportError:
    api = None
    ARMS = ("none",)

__all__ = ["ARMS", "build", "decisions"]


def build(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> CompiledStateGraph:
    """Compile a graph as one arm does."""
    if api is None:
        return builder.compile(**options)
    return api.compile(builder, arm, **options)


def decisions(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> tuple[Decision, ...]:
    """What the toggles of one arm decided about a graph."""
    if api is None:
        return ()
    return api.explain(builder.compile(**options), arm)
