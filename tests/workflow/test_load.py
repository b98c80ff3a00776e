"""From configuration to a workflow that is ready."""

from __future__ import annotations

from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from optiflow.clock import VirtualClock
from optiflow.config.compose import compose
from optiflow.config.model import ModelConfig
from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ConfigurationError, InputError
from optiflow.models import load_chat_model
from optiflow.workflow import Workflow, load_workflow


def load(*overrides: str) -> Workflow:
    """The workflow that these overrides make."""
    config = compose(overrides)
    return load_workflow(config.workflow, load_chat_model(config.model, VirtualClock()), config.model)


def test_a_brief_has_its_truth_and_no_reference() -> None:
    """Packages have facts to be judged by."""
    workflow = load("workflow.input.packages=[rich,idna]")
    assert (workflow.name, workflow.output_key, workflow.reference) == ("dependency_brief", "brief", None)
    assert workflow.truth is not None
    assert list(workflow.truth) == list(workflow.input["documents"]) == ["rich", "idna"]
    assert set(workflow.effects) == set(workflow.builder.nodes)
    assert workflow.checkpointer is not None
    with workflow.checkpointer() as saver, workflow.checkpointer() as other:
        assert isinstance(saver, InMemorySaver)
        assert saver is not other


def test_a_folder_has_its_reference_and_no_truth(tmp_path: Path) -> None:
    """Reports are judged by somebody else's summary, if at all."""
    (tmp_path / "north.txt").write_text("It rained.")
    (tmp_path / "sum.txt").write_text("Rain.")
    workflow = load("workflow=reports", f"workflow.input.folder={tmp_path}", "workflow.input.reference=sum.txt")
    assert (workflow.truth, workflow.reference) == (None, "Rain.")
    assert "reader_north" in workflow.builder.nodes


def test_without_a_checkpointer_there_is_none() -> None:
    """The configuration may do without checkpoints."""
    assert load("workflow.input.packages=[idna]", "workflow.checkpointer=none").checkpointer is None


def test_the_digest_changes_with_what_is_read(tmp_path: Path) -> None:
    """Two runs compare only if they read the same, reference included."""
    (tmp_path / "north.txt").write_text("It rained.")
    (tmp_path / "sum.md").write_text("Rain.")
    folder = ("workflow=reports", f"workflow.input.folder={tmp_path}", "workflow.input.reference=sum.md")
    first = load(*folder).input_digest
    assert len(first) == 64
    assert load(*folder).input_digest == first
    (tmp_path / "sum.md").write_text("Snow.")
    second = load(*folder).input_digest
    (tmp_path / "north.txt").write_text("It snowed.")
    assert len({first, second, load(*folder).input_digest}) == 3


def test_bad_input_is_named_before_anything_runs() -> None:
    """A package that is not installed stops the load."""
    with pytest.raises(InputError, match="did you mean 'rich'"):
        load("workflow.input.packages=[ritch]")


def test_a_declaration_that_does_not_fit_is_named() -> None:
    """The checks of the declaration are part of the load."""
    with pytest.raises(ConfigurationError, match=r"workflow\.output: no node writes 'breef'; did you mean 'brief'"):
        load("workflow.input.packages=[idna]", "workflow.output=breef")


def test_a_graph_of_the_users_own_is_loaded_by_its_reference(tmp_path: Path) -> None:
    """The other kind of workflow goes the same way."""
    (tmp_path / "mine.py").write_text(
        "from langgraph.graph import START, StateGraph\n"
        "graph = StateGraph(dict)\n"
        "graph.add_node('only', lambda state: state)\n"
        "graph.add_edge(START, 'only')\n"
    )
    workflow = load("workflow=graph", f"workflow.ref={tmp_path}/mine.py:graph", "workflow.input={}")
    assert list(workflow.builder.nodes) == ["only"]


@pytest.mark.parametrize(("temperature", "merges"), [(0.0, True), (0.7, False)])
def test_sampled_answers_are_never_merged(temperature: float, merges: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above temperature 0 each prompt is asked for itself."""
    import optiflow.workflow.graph as graph

    seen: list[object] = []
    build = graph.build_graph
    monkeypatch.setattr(graph, "build_graph", lambda expanded, asking: seen.append(asking) or build(expanded, asking))
    config = compose(["workflow.input.packages=[idna]"]).workflow
    assert isinstance(config, DeclaredWorkflowConfig)
    model_config = ModelConfig(temperature=temperature)
    load_workflow(config, load_chat_model(model_config, VirtualClock()), model_config)
    assert (seen[0].identity is not None) is merges  # type: ignore[attr-defined]
