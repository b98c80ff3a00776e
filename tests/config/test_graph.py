"""The configuration of a user's graph."""

from __future__ import annotations

import pytest

from optiflow.config.compose import compose
from optiflow.config.graph import EffectsConfig, GraphWorkflowConfig
from optiflow.errors import ConfigurationError


def test_graph_workflow_runs_in_real_time_unless_told_otherwise() -> None:
    """A graph of the user's own waits for real providers."""
    config = compose(["workflow=graph", "workflow.ref=app.graphs:graph"])
    assert config.workflow == GraphWorkflowConfig(kind="graph", ref="app.graphs:graph")
    assert config.clock.kind == "real"
    assert compose(["workflow=graph", "workflow.ref=a:b", "clock=virtual"]).clock.kind == "virtual"


def test_every_key_can_be_given_on_the_command_line() -> None:
    """Files, mappings, JSON and lists need no tricks."""
    workflow = compose(
        [
            "workflow=graph",
            "workflow.ref=./langgraph.json:agent",
            "workflow.input=@input.json",
            "workflow.context={user: me}",
            "workflow.config={recursion_limit: 50, configurable: {model: small}}",
            "workflow.resume=[yes, {edit: 3}]",
            "workflow.output=text",
            "workflow.effects={node: {reads: [a], writes: [b]}}",
        ]
    ).workflow
    assert workflow == GraphWorkflowConfig(
        kind="graph",
        ref="./langgraph.json:agent",
        input="@input.json",
        context={"user": "me"},
        config={"recursion_limit": 50, "configurable": {"model": "small"}},
        resume=("yes", {"edit": 3}),
        output="text",
        effects={"node": EffectsConfig(reads=("a",), writes=("b",))},
    )
    for given, expected in (("{a: 1}", {"a": 1}), ("-", "-"), ("'{\"a\": [1]}'", '{"a": [1]}')):
        assert compose(["workflow=graph", "workflow.ref=a:b", f"workflow.input={given}"]).workflow.input == expected


def test_reference_is_needed() -> None:
    """Without one there is nothing to run."""
    with pytest.raises(ConfigurationError, match=r"workflow\.ref"):
        compose(["workflow=graph"])
