"""The declaration of workflows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from optiflow.config.compose import compose
from optiflow.config.files import options_of
from optiflow.config.workflow import (
    DeclaredWorkflowConfig,
    DistributionsInput,
    FolderInput,
    MaterialConfig,
    PromptsNode,
    canonical_name,
)

PROMPT = {"instruction": "Say it.", "reads": [{"tag": "text", "document": "{package}", "tokens": 10}], "writes": "said"}


def declared(**changes: Any) -> dict[str, Any]:
    """A small declaration."""
    return {
        "kind": "declared",
        "name": "small",
        "input": {"kind": "distributions", "packages": ["pydantic"]},
        "nodes": [{"name": "speaker", "kind": "prompts", "prompts": [PROMPT]}],
        "output": "said",
    } | changes


@pytest.mark.parametrize("option", [option for option in options_of("workflow") if option != "graph"])
def test_every_shipped_declaration_is_valid(option: str) -> None:
    """Each file of the group makes a whole configuration, given a folder where it needs one."""
    overrides = ["workflow.input.folder=reports"] if option == "reports" else []
    config = compose([f"workflow={option}", *overrides]).workflow
    assert isinstance(config, DeclaredWorkflowConfig)
    assert config.name == option
    assert isinstance(config.input, FolderInput if option == "reports" else DistributionsInput)


def test_package_names_are_normalized() -> None:
    """Whatever the spelling, a distribution has one name."""
    config = DistributionsInput(kind="distributions", packages=("Markdown_It.Py", " rich "))
    assert config.packages == ("markdown-it-py", "rich")
    assert canonical_name("A--b__C") == "a-b-c"


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (["rich", "Rich"], "'rich' is given 2 times"),
        (["rich", " "], "a package's name is empty"),
        ([], "at least 1 item"),
    ],
)
def test_a_list_of_packages_that_makes_no_sense_is_refused(packages: list[str], message: str) -> None:
    """No duplicates, no blanks, at least one."""
    with pytest.raises(ValidationError, match=message):
        DeclaredWorkflowConfig.model_validate(declared(input={"kind": "distributions", "packages": packages}))


@pytest.mark.parametrize(
    ("material", "message"),
    [
        ({"tag": "a", "tokens": 5}, "exactly one of 'document' and 'state'"),
        ({"tag": "a", "tokens": 5, "document": "x", "state": "y"}, "exactly one of 'document' and 'state'"),
        ({"tag": "a", "tokens": 5, "state": "y", "sections": ["sheet"]}, "only a document has sections"),
        ({"tag": "a", "tokens": 0, "state": "y"}, "greater than or equal to 1"),
        ({"tag": "A b", "tokens": 1, "state": "y"}, "tag"),
    ],
)
def test_material_has_one_source_and_a_budget(material: dict[str, Any], message: str) -> None:
    """An excerpt is of a document or of a state key, at least a token long."""
    with pytest.raises(ValidationError, match=message):
        MaterialConfig.model_validate(material)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"package": [{"name": "a"}]}, "lists.package has the name of the input's own list"),
        ({"theme": [{"title": "A"}]}, "lists.theme.0 has no name"),
        ({"theme": [{"name": "a"}, {"name": "a"}]}, "lists.theme has the name 'a' 2 times"),
    ],
)
def test_lists_have_names_of_their_own(lists: dict[str, Any], message: str) -> None:
    """What for_each goes over can be told apart."""
    with pytest.raises(ValidationError, match=message):
        DeclaredWorkflowConfig.model_validate(declared(lists=lists))


def test_a_node_is_told_by_its_kind() -> None:
    """The kinds are a closed set, and a node of one kind takes no key of another."""
    config = DeclaredWorkflowConfig.model_validate(declared())
    assert isinstance(config.nodes[0], PromptsNode)
    with pytest.raises(ValidationError, match="'prompts', 'document', 'router'"):
        DeclaredWorkflowConfig.model_validate(declared(nodes=[{"name": "x", "kind": "prompt"}]))
    with pytest.raises(ValidationError, match="parts"):
        DeclaredWorkflowConfig.model_validate(declared(nodes=[{**declared()["nodes"][0], "parts": []}]))


def test_names_that_langgraph_keeps_for_itself_are_refused() -> None:
    """A colon or a bar in a node's name would fail only later, when the graph is built."""
    with pytest.raises(ValidationError, match="name"):
        DeclaredWorkflowConfig.model_validate(declared(nodes=[{**declared()["nodes"][0], "name": "a|b"}]))
