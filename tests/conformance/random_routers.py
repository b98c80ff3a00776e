"""Random graphs of routers and branches that ask a model: what they are, as data, and their building."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any

from conformance_cases.models import EchoModel
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from random_graphs import function_of
from typing_extensions import TypedDict

__all__ = ["INPUT", "Branch", "Fork", "build", "forks"]


class State(TypedDict, total=False):
    a: str
    b: str
    c: str
    listed: Annotated[list[str], operator.add]


INPUT: dict[str, Any] = {"a": "a", "b": "b", "c": "c", "listed": []}
KEYS = tuple(INPUT)
_MODEL = EchoModel()


@dataclass(frozen=True)
class Branch:
    """One node that a router may choose."""

    reads: tuple[str, ...]
    """Keys whose values it shows the model."""
    writes: tuple[str, ...]
    """Keys that it writes."""
    asks: int
    """How often it asks the model."""
    does: str
    """What it does besides: ``nothing``, ``prints``, ``fails``, ``opens`` a file."""


@dataclass(frozen=True)
class Fork:
    """A node with a router behind it."""

    reads: tuple[str, ...]
    """Keys whose values decide."""
    writes: tuple[str, ...]
    """Keys that the node writes."""
    branches: tuple[Branch, ...]
    """Where the router may go on, besides ending the graph."""
    ends: bool
    """Whether it may end the graph."""
    asks: bool
    """Whether the node asks the model; else it waits a little."""
    several: bool
    """Whether the router chooses the first branch as well, whatever else it chooses."""


def _some() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(KEYS), max_size=2, unique=True).map(tuple)


def forks(*, several: bool = True) -> st.SearchStrategy[tuple[Fork, ...]]:
    """One fork after another; every branch leads to the next.

    Args:
        several: Whether routers may choose two branches at once.
    """
    branch = st.builds(
        Branch, _some(), _some(), st.sampled_from([1, 1, 2]), st.sampled_from(["nothing", "prints", "fails", "opens"])
    )
    fork = st.builds(
        Fork,
        _some(),
        st.lists(st.sampled_from(KEYS), max_size=1).map(tuple),
        st.lists(branch, min_size=1, max_size=3).map(tuple),
        st.booleans(),
        st.booleans(),
        st.booleans() if several else st.just(False),
    )
    return st.lists(fork.filter(_is_determined), min_size=1, max_size=3).map(tuple)


def _is_determined(fork: Fork) -> bool:
    """Of several nodes at once, plain LangGraph raises whichever fails first."""
    return not (fork.several and any(branch.does == "fails" for branch in fork.branches))


def build(made: tuple[Fork, ...], *, asynchronous: bool, path: str) -> StateGraph:
    """The real graph; each call makes its own functions.

    Args:
        made: What it is to be.
        asynchronous: Whether its nodes are coroutines.
        path: The file that branches open.
    """
    builder = StateGraph(State)
    before = [START]
    for number, fork in enumerate(made):
        name, targets = f"fork{number}", [f"fork{number}{letter}" for letter in "xyz"[: len(fork.branches)]]
        builder.add_node(name, _fork(name, fork, asynchronous))
        for one in before:
            builder.add_edge(one, name)
        for target, branch in zip(targets, fork.branches, strict=True):
            builder.add_node(target, _branch(target, branch, asynchronous, path))
        ends = [*targets, END] if fork.ends else targets
        builder.add_conditional_edges(name, _route(f"route{number}", fork, ends), [*ends])
        before = targets
    return builder


def _head(name: str, asynchronous: bool) -> str:
    return f"{'async ' if asynchronous else ''}def {name}(state):"


def _ask(asynchronous: bool, text: str) -> str:
    return f"(await MODEL.ainvoke({text})).text" if asynchronous else f"MODEL.invoke({text}).text"


def _seen(reads: tuple[str, ...]) -> str:
    return f"repr([{', '.join(f'state.get({key!r})' for key in reads)}])"


def _update(name: str, writes: tuple[str, ...], value: str) -> str:
    return ", ".join(f"{key!r}: [{name!r}]" if key == "listed" else f"{key!r}: {value}" for key in writes)


def _fork(name: str, fork: Fork, asynchronous: bool) -> Any:
    waiting = "await asyncio.sleep(0.002)" if asynchronous else "time.sleep(0.002)"
    lines = [
        _head(name, asynchronous),
        f"    {waiting}",
        f"    said = {_ask(asynchronous, _seen(fork.reads)) if fork.asks else _seen(fork.reads)}",
        f"    return {{{_update(name, fork.writes, 'hex(zlib.crc32(said.encode()))')}}}",
    ]
    return function_of(name, lines, MODEL=_MODEL)


def _branch(name: str, branch: Branch, asynchronous: bool, path: str) -> Any:
    lines = [_head(name, asynchronous)]
    if branch.does == "prints":
        lines.append(f"    print({name!r}, state.get('a'))")
    if branch.does == "opens":
        lines.append(f"    open({path!r}, 'a').close()")
    lines.append(f"    said = {_seen(branch.reads)}")
    lines += [f"    said = {_ask(asynchronous, f'{name!r} + said')}"] * branch.asks
    if branch.does == "fails":
        lines.append(f"    raise ValueError('{name} fails ' + said)")
    lines.append(f"    return {{{_update(name, branch.writes, 'said[:40]')}}}")
    return function_of(name, lines, MODEL=_MODEL)


def _route(name: str, fork: Fork, ends: list[str]) -> Any:
    lines = [
        f"def {name}(state):",
        f"    chosen = {ends!r}[zlib.crc32({_seen(fork.reads)}.encode()) % {len(ends)}]",
        f"    return [{ends[0]!r}, chosen] if {fork.several} and chosen != {ends[0]!r} else [chosen]",
    ]
    return function_of(name, lines)
