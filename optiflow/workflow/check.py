"""Whether an expanded declaration makes a graph that can run: every key written before it is read, no hidden loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optiflow.errors import ConfigurationError, nearest_name
from optiflow.workflow.base import Documents
from optiflow.workflow.expansion import DOCUMENTS, Expanded, Node, Prompts, Router

__all__ = ["check"]

_Successors = dict[str, set[str]]


def check(expanded: Expanded, documents: Documents, output: str) -> None:
    """Check the graph of a declaration against its input.

    Args:
        expanded: The declaration written out.
        documents: The input documents.
        output: State key of the result.

    Raises:
        ConfigurationError: Something does not fit; the text names the node and the key.
    """
    nodes = {node.name: node for node in expanded.nodes}
    _check_names(expanded.nodes)
    writers = _writers(expanded.nodes)
    for node in expanded.nodes:
        _check_documents(node, documents)
        for key in sorted(node.work.reads):
            if key not in writers and key != DOCUMENTS:
                raise ConfigurationError(
                    f"workflow.nodes.{node.name} reads {key!r}, which no node writes; {nearest_name(key, writers)}"
                )
    if output not in writers:
        raise ConfigurationError(f"workflow.output: no node writes {output!r}; {nearest_name(output, writers)}")
    order = _order(_forward(expanded, nodes), nodes)
    for name, before in order.items():
        _check_read_after_write(nodes[name], before, writers)


def _check_names(nodes: Iterable[Node]) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.name in ("START", "END", "__start__", "__end__"):
            raise ConfigurationError(f"workflow.nodes: {node.name!r} is LangGraph's own name; choose another")
        if node.name in seen:
            raise ConfigurationError(f"workflow.nodes: two nodes are called {node.name!r}; names have to differ")
        seen.add(node.name)


def _writers(nodes: Iterable[Node]) -> dict[str, str]:
    writers: dict[str, str] = {}
    for node in nodes:
        for key in node.work.writes:
            if key == DOCUMENTS:
                raise ConfigurationError(f"workflow.nodes.{node.name} writes {key!r}, which holds the input")
            if key in writers:
                other = writers[key]
                twice = " twice" if other == node.name else f", as workflow.nodes.{other} does"
                raise ConfigurationError(f"workflow.nodes.{node.name} writes {key!r}{twice}; each key needs one writer")
            writers[key] = node.name
    return writers


def _check_documents(node: Node, documents: Documents) -> None:
    if not isinstance(node.work, Prompts):
        return
    for piece in (piece for prompt in node.work.prompts for piece in prompt.materials):
        if piece.document is None:
            continue
        if piece.document not in documents:
            near = nearest_name(piece.document, documents)
            raise ConfigurationError(f"workflow.nodes.{node.name} reads the document {piece.document!r}; {near}")
        for section in piece.sections:
            if section not in documents[piece.document]:
                near = nearest_name(section, documents[piece.document])
                raise ConfigurationError(f"workflow.nodes.{node.name} reads the section {section!r}; {near}")


def _forward(expanded: Expanded, nodes: Mapping[str, Node]) -> _Successors:
    """The graph without the ways back of its routers."""
    successors: _Successors = {name: set() for name in ("START", *nodes)}
    for sources, target in expanded.edges:
        for source in sources:
            if source == "END" or target == "START":
                raise ConfigurationError(
                    f"workflow.edges: {source!r} to {target!r}: nothing leads out of END or to START"
                )
            if source in nodes and isinstance(nodes[source].work, Router):
                raise ConfigurationError(f"workflow.edges: {source!r} is a router: its own to and otherwise lead on")
            successors[source].add(target)
    routers = [node.work for node in nodes.values() if isinstance(node.work, Router)]
    for router in routers:
        for target in (router.to, router.otherwise):
            if target not in nodes and target != "END":
                near = nearest_name(target, {*nodes, "END"})
                raise ConfigurationError(f"workflow.nodes.{router.name}: no node {target!r}; {near}")
        successors[router.name].add(router.otherwise)
    for router in routers:
        if router.name not in _reachable(router.to, successors):
            successors[router.name].add(router.to)
    return successors


def _reachable(start: str, successors: _Successors) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for following in successors.get(waiting.pop(), ()):
            if following not in found:
                found.add(following)
                waiting.append(following)
    return found


def _order(successors: _Successors, nodes: Mapping[str, Node]) -> dict[str, set[str]]:
    """The nodes in an order in which each comes behind all that lead to it, with the set of those."""
    for name in nodes:
        if any(name in _reachable(following, successors) for following in successors[name]):
            raise ConfigurationError(
                f"workflow.edges: {name!r} leads back to itself; only a router may send the run back"
            )
    reached = _reachable("START", successors)
    for name in nodes:
        if name not in reached:
            raise ConfigurationError(f"workflow.edges: no way leads from START to {name!r}")
    if "END" not in reached:
        raise ConfigurationError("workflow.edges: no way leads from START to END")
    before: dict[str, set[str]] = {name: set() for name in nodes}
    for name in nodes:
        for following in _reachable(name, successors) - {name, "END"}:
            before[following].add(name)
    return dict(sorted(before.items(), key=lambda item: len(item[1])))


def _check_read_after_write(node: Node, before: set[str], writers: Mapping[str, str]) -> None:
    optional: set[str] = set()
    if isinstance(node.work, Prompts):
        optional = {piece.state or "" for prompt in node.work.prompts for piece in prompt.materials if piece.optional}
    elif isinstance(node.work, Router):
        optional = {node.work.count_key}
    for key in sorted(node.work.reads - optional - {DOCUMENTS}):
        if writers[key] not in before:
            raise ConfigurationError(
                f"workflow.nodes.{node.name} reads {key!r} before workflow.nodes.{writers[key]} writes it; "
                "move the node behind it, or make the material optional"
            )
