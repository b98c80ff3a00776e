"""What a conformance case is: a graph, what is done with it, and what plain LangGraph makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.graph import StateGraph

from optiflow.analysis.equivalence import Mode, Observer, Recorder

__all__ = ["ASYNC", "CASES", "EVERY", "INSTANT", "SYNC", "Built", "Case", "case", "hidden"]

SYNC: tuple[Mode, ...] = ("invoke", "stream")
ASYNC: tuple[Mode, ...] = ("ainvoke", "astream", "astream_events")
EVERY: tuple[Mode, ...] = SYNC + ASYNC

INSTANT = 0.0005
"""A wait in seconds: a node that waits for something is worth an early start."""

Built = StateGraph | tuple[StateGraph, Mapping[str, Any]]
"""A builder, alone or with the keywords of ``compile``."""


@dataclass(frozen=True)
class Case:
    """One graph and one use of it."""

    name: str
    """Its name in test reports."""
    build: Callable[[Recorder], Built]
    """Makes a fresh graph; its nodes note their effects and model requests in the recorder."""
    input: Any = None
    """The input of the first call."""
    resumes: Sequence[Any] = ()
    """The answers to the interrupts in turn."""
    script: Callable[[Observer], object] | None = None
    """What is done instead of one call and the answers."""
    modes: tuple[Mode, ...] = EVERY
    """The methods of the graph by which it is done."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The configuration of every call."""
    context: Any = None
    """The static context of every call."""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """Further keywords of every call."""
    stream_modes: Sequence[str | Sequence[str]] = ()
    """What to stream beside all modes at once: each of these, with and without subgraphs."""
    concurrent: frozenset[str] = frozenset()
    """Nodes that plain LangGraph runs concurrently, so that their events have no order."""
    output: Any = None
    """What plain LangGraph returns from the last call, or part of it; None: not said."""
    failure: str | None = None
    """Part of the error that ends the last call."""
    effects: Sequence[str] | None = None
    """Kinds of the effects of plain LangGraph, in order."""
    applied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """For a toggle: the nodes on which it must act."""
    refusals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For a toggle: the nodes that it must leave alone, each with a part of the reason."""

    def play(self, observer: Observer) -> None:
        """Do with the graph what the case is about."""
        if self.script is not None:
            self.script(observer)
            return
        # A node may change what it is given.
        observer.run(copy.deepcopy(self.input))
        for answer in self.resumes:
            observer.resume(answer)


CASES: dict[str, Case] = {}
"""Every case by name."""


def case(name: str = "", **declared: Any) -> Callable[[Callable[[Recorder], Built]], Callable[[Recorder], Built]]:
    """Declare the function that builds a graph to be a case, of its own name by default.

    The other keywords are the fields of `Case`.
    """

    def declare(build: Callable[[Recorder], Built]) -> Callable[[Recorder], Built]:
        called = name or build.__name__
        assert called not in CASES, f"two cases are called {called}"
        CASES[called] = Case(called, build, **declared)
        return build

    return declare


def hidden(name: str = "", **declared: Any) -> Callable[[Callable[[Recorder], Built]], Callable[[Recorder], Built]]:
    """Declare a case of what nodes do rather than of how graphs run: two methods will show it."""
    return case(name, **{"modes": ("invoke", "ainvoke"), **declared})
