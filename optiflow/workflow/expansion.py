"""From a declaration with placeholders to the nodes themselves: every ``for_each`` written out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from optiflow.config.workflow import (
    DeclaredWorkflowConfig,
    DocumentNode,
    MaterialConfig,
    NodeConfig,
    PromptConfig,
    PromptsNode,
    RetryConfig,
    RouterNode,
)
from optiflow.errors import ConfigurationError, nearest_name

__all__ = ["DOCUMENTS", "Document", "Expanded", "Material", "Node", "Part", "Prompt", "Prompts", "Router", "expand"]

DOCUMENTS = "documents"
"""The state key that holds the input documents."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)(?:\.(\w+))?\}")

_Entry = Mapping[str, str]
_Bindings = Mapping[str, _Entry]


@dataclass(frozen=True, slots=True)
class Material:
    """One piece of material of a prompt."""

    tag: str
    name: str
    document: str | None
    sections: tuple[str, ...]
    state: str | None
    tokens: int
    optional: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to the model."""

    instruction: str
    materials: tuple[Material, ...]
    writes: str


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a node that asks the model does."""

    prompts: tuple[Prompt, ...]

    @property
    def reads(self) -> frozenset[str]:
        """State keys read."""
        return frozenset(piece.state or DOCUMENTS for prompt in self.prompts for piece in prompt.materials)

    @property
    def writes(self) -> tuple[str, ...]:
        """State keys written."""
        return tuple(prompt.writes for prompt in self.prompts)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a document: text, then that of a state key."""

    text: str
    state: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """What a node that puts a document together does."""

    parts: tuple[Part, ...]
    writes_to: str

    @property
    def reads(self) -> frozenset[str]:
        """State keys read."""
        return frozenset(part.state for part in self.parts if part.state is not None)

    @property
    def writes(self) -> tuple[str, ...]:
        """State keys written."""
        return (self.writes_to,)


@dataclass(frozen=True, slots=True)
class Router:
    """What a node that decides where to go does."""

    name: str
    decides_by: str
    contains: str
    to: str
    at_most: int
    otherwise: str

    @property
    def count_key(self) -> str:
        """State key with the number of times that the run was sent back."""
        return f"{self.name}_count"

    @property
    def route_key(self) -> str:
        """State key with the decision, a node's name."""
        return f"{self.name}_route"

    @property
    def reads(self) -> frozenset[str]:
        """State keys read."""
        return frozenset((self.decides_by, self.count_key))

    @property
    def writes(self) -> tuple[str, ...]:
        """State keys written."""
        return (self.count_key, self.route_key)


@dataclass(frozen=True, slots=True)
class Node:
    """One node."""

    name: str
    work: Prompts | Document | Router
    retry: RetryConfig | None


@dataclass(frozen=True, slots=True)
class Expanded:
    """A declaration written out."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[tuple[str, ...], str], ...]
    """Each a group of nodes, all of which are waited for, and the node behind them."""


def expand(config: DeclaredWorkflowConfig, items: Sequence[str]) -> Expanded:
    """Write a declaration out for the documents of its input.

    Raises:
        ConfigurationError: A placeholder, a list or a node of an edge does not exist.
    """
    lists: dict[str, Sequence[_Entry]] = {**config.lists, config.input.item: [{"name": item} for item in items]}
    groups: dict[str, tuple[str, ...]] = {}
    nodes: list[Node] = []
    for declared in config.nodes:
        where = f"workflow.nodes.{declared.name}"
        group = [
            Node(_fill(declared.name, bound, where), _work(declared, bound, lists, where), declared.retry)
            for bound in _each(declared.for_each, lists, {}, where)
        ]
        groups[declared.name] = tuple(node.name for node in group)
        nodes += group
    return Expanded(tuple(nodes), _edges(config.edges, groups) if config.edges else _chain(nodes))


def _work(
    node: NodeConfig, bound: _Bindings, lists: Mapping[str, Sequence[_Entry]], where: str
) -> Prompts | Document | Router:
    if isinstance(node, PromptsNode):
        return Prompts(
            tuple(
                _prompt(prompt, inner, lists, f"{where}.prompts.{index}")
                for index, prompt in enumerate(node.prompts)
                for inner in _each(prompt.for_each, lists, bound, where)
            )
        )
    if isinstance(node, DocumentNode):
        parts = tuple(
            Part(_fill(part.text, inner, where), None if part.state is None else _fill(part.state, inner, where))
            for part in node.parts
            for inner in _each(part.for_each, lists, bound, where)
        )
        return Document(parts, _fill(node.writes, bound, where))
    return _router(node, bound, where)


def _router(node: RouterNode, bound: _Bindings, where: str) -> Router:
    name, reads, to, otherwise = (
        _fill(text, bound, where) for text in (node.name, node.reads, node.to, node.otherwise)
    )
    return Router(name, reads, node.contains, to, node.at_most, otherwise)


def _prompt(prompt: PromptConfig, bound: _Bindings, lists: Mapping[str, Sequence[_Entry]], where: str) -> Prompt:
    materials = tuple(
        _material(piece, inner, where) for piece in prompt.reads for inner in _each(piece.for_each, lists, bound, where)
    )
    return Prompt(_fill(prompt.instruction, bound, where).strip(), materials, _fill(prompt.writes, bound, where))


def _material(piece: MaterialConfig, bound: _Bindings, where: str) -> Material:
    document, state, name = (
        None if text is None else _fill(text, bound, where) for text in (piece.document, piece.state, piece.name)
    )
    return Material(
        tag=piece.tag,
        name=name or document or state or piece.tag,
        document=document,
        sections=piece.sections,
        state=state,
        tokens=piece.tokens,
        optional=piece.optional,
    )


def _each(
    list_name: str | None, lists: Mapping[str, Sequence[_Entry]], bound: _Bindings, where: str
) -> Iterator[_Bindings]:
    if list_name is None:
        yield bound
    elif list_name not in lists:
        raise ConfigurationError(f"{where}: for_each: no list {list_name!r}; {nearest_name(list_name, lists)}")
    else:
        for entry in lists[list_name]:
            yield {**bound, list_name: entry}


def _fill(text: str, bound: _Bindings, where: str) -> str:
    def value(match: re.Match[str]) -> str:
        variable, field = match[1], match[2] or "name"
        if variable not in bound:
            raise ConfigurationError(
                f"{where}: {match[0]} is not bound by a for_each here; {nearest_name(variable, bound)}"
            )
        if field not in bound[variable]:
            raise ConfigurationError(f"{where}: {match[0]} has no such field; {nearest_name(field, bound[variable])}")
        return bound[variable][field]

    return _PLACEHOLDER.sub(value, text)


def _chain(nodes: Sequence[Node]) -> tuple[tuple[tuple[str, ...], str], ...]:
    """One node after another; behind a router its own routes lead on."""
    edges: list[tuple[tuple[str, ...], str]] = [(("START",), nodes[0].name)]
    for node, following in pairwise(nodes):
        if not isinstance(node.work, Router):
            edges.append(((node.name,), following.name))
    if not isinstance(nodes[-1].work, Router):
        edges.append(((nodes[-1].name,), "END"))
    return tuple(edges)


def _edges(
    declared: Sequence[tuple[str, str]], groups: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[tuple[str, ...], str], ...]:
    known: dict[str, tuple[str, ...]] = {**groups, "START": ("START",), "END": ("END",)}
    for index, pair in enumerate(declared):
        for name in pair:
            if name not in known:
                raise ConfigurationError(f"workflow.edges.{index}: no node {name!r}; {nearest_name(name, known)}")
    edges: list[tuple[tuple[str, ...], str]] = []
    for source, target in declared:
        if target == "END":
            edges += [((name,), "END") for name in known[source]]
        else:
            edges += [(known[source], name) for name in known[target]]
    return tuple(edges)
