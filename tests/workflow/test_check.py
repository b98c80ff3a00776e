"""Checking declarations before they are built."""

from __future__ import annotations

from typing import Any

import pytest

from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.errors import ConfigurationError
from optiflow.workflow.check import check
from optiflow.workflow.expansion import expand

DOCUMENTS = {"rich": {"sheet": "Name: rich", "description": "Rich."}}


def asks(name: str, writes: str, *reads: str | dict[str, Any]) -> dict[str, Any]:
    """A node with one prompt; a plain name is a state key."""
    material = [{"tag": "x", "tokens": 5, **({"state": read} if isinstance(read, str) else read)} for read in reads]
    prompt = {"instruction": "Go.", "reads": material, "writes": writes}
    return {"name": name, "kind": "prompts", "prompts": [prompt]}


def router(name: str, reads: str, to: str, **more: Any) -> dict[str, Any]:
    """A router."""
    return {"name": name, "kind": "router", "reads": reads, "contains": "no", "to": to, **more}


def checked(*nodes: dict[str, Any], output: str = "b", **more: Any) -> None:
    """Check a declaration of these nodes."""
    config = DeclaredWorkflowConfig.model_validate(
        {
            "kind": "declared",
            "name": "n",
            "input": {"kind": "distributions", "packages": ["rich"]},
            "nodes": nodes,
            "output": output,
            **more,
        }
    )
    check(expand(config, ["rich"]), DOCUMENTS, config.output)


def test_a_chain_with_a_loop_is_sound() -> None:
    """Keys are written before they are read, and the router leads back."""
    checked(
        asks("A", "a", {"document": "rich", "sections": ["sheet"]}),
        asks("B", "b", "a", {"state": "c", "optional": True}),
        {"name": "D", "kind": "document", "parts": [{"state": "b"}], "writes": "d"},
        asks("C", "c", "d"),
        router("R", "c", "B"),
    )


def test_a_router_may_lead_on() -> None:
    """Both of its ways may go forward, and a node behind one of them comes after the router."""
    checked(
        asks("A", "a", {"document": "rich"}),
        router("R", "a", "B", otherwise="C"),
        asks("B", "b", "a"),
        asks("C", "c", "a"),
    )


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([asks("B", "b", "aa"), asks("C", "aaa")], r"nodes.B reads 'aa', which no node writes; did you mean 'aaa'"),
        ([asks("B", "b", "c"), asks("C", "c")], r"nodes.B reads 'c' before workflow.nodes.C writes it; .*optional"),
        ([asks("A", "a")], r"workflow.output: no node writes 'b'; known: a"),
        ([asks("B", "b"), asks("B", "c")], "two nodes are called 'B'"),
        ([asks("END", "b")], "'END' is LangGraph's own name"),
        ([asks("A", "b"), asks("B", "b")], r"nodes.B writes 'b', as workflow.nodes.A does; each key"),
        ([asks("B", "documents")], "writes 'documents', which holds the input"),
        ([asks("B", "b", {"document": "rch"})], r"nodes.B reads the document 'rch'; did you mean 'rich'"),
        (
            [asks("B", "b", {"document": "rich", "sections": ["sheets"]})],
            r"nodes.B reads the section 'sheets'; did you mean 'sheet'",
        ),
        ([asks("B", "b"), router("R", "b", "BB")], r"nodes.R: no node 'BB'; did you mean|nodes.R: no node 'BB'; known"),
        ([asks("B", "b"), router("R", "b", "B", otherwise="X")], r"nodes.R: no node 'X'; known: B, END, R"),
        ([asks("B", "b"), router("R", "b", "B", otherwise="B")], "'.' leads back to itself; only a router may"),
        ([asks("B", "b"), router("R", "b", "B"), asks("C", "c")], "no way leads from START to 'C'"),
    ],
)
def test_what_can_not_run_is_named(nodes: list[dict[str, Any]], message: str) -> None:
    """With the node and the key, and what would be right."""
    with pytest.raises(ConfigurationError, match=message):
        checked(*nodes)


def test_a_node_does_not_write_a_key_twice() -> None:
    """Two prompts of one node may not overwrite each other."""
    node = asks("B", "b")
    node["prompts"] *= 2
    with pytest.raises(ConfigurationError, match=r"nodes.B writes 'b' twice; each key needs one writer"):
        checked(node)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([["START", "A"], ["A", "B"], ["B", "A"]], "'A' leads back to itself|'B' leads back to itself"),
        ([["START", "A"], ["A", "END"]], "no way leads from START to 'B'"),
        ([["START", "A"], ["A", "B"]], "no way leads from START to END"),
        ([["START", "A"], ["A", "B"], ["END", "A"]], "nothing leads out of END or to START"),
        ([["START", "A"], ["A", "START"], ["A", "B"]], "nothing leads out of END or to START"),
    ],
)
def test_edges_that_make_no_graph_are_named(edges: list[list[str]], message: str) -> None:
    """A loop without a router, a node out of reach, an end out of reach."""
    with pytest.raises(ConfigurationError, match=message):
        checked(asks("A", "a"), asks("B", "b", "a"), edges=edges)


def test_a_router_has_no_edges_of_its_own() -> None:
    """Its routes say where it leads."""
    edges = [["START", "B"], ["B", "R"], ["R", "END"]]
    with pytest.raises(ConfigurationError, match="'R' is a router: its own to and otherwise lead on"):
        checked(asks("B", "b"), router("R", "b", "B"), edges=edges)


def test_parallel_branches_meet() -> None:
    """A node behind two branches may read what both wrote; a branch may not read the other's."""
    edges = [["START", "A"], ["START", "C"], ["A", "B"], ["C", "B"], ["B", "END"]]
    checked(asks("A", "a"), asks("C", "c"), asks("B", "b", "a", "c"), edges=edges)
    with pytest.raises(ConfigurationError, match=r"nodes.C reads 'a' before workflow.nodes.A writes it"):
        checked(asks("A", "a"), asks("C", "c", "a"), asks("B", "b"), edges=edges)
