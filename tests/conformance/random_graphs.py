"""Random graphs: what they are, as data, and their building into real ones."""

from __future__ import annotations

import functools
import itertools
import linecache
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from hypothesis import strategies as st
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from optiflow.plan.declare import effects

__all__ = ["INPUT", "Graph", "Node", "build", "function_of", "graphs"]


def _longest(old: str, new: str) -> str:
    return max(old, new, key=len)


class State(TypedDict, total=False):
    last_a: str
    last_b: str
    last_c: str
    listed: Annotated[list[str], operator.add]
    merged: Annotated[dict[str, str], operator.or_]
    summed: Annotated[int, operator.add]
    longest: Annotated[str, _longest]


INPUT: dict[str, Any] = {
    "last_a": "a", "last_b": "b", "last_c": "c", "listed": [], "merged": {}, "summed": 0, "longest": "",
}  # fmt: skip
KEYS = tuple(INPUT)

_WRITTEN = {"listed": "[digest]", "merged": "{NAME: digest, 'same': digest}", "summed": "len(digest)"}
_file_numbers = itertools.count()


@dataclass(frozen=True)
class Node:
    """One node."""

    reads: tuple[str, ...]
    """Keys whose values decide what it writes."""
    writes: tuple[str, ...]
    """Keys that it writes."""
    pause: int
    """How long it takes, in milliseconds."""
    kind: str
    """How it is given: ``source``, ``opaque``, ``declared`` or ``lying``, which declares half of what it reads."""
    fails: bool
    """Whether it raises after its pause."""


@dataclass(frozen=True)
class Graph:
    """Sections, one after another."""

    sections: tuple[tuple[tuple[Node, ...], ...], ...]
    """Each section: its branches, each of which is a chain."""
    routed: tuple[bool, ...]
    """For each section of several branches: whether a router takes one of them instead of all."""

    @property
    def fans(self) -> bool:
        """Whether nodes run at the same time in plain LangGraph too."""
        return any(
            len(branches) > 1 and not routed for branches, routed in zip(self.sections, self.routed, strict=True)
        )


def _nodes(may_fail: bool) -> st.SearchStrategy[Node]:
    return st.builds(
        Node,
        reads=st.lists(st.sampled_from(KEYS), max_size=3, unique=True).map(tuple),
        writes=st.lists(st.sampled_from(KEYS), max_size=3, unique=True).map(tuple),
        pause=st.sampled_from([0, 1, 1, 2]),
        kind=st.sampled_from(["source"] * 5 + ["declared", "lying", "opaque"]),
        fails=st.sampled_from([False] * 14 + [True]) if may_fail else st.just(False),
    )


def graphs() -> st.SearchStrategy[Graph]:
    """Chains with fans and routers between."""
    chain = st.lists(_nodes(may_fail=True), min_size=2, max_size=6).map(tuple)
    branch = st.lists(_nodes(may_fail=False), min_size=1, max_size=3).map(tuple)
    section = st.one_of(st.tuples(chain), st.tuples(chain), st.tuples(branch, branch))
    sections = st.lists(section, min_size=1, max_size=3).map(tuple)
    return sections.flatmap(lambda made: st.builds(Graph, st.just(made), st.tuples(*(st.booleans() for _ in made))))


def build(graph: Graph, *, asynchronous: bool) -> StateGraph:
    """The real graph; each call makes its own functions.

    Args:
        graph: What it is to be.
        asynchronous: Whether its nodes are coroutines.
    """
    builder = StateGraph(State)
    ends: list[str] = [START]
    for number, (branches, routed) in enumerate(zip(graph.sections, graph.routed, strict=True)):
        starts, last = [], []
        for letter, chain in zip("xy", branches, strict=False):
            names = [f"n{number}{letter}{place}" for place in range(len(chain))]
            for name, node in zip(names, chain, strict=True):
                builder.add_node(name, _function(name, node, asynchronous))
            for one, other in itertools.pairwise(names):
                builder.add_edge(one, other)
            starts.append(names[0])
            last.append(names[-1])
        if len(branches) > 1:
            # A junction, so that fans and routers have one node before them.
            junction = f"j{number}"
            builder.add_node(junction, _junction)
            _join(builder, ends, junction)
            if routed:
                builder.add_conditional_edges(junction, functools.partial(_route, starts), starts)
                collector = f"k{number}"
                builder.add_node(collector, _junction)
                for name in last:
                    builder.add_edge(name, collector)
                last = [collector]
            else:
                for name in starts:
                    builder.add_edge(junction, name)
        else:
            _join(builder, ends, starts[0])
        ends = last
    return builder


def _join(builder: StateGraph, ends: list[str], target: str) -> None:
    builder.add_edge(ends[0] if len(ends) == 1 else ends, target)


def _junction(state: State) -> State:
    return {}


def _route(starts: list[str], state: State) -> str:
    return starts[state["summed"] % len(starts)]


def _function(name: str, node: Node, asynchronous: bool) -> Callable[..., Any]:
    """A function from source that the analysis can read, unless it is opaque."""
    lines = [f"{'async ' if asynchronous else ''}def {name}(state):"]
    if node.pause:
        lines.append(f"    {'await asyncio.' if asynchronous else 'time.'}sleep({node.pause / 1000})")
    if node.fails:
        lines.append(f"    raise ValueError('{name} fails')")
    reads = [f"state[{key!r}]" if place % 2 else f"state.get({key!r})" for place, key in enumerate(node.reads)]
    lines.append(f"    digest = hex(zlib.crc32(repr([{', '.join([repr(name), *reads])}]).encode()))")
    update = ", ".join(f"{key!r}: {_WRITTEN.get(key, 'digest').replace('NAME', repr(name))}" for key in node.writes)
    lines.append(f"    return {{{update}}}")
    function = function_of(name, lines, readable=node.kind != "opaque")
    if node.kind in ("declared", "lying"):
        known = node.reads if node.kind == "declared" else node.reads[: len(node.reads) // 2]
        function = effects(reads=known, writes=node.writes)(function)
    return function


def function_of(name: str, lines: Sequence[str], *, readable: bool = True, **names: Any) -> Callable[..., Any]:
    """A function made from its lines.

    Args:
        name: Its name.
        lines: Its source.
        readable: Whether the source can be found, as that of a function in a file can.
        names: What the source refers to, besides a few modules.
    """
    source = "import asyncio, time, zlib\n" + "\n".join(lines) + "\n"
    filename = f"<random graph {next(_file_numbers)}>"
    exec(compile(source, filename, "exec", dont_inherit=True), names)
    if readable:
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    function: Callable[..., Any] = names[name]
    return function
