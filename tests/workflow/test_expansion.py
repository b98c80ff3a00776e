"""Writing declarations out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ConfigurationError
from optiflow.workflow.expansion import DOCUMENTS, Prompts, Router, expand

Declare = Callable[..., DeclaredWorkflowConfig]


def test_every_for_each_is_written_out(declaration: Declare) -> None:
    """Nodes, prompts, material and parts are repeated, each with its entry's name and fields."""
    expanded = expand(declaration(), ["rich", "idna"])
    nodes = {node.name: node for node in expanded.nodes}
    assert list(nodes) == ["reader_rich", "reader_idna", "editor", "binder", "critic", "again"]
    editor = nodes["editor"].work
    assert isinstance(editor, Prompts)
    assert editor.writes == ("part_one", "part_two")
    assert editor.reads == {"note_rich", "note_idna", "remark"}
    names = [piece.name for piece in editor.prompts[1].materials]
    assert names == ["Second: rich", "Second: idna", "remark"]
    reader = nodes["reader_idna"].work
    assert (reader.reads, reader.writes) == ({DOCUMENTS}, ("note_idna",))
    binder = nodes["binder"].work
    assert (binder.reads, binder.writes) == ({"part_one", "part_two"}, ("book",))


def test_a_router_keeps_its_count_in_the_state(declaration: Declare) -> None:
    """Its reads and writes are as open as any other node's."""
    router = expand(declaration(), ["rich"]).nodes[-1].work
    assert isinstance(router, Router)
    assert router.reads == {"remark", "again_count"}
    assert router.writes == ("again_count", "again_route")


def test_without_edges_one_node_follows_the_other(declaration: Declare) -> None:
    """Behind a router nothing follows but where it leads."""
    edges = expand(declaration(), ["rich", "idna"]).edges
    assert edges == (
        (("START",), "reader_rich"),
        (("reader_rich",), "reader_idna"),
        (("reader_idna",), "editor"),
        (("editor",), "binder"),
        (("binder",), "critic"),
        (("critic",), "again"),
    )
    nodes = [node.model_dump() for node in declaration().nodes]
    shorter = expand(declaration(nodes=nodes[:3]), ["rich"])
    assert shorter.edges[-1] == (("binder",), "END")


def test_edges_between_groups_wait_for_the_whole_group(declaration: Declare) -> None:
    """A name as declared stands for all nodes that it became."""
    edges = [["START", "reader_{package}"], ["reader_{package}", "editor"], ["editor", "END"]]
    nodes = [node.model_dump() for node in declaration().nodes]
    expanded = expand(declaration(edges=edges, nodes=nodes[:2]), ["rich", "idna"])
    assert expanded.edges == (
        (("START",), "reader_rich"),
        (("START",), "reader_idna"),
        (("reader_rich", "reader_idna"), "editor"),
        (("editor",), "END"),
    )


def test_an_edge_to_no_node_names_the_nearest(declaration: Declare) -> None:
    """Edges speak of nodes as they are declared."""
    with pytest.raises(ConfigurationError, match=r"workflow.edges.1: no node 'editr'; did you mean 'editor'"):
        expand(declaration(edges=[["START", "editor"], ["editr", "END"]]), ["rich"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"for_each": "themes"}, r"workflow.nodes.x: for_each: no list 'themes'; did you mean 'theme'"),
        ({"name": "x_{theme}"}, r"x_\{theme\}: \{theme\} is not bound by a for_each here; known: none"),
        (
            {"name": "x_{package.size}", "for_each": "package"},
            r"\{package.size\} has no such field; known: name",
        ),
    ],
)
def test_a_placeholder_that_leads_nowhere_is_named(declaration: Declare, change: dict[str, Any], message: str) -> None:
    """With the node, the placeholder and what there is."""
    node = {"name": "x", "kind": "document", "writes": "book", "parts": [{"text": "T"}], **change}
    with pytest.raises(ConfigurationError, match=message):
        expand(declaration(nodes=[node]), ["rich"])


def test_other_braces_are_text(declaration: Declare) -> None:
    """Only what looks like a name is a placeholder, so JSON in an instruction stays as it is."""
    parts = [{"text": 'Answer as {"a": 1} or {}.'}]
    node = {"name": "x", "kind": "document", "writes": "book", "parts": parts}
    work = expand(declaration(nodes=[node]), ["rich"]).nodes[0].work
    assert work.parts[0].text == 'Answer as {"a": 1} or {}.'  # type: ignore[union-attr]
