"""From an expanded declaration to LangGraph's `StateGraph`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from optiflow.config.workflow import RetryConfig
from optiflow.plan.effects import Effects
from optiflow.workflow.expansion import DOCUMENTS, Expanded, Router
from optiflow.workflow.nodes import Asking, State, node_function, worth_retrying

__all__ = ["build_graph", "declared_effects"]

# The keys come from the declaration, which no type checker can see.
_typed_dict: Any = TypedDict
_LANGGRAPH_NAMES = {"START": START, "END": END}


def build_graph(expanded: Expanded, asking: Asking) -> StateGraph[Any, Any, Any, Any]:
    """Build the graph; nothing is read or asked yet."""
    keys: dict[str, Any] = {DOCUMENTS: dict[str, dict[str, str]]}
    for node in expanded.nodes:
        keys |= dict.fromkeys(node.work.writes, str)
        if isinstance(node.work, Router):
            keys[node.work.count_key] = int
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(_typed_dict("State", keys, total=False))
    for node in expanded.nodes:
        # Which of its many overloads mypy blames depends on the order in which it reads the modules.
        work: Any = node_function(node, asking)
        builder.add_node(node.name, work, retry_policy=_retry_policy(node.retry))
        if isinstance(node.work, Router):
            targets = {name: _LANGGRAPH_NAMES.get(name, name) for name in (node.work.to, node.work.otherwise)}
            builder.add_conditional_edges(node.name, _decision(node.work.route_key), targets)  # type: ignore[arg-type]
    for sources, target in expanded.edges:
        starts = [_LANGGRAPH_NAMES.get(source, source) for source in sources]
        builder.add_edge(starts if len(starts) > 1 else starts[0], _LANGGRAPH_NAMES.get(target, target))
    return builder


def declared_effects(expanded: Expanded) -> Mapping[str, Effects]:
    """What each node reads and writes."""
    return {
        node.name: Effects.declared(node.work.reads, set(node.work.writes), "the workflow's declaration")
        for node in expanded.nodes
    }


def _decision(route_key: str) -> Callable[[State], str]:
    def route(state: State) -> str:
        return str(state[route_key])

    return route


def _retry_policy(config: RetryConfig | None) -> RetryPolicy | None:
    if config is None:
        return None
    return RetryPolicy(
        initial_interval=config.initial_interval_s,
        backoff_factor=config.backoff_factor,
        max_interval=config.max_interval_s,
        max_attempts=config.max_attempts,
        jitter=False,
        retry_on=worth_retrying,
    )
