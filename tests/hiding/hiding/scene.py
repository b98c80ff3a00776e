"""What a hiding place, a way to it, a change and a whole scene are, and the registers that they are entered into."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

__all__ = [
    "CHANGES",
    "PLACES",
    "REACHES",
    "SCENARIOS",
    "Lab",
    "Look",
    "Pair",
    "Role",
    "Scene",
    "Shared",
    "chain",
    "change",
    "place",
    "reach",
    "scenario",
    "state_of",
]

Look = Callable[[Any], Any]
"""Reads the shared thing; gets what the node holds of it, which most places don't need."""
Pair = tuple[Callable[..., Any], Callable[..., Any]]
"""One node as a function and as a coroutine function."""
Role = Callable[[str, str, float], Pair]
"""Makes a node from the key that it writes, the key that it needs, and the seconds that it takes."""


@dataclass
class Shared:
    """Something that nodes share, fresh for one run."""

    look: Look
    move: Callable[[], object] | None = None
    """Changes what `look` gives; None: looking changes it."""
    held: Any = None
    """The object that is handed to nodes, in the state, the context or the configuration; None: they close over it."""
    annotation: Any = Any
    """How the state declares it."""
    during: Callable[[], AbstractContextManager[object]] = nullcontext
    """What holds only while the graph runs, not yet while it is compiled."""


@dataclass
class Lab:
    """Everything around the nodes of one graph, where changes may hook in."""

    log: list[str] = field(default_factory=list)
    callbacks: list[Any] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    """Further keys of the state."""
    compiling: dict[str, Any] = field(default_factory=dict)
    """Keywords of ``compile``."""
    configurable: dict[str, Any] = field(default_factory=dict)
    """What the caller hands over with the configuration."""
    around: list[Callable[[], AbstractContextManager[object]]] = field(default_factory=list)
    """What holds while the graph runs."""
    consumers: list[Callable[[Any], object]] = field(default_factory=list)
    """Called with each item of a stream by the one who reads it."""


@dataclass
class Scene:
    """A graph that is ready to be compiled and run once."""

    builder: StateGraph[Any, Any, Any, Any]
    input: Any
    lab: Lab = field(default_factory=Lab)
    context: Any = None
    configurable: dict[str, Any] = field(default_factory=dict)
    during: Callable[[], AbstractContextManager[object]] = nullcontext
    after: Callable[[], object] = lambda: None
    """Looks at what the run left behind."""
    judged: Callable[[Any], Any] = lambda state: state
    """Makes what is compared from a state whose values differ from run to run, such as times."""
    stop_after: int | None = None
    """The consumer of a stream goes away after so many items."""
    turns: int = 1
    """How often the graph runs."""
    between: Callable[[], object] = lambda: None
    """Called between two runs."""
    streamed: tuple[str, ...] = ("updates", "values", "custom")
    """The modes in which it is streamed."""
    modes: tuple[str, ...] = ("invoke", "ainvoke", "stream", "astream")
    """How it is called."""


PLACES: dict[str, Callable[[], Shared]] = {}
REACHES: dict[str, Callable[[Look], Look]] = {}
CHANGES: dict[str, Callable[[Lab, Callable[[], object]], Role]] = {}
SCENARIOS: dict[str, Callable[[random.Random, bool], Scene]] = {}


def place(make: Callable[[], Shared]) -> Callable[[], Shared]:
    """Enter a hiding place: a function that makes the shared thing anew."""
    return _enter(PLACES, make)


def reach(make: Callable[[Look], Look]) -> Callable[[Look], Look]:
    """Enter a way in which nodes get at a shared thing."""
    return _enter(REACHES, make)


def change(make: Callable[[Lab, Callable[[], object]], Role]) -> Callable[[Lab, Callable[[], object]], Role]:
    """Enter something that changes a shared thing; it gives the kind of node during which that happens."""
    return _enter(CHANGES, make)


def scenario(make: Callable[[random.Random, bool], Scene]) -> Callable[[random.Random, bool], Scene]:
    """Enter a whole graph, made from dice and whether its nodes are coroutines."""
    return _enter(SCENARIOS, make)


def _enter(register: dict[str, Any], make: Any) -> Any:
    assert make.__name__ not in register, make.__name__
    register[make.__name__] = make
    return make


def state_of(nodes: int, **fields: Any) -> Any:
    """A state with a key for each node, ``q``, ``held``, ``out`` and further ones."""
    keys = {"q": str, "held": Any, "out": Any, **{f"k{number}": Any for number in range(nodes)}, **fields}
    return TypedDict("State", keys, total=False)  # type: ignore[operator]


def chain(schema: Any, nodes: list[Callable[..., Any]], **options: Any) -> StateGraph[Any, Any, Any, Any]:
    """Nodes named n0, n1, ... one after another."""
    builder = StateGraph(schema, **options)
    before = START
    for name, node in _named(nodes):
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder


def _named(nodes: list[Callable[..., Any]]) -> Iterator[tuple[str, Callable[..., Any]]]:
    return ((f"n{number}", node) for number, node in enumerate(nodes))
