"""The arms of the cross: none, every registered toggle alone, some with more turned on, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from optiflow import api
from optiflow.api import Opt
from optiflow.optimizations.base import Decision
from optiflow.optimizations.registry import available

__all__ = ["ARMS", "build", "decisions"]

_OPTIONS: Mapping[str, Opt] = {"cache_nodes_auto": {"cache": {"nodes": "auto"}}}
"""Arms whose name is no preset's."""

ARMS: tuple[str, ...] = ("none", *available(), *_OPTIONS, "safe", "all")
"""A toggle joins by being registered."""


def build(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> CompiledStateGraph:
    """Compile a graph as one arm does."""
    return api.compile(builder, _OPTIONS.get(arm, arm), **options)


def decisions(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> tuple[Decision, ...]:
    """What the toggles of one arm decide about a graph."""
    return api.explain(builder.compile(**options), _OPTIONS.get(arm, arm))
