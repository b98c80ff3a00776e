"""Graphs whose answers depend on the order of moments, never on how long something takes by chance."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import asyncio
import datetime
import itertools
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from hiding.models import LLM, Echo, answered
from hiding.scene import Pair, Scene, chain, scenario, state_of
from hiding.steps import asking, resting, working

CLOCKS: dict[str, Callable[[], float]] = {
    "time": lambda: time.time(),
    "time_ns": lambda: time.time_ns() / 1e9,
    "monotonic": lambda: time.monotonic(),
    "monotonic_ns": lambda: time.monotonic_ns() / 1e9,
    "perf_counter": lambda: time.perf_counter(),
    "perf_counter_ns": lambda: time.perf_counter_ns() / 1e9,
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    "now": lambda: datetime.datetime.now().timestamp(),
    "now_utc": lambda: datetime.datetime.now(datetime.UTC).timestamp(),
    "today": lambda: datetime.datetime.today().timestamp(),
    "uuid1": lambda: uuid.uuid1().time / 1e7,
}
BARE: tuple[Callable[[], float], ...] = (time.time, time.monotonic, time.perf_counter)


def a_clock(dice: random.Random) -> Callable[[], float]:
    return dice.choice([*CLOCKS.values(), *BARE])


def judged(state: Any) -> Any:
    """The state without the keys that hold moments."""
    if not isinstance(state, dict):
        return state
    return {key: judged(value) for key, value in state.items() if not key.startswith("t")}


def timed(nodes: list[Pair], asynchronous: bool, **more: Any) -> Scene:
    schema = state_of(4, **{f"t{number}": Any for number in range(5)})
    return Scene(chain(schema, [node[asynchronous] for node in nodes]), {"q": "question"}, judged=judged, **more)


def wait(dice: random.Random, key: str) -> Pair:
    return dice.choice((asking, resting))(key)


@scenario
def time_between_two_nodes(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)
    nodes = [
        working("t0", lambda s: clock()),
        wait(dice, "k1"),
        asking("t1", lambda s: clock()),
        working("out", lambda s: s["t1"][0] - s["t0"] > 0.003),
    ]
    return timed(nodes, asynchronous)


@scenario
def a_deadline_that_passes(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)

    def late(s: Any) -> str:
        return "late" if clock() - s["t0"] > 0.003 else "in time"

    reader = dice.choice((lambda: asking("k2", late), lambda: resting("k2", late), lambda: working("k2", late)))()
    return timed([working("t0", lambda s: clock()), wait(dice, "k1"), reader, asking("k3")], asynchronous)


@scenario
def a_deadline_kept_outside(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)

    class Deadline:
        def __init__(self) -> None:
            self.begun = 0.0

        def start(self) -> bool:
            self.begun = clock()
            return True

        @property
        def passed(self) -> bool:
            return clock() - self.begun > 0.003

    deadline = Deadline()
    nodes = [
        working("k0", lambda s: deadline.start()),
        wait(dice, "k1"),
        asking("k2", lambda s: deadline.passed),
        asking("k3"),
    ]
    return timed(nodes, asynchronous)


@scenario
def moments_in_order(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)
    last, first = dice.choice((asking, resting)), dice.choice((asking, resting))
    nodes = [
        last("t0", last=lambda s: clock()),
        first("t1", first=lambda s: clock()),
        working("out", lambda s: s["t1"][0] >= s["t0"][-1]),
    ]
    return timed(nodes, asynchronous)


@scenario
def moments_in_order_far_apart(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)
    nodes = [
        asking("t0", last=lambda s: clock()),
        *(asking(f"k{number}") for number in range(dice.randint(0, 2))),
        asking("t1", lambda s: clock(), lambda s: clock()),
        asking("t2", lambda s: clock()),
        working("out", lambda s: s["t0"][2] <= s["t1"][0] <= s["t1"][2] <= s["t2"][0]),
    ]
    return timed(nodes, asynchronous)


@scenario
def names_sorted_by_moment(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)
    nodes = [asking(f"t{number}", lambda s: clock(), lambda s: clock()) for number in range(dice.randint(2, 4))]

    def order(s: Any) -> Any:
        stamped = [(s[f"t{number}"][2], f"n{number}") for number in range(5) if f"t{number}" in s]
        return [name for _, name in sorted(stamped)]

    return timed([*nodes, working("out", order)], asynchronous)


@scenario
def a_pause_between_two_calls(dice: random.Random, asynchronous: bool) -> Scene:
    calls: list[float] = []

    class Calls(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            calls.append(time.monotonic())

    def pause(s: Any) -> None:
        time.sleep(0.02)

    async def pause_async(s: Any) -> None:
        await asyncio.sleep(0.02)

    llm = Echo(callbacks=[Calls()])
    nodes = [
        asking("k0", llm=llm),
        (pause, pause_async),
        asking("k2", llm=llm),
        working("k3", lambda s: "done"),
    ]
    return timed(nodes, asynchronous, after=lambda: [after - before > 0.02 for before, after in _pairs(calls)])


@scenario
def a_pause_before_what_a_model_notes(dice: random.Random, asynchronous: bool) -> Scene:
    """The provider's own clock tells that the pause was none."""
    calls: list[float] = []

    class Noting(Echo):
        def _convert_input(self, model_input: Any) -> Any:
            calls.append(time.monotonic())
            return super()._convert_input(model_input)

    llm = Noting()

    def silent(s: Any) -> Any:
        time.sleep(0.02)
        return {}

    async def silent_async(s: Any) -> Any:
        await asyncio.sleep(0.02)
        return {}

    nodes = [asking("k0", llm=llm), (silent, silent_async), asking("k2", llm=llm)]
    return timed(nodes, asynchronous, after=lambda: [after - before > 0.02 for before, after in _pairs(calls)])


def _pairs(calls: list[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(calls))


@scenario
def a_model_that_tells_the_time(dice: random.Random, asynchronous: bool) -> Scene:
    class Clock(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            time.sleep(self.pause)
            return answered(str(time.monotonic_ns()))

    llm = Clock(pause=0.01)
    nodes = [asking("t0", llm=llm), asking("t1", llm=llm), working("out", lambda s: int(s["t1"][1]) > int(s["t0"][1]))]
    if dice.random() < 0.5:
        nodes.insert(1, wait(dice, "k1"))
    return timed(nodes, asynchronous)


@scenario
def an_attempt_until_a_time(dice: random.Random, asynchronous: bool) -> Scene:
    clock = a_clock(dice)

    def attempts(s: Any) -> str:
        left = 0.004 - (clock() - s["t0"])
        return LLM.invoke("one more").content if left > 0 else "given up"  # type: ignore[return-value]

    nodes = [working("t0", lambda s: clock()), asking("k1"), working("k2", attempts), asking("k3")]
    return timed(nodes, asynchronous)


@scenario
def how_long_a_node_took(dice: random.Random, asynchronous: bool) -> Scene:
    """Measured by the node itself, which is right wherever it runs."""
    clock = a_clock(dice)
    nodes = [
        asking("k0"),
        resting("t1", lambda s: clock(), lambda s: clock()),
        working("out", lambda s: s["t1"][1] - s["t1"][0] > 0.005),
        asking("k3"),
    ]
    return timed(nodes, asynchronous)


@scenario
def the_same_day(dice: random.Random, asynchronous: bool) -> Scene:
    nodes = [asking("k0"), asking("k1", lambda s: datetime.date.today().isoformat()), asking("k2")]
    return timed(nodes, asynchronous)
