"""The graph that LangGraph Studio loads."""

from __future__ import annotations

import json
from pathlib import Path

from langgraph.graph import StateGraph

from optiflow.workflow.studio import graph


def test_langgraph_json_leads_to_the_factory() -> None:
    """The file at the top level names this very function."""
    root = Path(__file__).parents[2]
    path, _, name = json.loads((root / "langgraph.json").read_text())["graphs"]["dependency_brief"].partition(":")
    assert (root / path).samefile(graph.__code__.co_filename)
    assert name == graph.__name__


async def test_the_factory_makes_a_plain_graph_that_runs_on_nothing() -> None:
    """Neither a wrapper nor a checkpointer of its own, and an empty input is enough."""
    builder = await graph()
    assert type(builder) is StateGraph
    assert await graph() is builder
    state = await builder.compile().ainvoke({}, {"recursion_limit": 100})
    assert state["brief"].startswith("# Dependency brief")
