"""Edges, branches, sends, commands and deferral."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, Literal, TypedDict

from conformance_cases.case import ASYNC, INSTANT, Built, case
from langgraph.graph import END, START, StateGraph

from optiflow.analysis.equivalence import Recorder


class Path(TypedDict, total=False):
    number: int
    trail: Annotated[list[str], operator.add]
    note: str
    doubled: int


def step(name: str) -> Any:
    """A node that leaves its name on the trail."""

    def walk(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"trail": [name]}

    return walk


def first(state: Path) -> Path:
    time.sleep(INSTANT)
    return {"trail": ["first"]}


def second(state: Path) -> Path:
    time.sleep(INSTANT)
    return {"trail": ["second"]}


def third(state: Path) -> Path:
    time.sleep(INSTANT)
    return {"trail": ["third"], "note": f"saw {len(state['trail'])}"}


def double(state: Path) -> Path:
    time.sleep(INSTANT)
    return {"doubled": state["number"] * 2}


def parity(state: Path) -> str:
    return "odd" if state["number"] % 2 else "even"


def forked(builder_input: Any = None) -> StateGraph:
    builder = StateGraph(Path)
    for name in ("start", "odd", "even", "end"):
        builder.add_node(name, step(name))
    builder.add_edge(START, "start")
    builder.add_edge("odd", "end")
    builder.add_edge("even", "end")
    return builder


@case(input={"number": 3}, output={"trail": ["start", "odd", "end"]})
def a_conditional_edge_without_a_path_map(recorder: Recorder) -> Built:
    builder = forked()
    builder.add_conditional_edges("start", parity)
    return builder


@case(input={"number": 4}, output={"trail": ["start", "even", "end"]})
def a_conditional_edge_with_a_path_map(recorder: Recorder) -> Built:
    builder = forked()
    builder.add_conditional_edges("start", lambda state: state["number"] % 2 == 0, {True: "even", False: "odd"})
    return builder


@case(input={"number": 4}, output={"trail": ["start", "even", "end"]})
def a_conditional_edge_with_a_literal_type(recorder: Recorder) -> Built:
    def choose(state: Path) -> Literal["odd", "even"]:
        return "odd" if state["number"] % 2 else "even"

    builder = forked()
    builder.add_conditional_edges("start", choose)
    return builder


@case(
    input={"number": 4},
    output={"trail": ["start", "even", "odd", "end"]},
    concurrent=frozenset({"even", "odd"}),
)
def a_conditional_edge_that_returns_a_list(recorder: Recorder) -> Built:
    builder = forked()
    builder.add_conditional_edges("start", lambda state: ["odd", "even"], ["odd", "even"])
    return builder


@case(input={"number": 4}, output={"trail": ["even", "end"]})
def a_conditional_entry_point(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("odd", "even", "end"):
        builder.add_node(name, step(name))
    builder.set_conditional_entry_point(parity, ["odd", "even"])
    builder.add_edge("odd", "end")
    builder.add_edge("even", "end")
    return builder


@case(input={"number": 4}, output={"trail": ["start", "even", "end"]}, modes=ASYNC)
def an_asynchronous_router(recorder: Recorder) -> Built:
    async def choose(state: Path) -> str:
        await asyncio.sleep(0)
        return parity(state)

    builder = forked()
    builder.add_conditional_edges("start", choose, ["odd", "even"])
    return builder


@case(
    input={"number": 4},
    output={"trail": ["start", "even", "odd", "end"]},
    concurrent=frozenset({"even", "odd"}),
)
def two_branches_of_one_node(recorder: Recorder) -> Built:
    builder = forked()
    builder.add_conditional_edges("start", parity, ["odd", "even"])
    builder.add_conditional_edges("start", lambda state: "odd", {"odd": "odd"})
    return builder


@case(input={"number": 0}, output={"number": 5, "trail": ["loop"] * 5})
def a_loop(recorder: Recorder) -> Built:
    def count(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"number": state["number"] + 1, "trail": ["loop"]}

    builder = StateGraph(Path)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", lambda state: END if state["number"] >= 5 else "count", ["count", END])
    return builder


@case(input={"number": 1}, output={"number": 3, "doubled": 4, "note": "2 even"})
def a_loop_around_a_chain(recorder: Recorder) -> Built:
    def count(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"number": state["number"] + 1}

    def describe(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"note": f"{state['number']} {'odd' if state['number'] % 2 else 'even'}"}

    def close(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"number": state["number"] + 1}

    builder = StateGraph(Path)
    builder.add_sequence([count, double, describe])
    builder.add_node("close", close)
    builder.add_edge(START, "count")
    builder.add_conditional_edges(
        "describe", lambda state: "close" if state["doubled"] >= 4 else "count", ["count", "close"]
    )
    return builder


@case(input={"number": 5}, output={"note": "10", "doubled": 10})
def a_router_that_reads_what_the_chain_before_it_wrote(recorder: Recorder) -> Built:
    def unrelated(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"trail": ["unrelated"]}

    def big(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"note": str(state["doubled"])}

    def small(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"note": "small"}

    builder = StateGraph(Path)
    builder.add_sequence([double, unrelated])
    builder.add_node("big", big)
    builder.add_node("small", small)
    builder.add_edge(START, "double")
    builder.add_conditional_edges(
        "unrelated", lambda state: "big" if state["doubled"] > 5 else "small", ["big", "small"]
    )
    return builder


FANNED = frozenset({"alpha", "beta", "gamma"})


@case(
    input={"trail": ["in"]},
    output={"trail": ["in", "alpha", "beta", "gamma", "join"]},
    concurrent=FANNED,
)
def a_fan_out_and_a_waiting_edge(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("gamma", "beta", "alpha", "join"):
        builder.add_node(name, step(name))
    for name in sorted(FANNED):
        builder.add_edge(START, name)
    builder.add_edge(["gamma", "alpha", "beta"], "join")
    return builder


@case(
    input={"trail": []},
    output={"trail": ["alpha", "beta", "join", "longer", "join"]},
    concurrent=frozenset({"alpha", "beta", "longer", "join"}),
)
def branches_of_unequal_length_joined_by_plain_edges(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("alpha", "beta", "longer", "join"):
        builder.add_node(name, step(name))
    builder.add_edge(START, "alpha")
    builder.add_edge(START, "beta")
    builder.add_edge("alpha", "join")
    builder.add_edge("beta", "longer")
    builder.add_edge("longer", "join")
    return builder


@case(
    input={"trail": []},
    output={"trail": ["alpha", "beta", "longer", "join"]},
    concurrent=frozenset({"alpha", "beta", "longer"}),
)
def a_deferred_join(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("alpha", "beta", "longer"):
        builder.add_node(name, step(name))
    builder.add_node("join", step("join"), defer=True)
    builder.add_edge(START, "alpha")
    builder.add_edge(START, "beta")
    builder.add_edge("alpha", "join")
    builder.add_edge("beta", "longer")
    builder.add_edge("longer", "join")
    return builder


@case(input={"trail": []}, output={"trail": ["a", "b", "c", "deferred"]})
def a_deferred_node_beside_a_chain(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("a", "b", "c"):
        builder.add_node(name, step(name))
    builder.add_node("deferred", step("deferred"), defer=True)
    for start, end in ((START, "a"), ("a", "deferred"), ("a", "b"), ("b", "c")):
        builder.add_edge(start, end)
    return builder
