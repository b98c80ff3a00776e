"""What ``dispatch`` takes off LangGraph's own overhead; ``python benchmarks/framework.py [--json FILE]``.

Each shape is run plain, with ``safe``, and with ``safe`` and ``dispatch``, sync and async, with and without an
in-memory checkpointer. The arms take turns in this process; every ratio is of samples of the same round.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter, process_time
from typing import Any

from framework_shapes import SHAPES, Shape
from langgraph.checkpoint.memory import InMemorySaver
from measure import Interval, median_interval, ratio_interval
from results import Figure, options_parser, publish

from optiflow import api

CLOCKS: Mapping[str, Callable[[], float]] = {"CPU": process_time, "wall": perf_counter}
OPTIMIZED = ("safe", "dispatch")
Samples = dict[str, dict[str, list[float]]]
"""Seconds, by clock and arm."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=15)
    parser.add_argument("--only", default="", help="shapes whose name holds this text (default: all)")
    options = parser.parse_args(argv)
    measured: dict[str, Samples] = {}
    print(f"{'shape':<62} {'plain ms':>9} {'safe':>7} {'safe + dispatch: CPU':>28} {'wall':>28}")
    for name, shape in SHAPES.items():
        for mode, saved in itertools.product(("sync", "async"), (False, True)):
            full = f"{name}, {mode}, {'checkpointed' if saved else 'no checkpointer'}"
            if options.only in full:
                measured[full] = measure(shape, mode == "async", saved, options.repetitions)
                print(row(full, shape, measured[full]), flush=True)
    figures = list(figures_of(measured))
    print()
    publish(figures, options)


def measure(shape: Shape, asynchronous: bool, saved: bool, repetitions: int) -> Samples:
    """Run the arms of one shape in turn."""
    arms = {arm: runner(shape, arm, asynchronous, saved) for arm in ("plain", "safe", "dispatch")}
    samples: Samples = {clock: {arm: [] for arm in arms} for clock in CLOCKS}
    for run in arms.values():
        run()
    order = list(arms)
    for _ in range(repetitions):
        for arm in order:
            gc.collect()
            started = {clock: read() for clock, read in CLOCKS.items()}
            arms[arm]()
            for clock, read in CLOCKS.items():
                samples[clock][arm].append(read() - started[clock])
        order.reverse()
    return samples


def runner(shape: Shape, arm: str, asynchronous: bool, saved: bool) -> Callable[[], None]:
    """A sample of one arm: its calls, each on a thread of its own, after which nothing is kept."""
    saver = InMemorySaver() if saved else None
    graph = shape.make(asynchronous, saver)
    if arm != "plain":
        graph = api.optimize(graph, "safe" if arm == "safe" else OPTIMIZED)
    numbers = itertools.count()

    def config() -> Any:
        return {"recursion_limit": 10_000, "configurable": {"thread_id": str(next(numbers))}}

    def sync() -> None:
        for _ in range(shape.calls):
            graph.invoke(shape.input(), config())

    async def calls() -> None:
        for _ in range(shape.calls):
            await graph.ainvoke(shape.input(), config())

    def fresh(run: Callable[[], None]) -> Callable[[], None]:
        def sample() -> None:
            if saver is not None:
                for kept in (saver.storage, saver.writes, saver.blobs):
                    kept.clear()
            run()

        return sample

    loop = asyncio.new_event_loop() if asynchronous else None
    return fresh(sync if loop is None else lambda: loop.run_until_complete(calls()))


def row(name: str, shape: Shape, samples: Samples) -> str:
    """A line of the table."""
    plain_ms = statistics.median(samples["CPU"]["plain"]) / shape.calls * 1000
    safe = ratio_interval(samples["CPU"]["safe"], samples["CPU"]["plain"]).median
    cpu, wall = (ratio_interval(of["dispatch"], of["plain"]) for of in samples.values())
    return f"{name:<62} {plain_ms:>9.2f} {safe:>7.3f} {cpu!s:>28} {wall!s:>28}"


def figures_of(measured: Mapping[str, Samples]) -> Iterator[Figure]:
    """The geometric means, the worst shapes, and every shape's own."""
    for clock in CLOCKS:
        for arm in ("dispatch", "safe"):
            ratios = {name: of[clock] for name, of in measured.items()}
            label = "safe + dispatch" if arm == "dispatch" else arm
            limits = ("<= 0.75", "<= 1.0") if (clock, arm) == ("CPU", "dispatch") else ("", "")
            yield Figure(f"geometric mean of {clock} time, {label}", "x", geometric_mean(ratios, arm), limits[0])
            single = {name: ratio_interval(of[arm], of["plain"]) for name, of in ratios.items()}
            worst = max(single, key=lambda name: single[name].median)
            yield Figure(f"worst {clock}, {label}: {worst}", "x", single[worst], limits[1])
    for name, of in measured.items():
        for clock, arms in of.items():
            yield Figure(f"{name}, {clock}", "x", ratio_interval(arms["dispatch"], arms["plain"]))


def geometric_mean(shapes: Mapping[str, Mapping[str, list[float]]], arm: str) -> Interval:
    """Over the shapes, round by round: a round's mean is one sample of the interval."""
    logs = [[math.log(a / b) for a, b in zip(of[arm], of["plain"], strict=True)] for of in shapes.values()]
    rounds = median_interval([statistics.mean(column) for column in zip(*logs, strict=True)])
    return Interval(math.exp(rounds.median), math.exp(rounds.low), math.exp(rounds.high))


if __name__ == "__main__":
    main()
