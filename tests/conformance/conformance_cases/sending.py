"""Sends, commands and fans."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, Any, Literal, TypedDict

from conformance_cases.case import ASYNC, INSTANT, SYNC, Built, case
from conformance_cases.routing import Path, first, parity, second, step, third
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from optiflow.analysis.equivalence import Recorder


class Sums(TypedDict, total=False):
    numbers: list[int]
    parts: Annotated[list[int], operator.add]
    total: int
    number: int


def map_reduce(worker: Any) -> StateGraph:
    builder = StateGraph(Sums)
    builder.add_node("plan", lambda state: {"numbers": [n * 10 for n in state["numbers"]]})
    builder.add_node("worker", worker)
    builder.add_node("total", lambda state: {"total": sum(state["parts"])})
    builder.add_edge(START, "plan")
    builder.add_conditional_edges(
        "plan", lambda state: [Send("worker", {"number": n}) for n in state["numbers"]], ["worker"]
    )
    builder.add_edge("worker", "total")
    return builder


MAPPED = {"input": {"numbers": [1, 2, 3]}, "output": {"parts": [10, 20, 30], "total": 60}}


@case(**MAPPED, concurrent=frozenset({"worker"}), config={"max_concurrency": 2})
def send_maps_and_a_join_reduces(recorder: Recorder) -> Built:
    def worker(state: Sums) -> Sums:
        time.sleep(0.001 * (4 - state["number"] / 10))
        return {"parts": [state["number"]]}

    return map_reduce(worker)


@case(**MAPPED, concurrent=frozenset({"worker"}), modes=ASYNC)
def send_maps_asynchronously(recorder: Recorder) -> Built:
    async def worker(state: Sums) -> Sums:
        await asyncio.sleep(0.001 * (4 - state["number"] / 10))
        return {"parts": [state["number"]]}

    return map_reduce(worker)


def beside(state: Sums) -> Sums:
    time.sleep(INSTANT)
    return {"number": 7}


for many in (1, 3):

    def sent(recorder: Recorder, many: int = many) -> Built:
        def worker(state: Sums) -> Sums:
            time.sleep(0.002)
            return {"parts": [state["number"]]}

        builder = map_reduce(worker)
        builder.add_node("beside", beside)
        builder.add_node("after", lambda state: {"total": state["total"] + state["number"]})
        builder.add_edge("total", "beside")
        builder.add_edge("beside", "after")
        return builder

    case(
        name=f"a_chain_after_{many}_sent",
        input={"numbers": list(range(many))},
        output={"total": 7 + 10 * sum(range(many))},
        concurrent=frozenset({"worker"}),
    )(sent)


@case(
    input={"numbers": [1, 2]},
    output={"parts": [1, 2], "total": 3},
    concurrent=frozenset({"worker"}),
)
def a_node_sends_by_command(recorder: Recorder) -> Built:
    def plan(state: Sums) -> Command[Literal["worker"]]:
        return Command(goto=[Send("worker", {"number": n}) for n in state["numbers"]], update={"total": 0})

    builder = StateGraph(Sums)
    builder.add_node("plan", plan)
    builder.add_node("worker", lambda state: {"parts": [state["number"]]})
    builder.add_node("total", lambda state: {"total": sum(state["parts"])}, defer=True)
    builder.add_edge(START, "plan")
    builder.add_edge("worker", "total")
    return builder


@case(input={"number": 3}, output={"trail": ["choose", "odd"], "note": "by command"})
def command_goto_with_an_update(recorder: Recorder) -> Built:
    def choose(state: Path) -> Command[Literal["odd", "even"]]:
        return Command(goto=parity(state), update={"trail": ["choose"], "note": "by command"})

    builder = StateGraph(Path)
    builder.add_node("choose", choose)
    builder.add_node("odd", step("odd"))
    builder.add_node("even", step("even"))
    builder.add_edge(START, "choose")
    return builder


@case(
    input={"number": 3},
    output={"trail": ["choose", "odd", "static"]},
    concurrent=frozenset({"odd", "static"}),
    refusals={"parallel": {"choose": "makes a Command"}},
)
def command_goto_beside_a_static_edge(recorder: Recorder) -> Built:
    def choose(state: Path) -> Command:
        return Command(goto="odd", update={"trail": ["choose"]})

    builder = StateGraph(Path)
    builder.add_node("choose", choose, destinations=("odd",))
    builder.add_node("odd", step("odd"))
    builder.add_node("static", step("static"))
    builder.add_edge(START, "choose")
    builder.add_edge("choose", "static")
    return builder


@case(input={"number": 1}, output={"number": 4, "trail": ["up", "up", "up", "done"]})
def a_loop_by_commands(recorder: Recorder) -> Built:
    def up(state: Path) -> Command[Literal["up", "done"]]:
        number = state["number"] + 1
        return Command(goto="up" if number < 4 else "done", update={"number": number, "trail": ["up"]})

    builder = StateGraph(Path)
    builder.add_node("up", up)
    builder.add_node("done", step("done"))
    builder.add_edge(START, "up")
    return builder


@case(input={"number": 2}, output={"trail": ["first"], "doubled": 4, "note": "c"})
def a_node_that_returns_several_updates(recorder: Recorder) -> Built:
    def several(state: Path) -> list[Any]:
        time.sleep(INSTANT)
        return [{"trail": ["first"]}, Command(update={"note": "b"}), {"doubled": state["number"] * 2}]

    def rename(state: Path) -> Path:
        time.sleep(INSTANT)
        return {"note": "c"}

    builder = StateGraph(Path)
    builder.add_sequence([several, rename])
    builder.add_edge(START, "several")
    return builder


@case(input={"number": 2}, output={"trail": ["first", "second", "third"], "note": "saw 2"})
def a_chain_over_a_reducer_read_at_the_end(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    builder.add_sequence([first, second, third])
    builder.add_edge(START, "first")
    return builder


@case(
    input={"trail": []},
    output={"trail": ["a", "b1", "c1", "b2", "c2", "d"]},
    concurrent=frozenset({"b1", "b2", "c1", "c2"}),
    modes=SYNC + ASYNC,
)
def two_chains_side_by_side(recorder: Recorder) -> Built:
    builder = StateGraph(Path)
    for name in ("a", "b1", "b2", "c1", "c2", "d"):
        builder.add_node(name, step(name))
    for start, end in ((START, "a"), ("a", "b1"), ("b1", "b2"), ("a", "c1"), ("c1", "c2")):
        builder.add_edge(start, end)
    builder.add_edge(["b2", "c2"], "d")
    return builder


@case(input={"number": 1}, output={"number": 1})
def a_node_that_returns_nothing(recorder: Recorder) -> Built:
    def quiet(state: Path) -> None:
        time.sleep(INSTANT)
        recorder.effect("quiet ran", state["number"])

    builder = StateGraph(Path)
    builder.add_node("quiet", quiet)
    builder.add_edge(START, "quiet")
    return builder
