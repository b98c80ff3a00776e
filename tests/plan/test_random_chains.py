"""Random chains of nodes behave the same, whatever overlaps."""

from __future__ import annotations

import asyncio
import operator
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph

from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.graph_plan import GraphPlan

KEYS = ("a", "b", "c", "d")


def impure(left: list[Any], right: list[Any]) -> list[Any]:
    """A reducer that changes its argument: its value must never be computed ahead."""
    left.extend(right)
    return left


class State(TypedDict, total=False):
    a: int
    b: int
    c: int
    d: int
    log: Annotated[list[str], operator.add]
    odd: Annotated[list[str], impure]


CALLS: Counter[str] = Counter()


def plain(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that computes new values from the ones that it reads."""

    def sync(state: State) -> dict[str, Any]:
        time.sleep(wait)
        total = sum(state.get(key, 0) for key in reads) + 1
        return dict.fromkeys(writes, total)

    async def asynchronous(state: State) -> dict[str, Any]:
        await asyncio.sleep(wait)
        total = sum(state.get(key, 0) for key in reads) + 1
        return dict.fromkeys(writes, total)

    return sync, asynchronous


def whole(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that looks at everything."""
    (target, *_) = writes

    def sync(state: State) -> dict[str, Any]:
        everything = {**state}
        return {target: len(str(everything))}

    async def asynchronous(state: State) -> dict[str, Any]:
        everything = dict(state)
        return {target: len(str(everything))}

    return sync, asynchronous


def logs(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that appends to a reduced key, and reads it."""

    def sync(state: State) -> dict[str, Any]:
        time.sleep(wait)
        return {"log": [f"{name}{len(state.get('log', []))}"], "odd": [name]}

    async def asynchronous(state: State) -> dict[str, Any]:
        await asyncio.sleep(wait)
        return {"log": [f"{name}{len(state.get('log', []))}"], "odd": [name]}

    return sync, asynchronous


def sees_odd(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that reads the key with the impure reducer."""
    (target, *_) = writes

    def sync(state: State) -> dict[str, Any]:
        return {target: len(state.get("odd", []))}

    async def asynchronous(state: State) -> dict[str, Any]:
        return {target: len(state.get("odd", []))}

    return sync, asynchronous


def fails(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that raises."""
    (key, *_) = reads

    def sync(state: State) -> dict[str, Any]:
        time.sleep(wait)
        raise ValueError(f"{name} {state.get(key)}")

    async def asynchronous(state: State) -> dict[str, Any]:
        await asyncio.sleep(wait)
        raise ValueError(f"{name} {state.get(key)}")

    return sync, asynchronous


def mutates(name: str, reads: tuple[str, ...], writes: tuple[str, ...], wait: float) -> tuple[Any, Any]:
    """A node that changes a value in the state without returning it."""

    def sync(state: State) -> dict[str, Any]:
        state.get("log", []).append("!")
        return {}

    async def asynchronous(state: State) -> dict[str, Any]:
        state.get("log", []).append("!")
        return {}

    return sync, asynchronous


KINDS: tuple[Callable[..., tuple[Any, Any]], ...] = (plain, plain, plain, plain, logs, logs, whole, sees_odd, mutates)

node = st.tuples(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from([0, 0.001, 0.003]),
)


def chain(nodes: list[Any], index: int, failing: int | None) -> StateGraph[Any]:
    """The chain, of sync (index 0) or async (1) nodes."""
    builder = StateGraph(State)
    before = START
    for number, (kind, reads, writes, wait) in enumerate(nodes):
        name = f"n{number}"
        make = fails if number == failing else kind
        builder.add_node(name, make(name, reads, writes, wait)[index])
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder


def outcome(graph: Any, asynchronous: bool) -> Any:
    """Events and the final state, or the error."""
    events: list[Any] = []
    start = {"a": 1, "b": 2, "c": 3, "d": 4, "log": [], "odd": []}

    async def drain() -> None:
        async for event in graph.astream(start, stream_mode=["updates", "values"]):
            events.append(str(event))

    try:
        if asynchronous:
            asyncio.run(drain())
        else:
            events.extend(str(event) for event in graph.stream(start, stream_mode=["updates", "values"]))
    except ValueError as error:
        events.append(("error", str(error), len(error.__notes__)))
    return events


@pytest.mark.parametrize("asynchronous", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_optimized_equals_plain(asynchronous: bool, data: st.DataObject) -> None:
    """Events, final state and errors are those of the plain chain."""
    nodes = data.draw(st.lists(node, min_size=2, max_size=8))
    failing = data.draw(st.one_of(st.none(), st.none(), st.integers(0, len(nodes) - 1)))
    limit = data.draw(st.sampled_from([1, 2, 32]))
    builder = chain(nodes, int(asynchronous), failing)
    plan = GraphPlan.of(builder)
    optimized = Parallel(ParallelOptions(max_concurrency=limit)).rewrite(plan)
    assert outcome(optimized.build(), asynchronous) == outcome(plan.build(), asynchronous)
