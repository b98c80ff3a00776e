"""What ``parallel`` does for graphs, against plain LangGraph; ``python benchmarks/graph.py [--json FILE]``.

Every ratio is of arms that ran in turn in this process. Waiting is real: the nodes sleep, as for a provider.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from measure import interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.graph_plan import GraphPlan

WAIT = 0.1
"""Seconds that a node of the first graphs waits."""

MIXED = (
    ("gather", 0.3, (), "gathered"),
    ("market", 0.4, (), "trend"),
    ("summarize", 0.3, ("gathered",), "summary"),
    ("check", 0.5, (), "checked"),
    ("compare", 0.4, ("trend", "summary"), "compared"),
    ("write", 0.1, ("compared", "checked"), "report"),
)
"""A chain as people write it: node, seconds, keys read, key written."""


class State(TypedDict, total=False):
    """The state of every graph here."""

    a: int
    b: int
    c: int
    d: int
    gathered: int
    trend: int
    summary: int
    checked: int
    compared: int
    report: int


class Waiter:
    """A node that is an instance of a class."""

    def __init__(self, key: str, wait: float, reads: tuple[str, ...] = ()) -> None:
        self.key = key
        self.wait = wait
        self.reads = reads

    async def __call__(self, state: State) -> dict[str, Any]:
        """Wait, then add up what it reads."""
        await asyncio.sleep(self.wait)
        return {self.key: 1 + sum(state[key] for key in self.reads)}  # type: ignore[literal-required]


def function(key: str, wait: float, reads: tuple[str, ...] = ()) -> Callable[[State], Awaitable[dict[str, Any]]]:
    """An async node."""

    async def node(state: State) -> dict[str, Any]:
        await asyncio.sleep(wait)
        return {key: 1 + sum(state[read] for read in reads)}  # type: ignore[literal-required]

    return node


def threaded(key: str, wait: float, reads: tuple[str, ...] = ()) -> Callable[[State], dict[str, Any]]:
    """A synchronous node."""

    def node(state: State) -> dict[str, Any]:
        time.sleep(wait)
        return {key: 1 + sum(state[read] for read in reads)}  # type: ignore[literal-required]

    return node


def chain(nodes: Mapping[str, Any]) -> StateGraph[Any]:
    """Nodes one after another."""
    builder: StateGraph[Any] = StateGraph(State)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder


def optimized(builder: StateGraph[Any]) -> Any:
    """The graph under ``parallel``."""
    return Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder)).build()


def runs(graph: Any, *, sync: bool = False) -> Callable[[], None]:
    """One run of a graph, to be timed."""
    if sync:
        return lambda: graph.invoke({})
    return lambda: asyncio.run(graph.ainvoke({}))


def independent(repetitions: int) -> list[Figure]:
    """Three independent nodes and a join, in three forms."""
    figures = []
    for form, make in (("functions", function), ("callable classes", Waiter), ("synchronous functions", threaded)):
        builder = chain({key: make(key, WAIT) for key in "abc"} | {"d": make("d", 0, ("a", "b", "c"))})
        sync = make is threaded
        arms = {"plain": runs(builder.compile(), sync=sync), "parallel": runs(optimized(builder), sync=sync)}
        samples = interleave(arms, repetitions)
        speedup = ratio_interval(samples["plain"], samples["parallel"])
        figures.append(Figure(f"3 independent 100 ms nodes and a join, {form}", "x", speedup, ">= 1.95"))
    return figures


def critical_path() -> float:
    """Seconds that the data dependencies of the mixed chain take."""
    ready: dict[str, float] = {}
    for _, wait, reads, written in MIXED:
        ready[written] = wait + max((ready[key] for key in reads), default=0.0)
    return max(ready.values())


def mixed(repetitions: int) -> list[Figure]:
    """The six-node chain against its critical path."""
    builder = chain({name: function(written, wait, reads) for name, wait, reads, written in MIXED})
    arms = {"plain": runs(builder.compile()), "parallel": runs(optimized(builder))}
    samples = interleave(arms, repetitions)
    path = critical_path()
    over = median_interval([sample / path for sample in samples["parallel"]])
    return [
        Figure("six-node mixed chain, over its critical path", "x", over, "<= 1.02"),
        Figure("six-node mixed chain, plain over parallel", "x", ratio_interval(samples["plain"], samples["parallel"])),
    ]


def many_runs(graph: Any) -> None:
    """A few runs: many short samples that alternate are steadier than few long ones."""
    for _ in range(4):
        graph.invoke({}, {"recursion_limit": 99})


def refused(repetitions: int) -> list[Figure]:
    """A graph on which every node is refused."""
    builder: StateGraph[Any] = StateGraph(State)
    following = (*(f"n{number}" for number in range(1, 50)), END)

    def commanding(goto: str) -> Any:
        def node(state: State) -> Command[Any]:
            return Command(update={"a": 1}, goto=goto)

        return node

    for number, goto in enumerate(following):
        builder.add_node(f"n{number}", commanding(goto))
    builder.add_edge(START, "n0")
    plain, parallel = builder.compile(), optimized(builder)
    arms = {"plain": lambda: many_runs(plain), "parallel": lambda: many_runs(parallel)}
    samples = interleave(arms, repetitions * 30)
    ratio = ratio_interval(samples["parallel"], samples["plain"])
    return [
        Figure("a graph where all is refused, over plain", "x", ratio, "<= 1.02"),
        Figure("a graph where all is refused, over plain", "x", ratio, ">= 0.98"),
    ]


def compiling(repetitions: int) -> list[Figure]:
    """Compiling 1000 nodes: one function for all, a closure each, and nodes that wait and so have to be looked at.

    Without garbage collection: a full one takes longer than compiling, and hits either arm at random.
    """

    def noop(state: State) -> dict[str, Any]:
        return {}

    def closure(number: int) -> Callable[[State], dict[str, Any]]:
        def node(state: State) -> dict[str, Any]:
            return {"a": state.get("a", 0) + number}

        return node

    figures = []
    for form, make in (
        ("one function", lambda number: noop),
        ("a closure each", closure),
        ("waiting nodes", lambda number: function("abcd"[number % 4], 0)),
    ):
        builder = chain({f"n{number}": make(number) for number in range(1000)})
        arms = {"plain": lambda b=builder: b.compile() and None, "optiflow": lambda b=builder: optimized(b) and None}
        gc.collect()
        gc.disable()
        samples = interleave(arms, repetitions)
        gc.enable()
        ratio = ratio_interval(samples["optiflow"], samples["plain"])
        figures.append(Figure(f"compiling 1000 nodes, {form}, over LangGraph's own", "x", ratio, "< 2"))
    return figures


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=7).parse_args(argv)
    figures: list[Figure] = []
    for part in (independent, mixed, refused, compiling):
        figures += part(options.repetitions)
    publish(figures, options, waits=[{"node": name, "seconds": wait} for name, wait, _, _ in MIXED])


if __name__ == "__main__":
    main()
