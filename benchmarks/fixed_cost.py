"""What OptiFlow costs where there is nothing to gain; ``python benchmarks/fixed_cost.py [--json FILE]``.

Graphs whose nodes do next to nothing are run plain, plain once more (what two equal arms differ by), with each toggle
alone, with ``safe`` and with ``all``; and graphs are compiled as for each request, from closures made anew around one
model. The arms take turns in this process, in a random order in each round; every figure is of samples of the same
round. Times are the process's CPU time: with nothing to wait for it is what a run takes, and others don't count.
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from time import process_time
from typing import Any, TypedDict

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import END, START, StateGraph
from measure import Interval, median_interval
from results import Figure, options_parser, publish

import optiflow

TOGGLES = ("log_level", "monitor", "clients", "limits", "async", "cache", "durability", "dispatch", "parallel")
ARMS = ("plain", "plain again", *TOGGLES, "safe", "all")
LIMITS_US = {"safe": "<= 30", "all": "<= 60"}
BURST = 100
PAUSE_S = 0.01

Batch = Callable[[int], None]
"""Makes so many runs of a graph."""


class State(TypedDict, total=False):
    """The state of every graph."""

    question: str
    answer: str


class Handler(BaseCallbackHandler):
    """Listens to nodes, as tracers do."""

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=40)
    parser.add_argument("--only", default="", help="shapes whose name holds this text (default: all)")
    parser.add_argument("--arms", default=",".join(ARMS), help="arms beside plain (default: all)")
    options = parser.parse_args(argv)
    arms = tuple(dict.fromkeys(["plain", *options.arms.split(",")]))
    figures: list[Figure] = []
    for name, shape in SHAPES.items():
        if options.only in name:
            figures += tuple(measured(name, shape, arms, options.repetitions))
    publish(figures, options)


def measured(name: str, shape: Shape, arms: Sequence[str], repetitions: int) -> Iterator[Figure]:
    """Run the arms of one shape in turn."""
    batches = {arm: shape.batch(arm) for arm in arms}
    samples: dict[str, list[float]] = {arm: [] for arm in arms}
    for batch in batches.values():
        batch(3)
    order = list(arms)
    for _ in range(repetitions):
        random.shuffle(order)
        for arm in order:
            gc.collect()
            started = process_time()
            batches[arm](shape.runs)
            samples[arm].append((process_time() - started) / (shape.runs * shape.unit))
    plain = samples["plain"]
    yield Figure(f"{name}: plain", "us", median_interval([each * 1e6 for each in plain]))
    for arm in arms[1:]:
        extra = median_interval([(each - without) * 1e6 for each, without in zip(samples[arm], plain, strict=True)])
        yield Figure(f"{name}, {arm}: extra", "us", extra, shape.limits_us.get(arm, ""))
        ratios = median_interval([math.log(each / without) for each, without in zip(samples[arm], plain, strict=True)])
        ratio = Interval(*(math.exp(each) for each in (ratios.median, ratios.low, ratios.high)))
        yield Figure(f"{name}, {arm}: times plain", "", ratio, shape.limits.get(arm, ""))


class Shape:
    """Runs of a graph.

    Args:
        nodes: Makes the nodes anew.
        runs: Runs, or calls, that make a sample.
        handler: Whether somebody listens.
        limits_us: Most microseconds that a run may take more, by arm.
        limits: Most times that it may take, by arm.
    """

    unit = 1
    """Runs in one call."""

    def __init__(
        self,
        nodes: Callable[[], list[Any]],
        runs: int,
        *,
        handler: bool = False,
        limits_us: Mapping[str, str] = LIMITS_US,
        limits: Mapping[str, str] | None = None,
    ) -> None:
        self.nodes = nodes
        self.runs = runs
        self.config: Any = {"callbacks": [Handler()]} if handler else None
        self.limits_us = limits_us
        self.limits = limits or {}

    def batch(self, arm: str) -> Batch:
        """How to make runs under an arm."""
        graph = compiled(chain(self.nodes()), arm)

        def run(times: int) -> None:
            for _ in range(times):
                graph.invoke({"question": "q"}, self.config)

        return run


class AsyncShape(Shape):
    """The same in one event loop, one run after another."""

    def batch(self, arm: str) -> Batch:
        """How to make runs under an arm."""
        graph, loop = compiled(chain(self.nodes()), arm), LOOP

        async def run(times: int) -> None:
            for _ in range(times):
                await self.call(lambda: graph.ainvoke({"question": "q"}, self.config))

        return lambda times: loop.run_until_complete(run(times))

    async def call(self, start: Callable[[], Awaitable[Any]]) -> None:
        """One call."""
        await start()


class Burst(AsyncShape):
    """The same, many runs at once."""

    unit = BURST

    async def call(self, start: Callable[[], Awaitable[Any]]) -> None:
        """All of them."""
        await asyncio.gather(*(start() for _ in range(BURST)))


class Compiling(Shape):
    """Compiles a graph for each request."""

    def batch(self, arm: str) -> Batch:
        """How to compile under an arm."""

        def compile(times: int) -> None:
            for _ in range(times):
                compiled(chain(self.nodes()), arm)

        return compile


def compiled(builder: StateGraph[State], arm: str) -> Any:
    """A graph under an arm."""
    return builder.compile() if arm.startswith("plain") else optiflow.compile(builder, arm)


def chain(nodes: Sequence[Any]) -> StateGraph[State]:
    """One node after another."""
    builder = StateGraph(State)
    names = [f"node{number}" for number in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder


def sync_node(number: int) -> Any:
    """A node that does next to nothing."""

    def node(state: State) -> State:
        return {"answer": f"{number}"}

    return node


def async_node(number: int) -> Any:
    """The same, asynchronous."""

    async def node(state: State) -> State:
        return {"answer": f"{number}"}

    return node


def pausing_node(number: int) -> Any:
    """A node that waits."""

    async def node(state: State) -> State:
        await asyncio.sleep(PAUSE_S)
        return {"answer": f"{number}"}

    return node


MODEL = FakeListChatModel(responses=["yes"])


def asking_node(number: int) -> Any:
    """A node that asks the one model of the program."""

    async def node(state: State) -> State:
        answer = await MODEL.ainvoke(f"{number} {state['question']}")
        return {"answer": str(answer.content)}

    return node


def many(make: Callable[[int], Any], count: int) -> Callable[[], list[Any]]:
    """Makes so many nodes anew."""
    return lambda: [make(number) for number in range(count)]


LOOP = asyncio.new_event_loop()

_COMPILE = {"safe": "<= 1.3", "all": "<= 1.3"}

SHAPES: Mapping[str, Shape] = {
    "1 sync node": Shape(many(sync_node, 1), 40),
    "1 async node": AsyncShape(many(async_node, 1), 40),
    "10 sync nodes": Shape(many(sync_node, 10), 8),
    "10 async nodes": AsyncShape(many(async_node, 10), 8),
    "10 sync nodes, a handler": Shape(many(sync_node, 10), 8, handler=True),
    f"{BURST} runs at once, 2 async nodes that wait": Burst(
        many(pausing_node, 2), 1, limits_us={}, limits=dict.fromkeys(("safe", "all"), "<= 1.02")
    ),
    **{
        f"compile, {count} node{'s' * (count > 1)}": Compiling(
            many(asking_node, count), max(1, 10 // count), limits_us={}, limits=_COMPILE
        )
        for count in (1, 5, 20)
    },
}


if __name__ == "__main__":
    try:
        main()
    finally:
        LOOP.close()
