"""The arms of the cross: none, every registered toggle alone, some with more turned on, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from optiflow import api
from optiflow.api import Opt
from optiflow.optimizations.base import Decision
from optiflow.optimizations.registry import available, preset

__all__ = ["ARMS", "BESIDE_ALL", "SPECULATING", "build", "decisions"]

CACHING = "cache_nodes_auto"
"""The arm in which whatever may be kept is kept, from run to run."""

SPECULATING = "speculate, always"
"""The arm in which branches start early at once; by itself the toggle would first have to learn."""

BESIDE_ALL = "all and speculate, always"
"""The same beside every other toggle; no part of the cross."""

_SPECULATING: Mapping[str, Mapping[str, Any]] = {"speculate": {"branch": "last"}}
_CACHING: Mapping[str, Mapping[str, Any]] = {"cache": {"nodes": "auto"}}
_WITH_OPTIONS: Mapping[str, Opt] = {
    CACHING: _CACHING,
    SPECULATING: _SPECULATING,
    BESIDE_ALL: {**preset("all"), **_SPECULATING},
}

ARMS: tuple[str, ...] = ("none", *available(), CACHING, SPECULATING, "safe", "all")
"""A toggle joins by being registered."""


def build(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> CompiledStateGraph:
    """Compile a graph as one arm does."""
    return api.compile(builder, _WITH_OPTIONS.get(arm, arm), **options)


def decisions(arm: str, builder: StateGraph, options: Mapping[str, Any]) -> tuple[Decision, ...]:
    """What the toggles of one arm decide about a graph."""
    return api.explain(builder.compile(**options), _WITH_OPTIONS.get(arm, arm))
