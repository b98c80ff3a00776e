"""The ``parallel`` toggle on graphs: what overlaps, what is refused, and that nothing else changes."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send
from pydantic import ValidationError

from optiflow.batching import process_prompts
from optiflow.optimizations.base import Decision
from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan

PATIENCE = 0.05
"""Seconds that a node waits; long enough for others to start meanwhile, and not asserted."""


class State(TypedDict, total=False):
    a: int
    b: int
    c: int
    d: int
    text: str


class Logged(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Total(TypedDict, total=False):
    numbers: list[int]
    parts: Annotated[list[int], operator.add]
    total: int
    after: int


class Tracker:
    """Counts calls and how many nodes ran at once."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.running = 0
        self.most = 0
        self.lock = threading.Lock()

    def enter(self, name: str) -> None:
        with self.lock:
            self.calls[name] += 1
            self.running += 1
            self.most = max(self.most, self.running)

    def leave(self) -> None:
        with self.lock:
            self.running -= 1


def node(
    tracker: Tracker, name: str, reads: tuple[str, ...], writes: tuple[str, ...], *, wait: float = PATIENCE
) -> Any:
    """An async node whose effects have to be declared, since it keeps count."""

    async def work(state: Mapping[str, Any]) -> dict[str, Any]:
        tracker.enter(name)
        try:
            await asyncio.sleep(wait)
            return {key: sum(state.get(read, 0) for read in reads) + 1 for key in writes}
        finally:
            tracker.leave()

    return work


def chain(nodes: Mapping[str, Any], schema: Any = State, **options: Any) -> StateGraph[Any]:
    """A straight chain of nodes; options are per node: ``name=dict(retry_policy=…)``."""
    builder = StateGraph(schema)
    before = START
    for name, work in nodes.items():
        builder.add_node(name, work, **options.get(name, {}))
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder


def declared(**effects: tuple[str, str]) -> dict[str, Effects]:
    """Effects by node: (keys read, keys written), one letter or space-separated."""
    return {
        name: Effects.declared(frozenset(reads.split()), frozenset(writes.split()))
        for name, (reads, writes) in effects.items()
    }


def optimize(
    builder: StateGraph[Any], effects: Mapping[str, Effects] | None = None, *, limit: int = 32, **compile_options: Any
) -> tuple[Any, dict[str, Decision]]:
    """The optimized graph, and the decision for each node."""
    plan = GraphPlan.of(builder, effects=effects, compile_options=compile_options)
    plan = Parallel(ParallelOptions(max_concurrency=limit)).rewrite(plan)
    return plan.build(), {decision.node: decision for decision in plan.decisions}


def three_and_a_join(tracker: Tracker) -> tuple[StateGraph[Any], dict[str, Effects]]:
    """Three independent nodes and one that reads them all."""
    builder = chain(
        {
            "one": node(tracker, "one", (), ("a",)),
            "two": node(tracker, "two", (), ("b",)),
            "three": node(tracker, "three", (), ("c",)),
            "join": node(tracker, "join", ("a", "b", "c"), ("d",)),
        }
    )
    return builder, declared(one=("", "a"), two=("", "b"), three=("", "c"), join=("a b c", "d"))


class TestOverlap:
    async def test_independent_nodes_overlap(self) -> None:
        """Three independent nodes run at once; the join has all of their values."""
        tracker = Tracker()
        builder, effects = three_and_a_join(tracker)
        graph, decisions = optimize(builder, effects)
        assert await graph.ainvoke({}) == {"a": 1, "b": 1, "c": 1, "d": 4}
        assert tracker.most == 3
        assert {name for name, decision in decisions.items() if decision.action == "applied"} == {
            "two",
            "three",
            "join",
        }

    def test_sync_nodes_overlap_in_threads(self) -> None:
        """Plain functions overlap in a synchronous run, their effects read from the code."""

        def one(state: State) -> dict[str, Any]:
            time.sleep(PATIENCE)
            return {"a": threading.get_ident()}

        def two(state: State) -> dict[str, Any]:
            time.sleep(PATIENCE)
            return {"b": threading.get_ident()}

        tracker = Tracker()
        effects = declared(one=("", "a"), two=("", "b"))
        graph, _ = optimize(chain({"one": one, "two": two}), effects)
        state = graph.invoke({})
        assert state["a"] != state["b"]
        assert not tracker.calls

    async def test_callable_classes_overlap(self) -> None:
        """Instances of callable classes are analysed like functions."""

        class Waiter:
            def __init__(self, key: str) -> None:
                self.key = key

            async def __call__(self, state: State) -> dict[str, Any]:
                await asyncio.sleep(PATIENCE)
                return {self.key: 1}

        graph, decisions = optimize(chain({"one": Waiter("a"), "two": Waiter("b"), "three": Waiter("c")}))
        assert decisions["two"].action == decisions["three"].action == "applied"
        assert await graph.ainvoke({}) == {"a": 1, "b": 1, "c": 1}

    async def test_a_node_starts_as_soon_as_what_it_reads_is_ready(self) -> None:
        """A node whose source was early does not wait for the slow node in between."""
        order: list[str] = []
        gate = asyncio.Event()

        async def slow(state: State) -> dict[str, Any]:
            await gate.wait()
            order.append("slow")
            return {"a": 1}

        async def source(state: State) -> dict[str, Any]:
            order.append("source")
            return {"b": 2}

        async def reader(state: State) -> dict[str, Any]:
            order.append("reader")
            gate.set()
            return {"c": state["b"] + 1}

        effects = declared(slow=("", "a"), source=("", "b"), reader=("b", "c"))
        graph, _ = optimize(chain({"slow": slow, "source": source, "reader": reader}), effects)
        assert await graph.ainvoke({}) == {"a": 1, "b": 2, "c": 3}
        assert order == ["source", "reader", "slow"]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_at_most_max_concurrency_nodes_work_at_once(self, limit: int) -> None:
        """The toggle's own limit holds."""
        tracker = Tracker()
        builder, effects = three_and_a_join(tracker)
        graph, _ = optimize(builder, effects, limit=limit)
        assert (await graph.ainvoke({}))["d"] == 4
        assert tracker.most == limit

    @pytest.mark.parametrize("limit", [1, 2])
    async def test_the_runs_own_max_concurrency_holds(self, limit: int) -> None:
        """No more nodes at once than the run's config allows, and no deadlock."""
        tracker = Tracker()
        builder, effects = three_and_a_join(tracker)
        graph, _ = optimize(builder, effects)
        assert (await graph.ainvoke({}, {"max_concurrency": limit}))["d"] == 4
        assert [part async for part in graph.astream({}, {"max_concurrency": limit}, stream_mode="custom")] == []
        assert tracker.most == limit

    @pytest.mark.parametrize("limit", [1, 2])
    def test_no_deadlock_in_threads(self, limit: int) -> None:
        """A synchronous run with few workers comes to its end."""

        def wait(key: str) -> Callable[[State], dict[str, Any]]:
            def work(state: State) -> dict[str, Any]:
                time.sleep(0.001)
                return {key: 1}

            return work

        graph, _ = optimize(chain({key: wait(key) for key in "abcd"}))
        config: Any = {"max_concurrency": limit}
        assert graph.invoke({}, config) == {"a": 1, "b": 1, "c": 1, "d": 1}

    async def test_a_chain_in_a_subgraph_overlaps_too(self) -> None:
        """A node that is a compiled graph is optimized inside, with its own name in the decisions."""
        tracker = Tracker()
        inner = chain({"x": wait_for("a"), "y": wait_for("b")}).compile()
        graph, decisions = optimize(chain({"first": wait_for("c"), "inner": inner}))
        assert decisions["inner.y"].action == "applied"
        assert await graph.ainvoke({}) == {"a": 1, "b": 1, "c": 1}
        assert not tracker.calls

    async def test_loops_run_again(self) -> None:
        """A chain inside a loop overlaps on every round."""

        async def first(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"a": state.get("a", 0) + 1}

        async def second(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"b": state.get("b", 0) + 1}

        async def third(state: State) -> dict[str, Any]:
            return {}

        def again(state: State) -> str:
            return "first" if state["a"] < 3 else END

        builder = StateGraph(State)
        for work in (first, second, third):
            builder.add_node(work.__name__, work)
        builder.add_edge(START, "first")
        builder.add_edge("first", "second")
        builder.add_edge("second", "third")
        builder.add_conditional_edges("third", again, ["first", END])
        graph, decisions = optimize(builder)
        assert decisions["second"].action == "applied"
        assert "router" in decisions["third"].reason
        assert await graph.ainvoke({}) == {"a": 3, "b": 3}


def wait_for(key: str) -> Any:
    """An async node that waits and writes 1."""

    async def work(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.001)
        return {key: 1}

    return work


class TestTheRivalsTable:
    async def test_retries_of_a_node_that_was_ahead(self) -> None:
        """A node that fails twice succeeds on the third call, no more and no fewer."""
        tracker = Tracker()

        async def flaky(state: State) -> dict[str, Any]:
            tracker.calls["flaky"] += 1
            await asyncio.sleep(0)
            if tracker.calls["flaky"] < 3:
                raise ConnectionError("not yet")
            return {"b": tracker.calls["flaky"]}

        policy = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
        builder = chain({"slow": node(tracker, "slow", (), ("a",)), "flaky": flaky}, flaky={"retry_policy": policy})
        graph, decisions = optimize(builder, declared(slow=("", "a"), flaky=("", "b")))
        assert decisions["flaky"].action == "applied"
        assert await graph.ainvoke({}) == {"a": 1, "b": 3}
        assert tracker.calls["flaky"] == 3

    async def test_a_cached_node_is_called_once(self) -> None:
        """Two runs with a cache policy make one call of the cached node."""
        tracker = Tracker()
        builder = chain(
            {"slow": node(tracker, "slow", (), ("a",)), "cached": node(tracker, "cached", (), ("b",))},
            cached={"cache_policy": CachePolicy(key_func=lambda *args, **kwargs: "same")},
        )
        graph, _ = optimize(builder, declared(slow=("", "a"), cached=("", "b")), cache=InMemoryCache())
        assert await graph.ainvoke({}) == await graph.ainvoke({}) == {"a": 1, "b": 1}
        assert tracker.calls == {"slow": 2, "cached": 1}

    async def test_send_map_reduce(self) -> None:
        """Workers started with ``Send`` each run on their own input, and the join sees all of them."""

        async def worker(state: Any) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"parts": [state["number"] * 10]}

        async def join(state: Total) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"total": sum(state["parts"])}

        async def after(state: Total) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"after": len(state["numbers"])}

        def fan_out(state: Total) -> list[Send]:
            return [Send("worker", {"number": number}) for number in state["numbers"]]

        builder = StateGraph(Total)
        for work in (worker, join, after):
            builder.add_node(work.__name__, work)
        builder.add_conditional_edges(START, fan_out, ["worker"])
        builder.add_edge("worker", "join")
        builder.add_edge("join", "after")
        builder.add_edge("after", END)
        graph, decisions = optimize(builder)
        assert decisions["after"].action == "applied"
        state = await graph.ainvoke({"numbers": [1, 2, 3]})
        assert (state["total"], state["after"]) == (60, 3)

    async def test_command_goto(self) -> None:
        """A node that returns a Command is a barrier, and its target runs."""

        async def router(state: State) -> Command[Literal["target"]]:
            return Command(update={"a": 1}, goto="target")

        builder = StateGraph(State)
        builder.add_node("router", router)
        builder.add_node("target", wait_for("b"))
        builder.add_edge(START, "router")
        graph, decisions = optimize(builder)
        assert decisions["router"].action == decisions["target"].action == "refused"
        assert await graph.ainvoke({}) == {"a": 1, "b": 1}

    @pytest.mark.parametrize("copying", ["spread", "dict"])
    async def test_a_node_that_reads_everything(self, copying: str) -> None:
        """``{**state}`` and ``dict(state)`` read every key."""

        async def spread(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            everything = {**state}
            return {"text": str(sorted(everything))}

        async def copied(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            everything = dict(state)
            return {"text": str(sorted(everything))}

        reader = spread if copying == "spread" else copied
        graph, decisions = optimize(chain({"one": wait_for("a"), "reader": reader}))
        assert decisions["reader"].action == "refused"
        assert "'a'" in decisions["reader"].reason
        assert (await graph.ainvoke({}))["text"] == "['a']"

    async def test_an_object_that_two_nodes_share(self) -> None:
        """What one node saves in an object, the next one loads from it."""
        memory: dict[str, int] = {}

        async def save(state: State) -> dict[str, Any]:
            await asyncio.sleep(PATIENCE)
            memory["x"] = 7
            return {"a": 1}

        async def load(state: State) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"b": memory.get("x", -1)}

        graph, decisions = optimize(chain({"save": save, "load": load}))
        assert decisions["load"].action == "refused"
        assert "'memory'" in decisions["load"].reason
        assert (await graph.ainvoke({}))["b"] == 7

    async def test_an_append_reducer_keeps_program_order(self) -> None:
        """Nodes named against the alphabet append in the order of the program."""

        async def zebra(state: Logged) -> dict[str, Any]:
            await asyncio.sleep(PATIENCE)
            return {"log": ["first"]}

        async def aardvark(state: Logged) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"log": ["second"]}

        graph, decisions = optimize(chain({"zebra": zebra, "aardvark": aardvark}, Logged))
        assert decisions["aardvark"].action == "applied"
        assert await graph.ainvoke({"log": []}) == {"log": ["first", "second"]}

    async def test_a_branch_that_is_not_chosen_does_not_run(self) -> None:
        """Nothing is guessed across a router."""
        tracker = Tracker()

        def choose(state: State) -> str:
            return "right"

        builder = StateGraph(State)
        builder.add_node("start", node(tracker, "start", (), ("a",)))
        builder.add_node("left", node(tracker, "left", (), ("b",)))
        builder.add_node("right", node(tracker, "right", (), ("c",)))
        builder.add_edge(START, "start")
        builder.add_conditional_edges("start", choose, ["left", "right"])
        graph, _ = optimize(builder, declared(start=("", "a"), left=("", "b"), right=("", "c")))
        assert await graph.ainvoke({}) == {"a": 1, "c": 1}
        assert tracker.calls == {"start": 1, "right": 1}


def test_batches_are_concurrent_while_the_toggle_is_active() -> None:
    """Around the run, prompts of a batch are asked at once, up to the toggle's limit."""
    tracker = Tracker()

    async def ask(prompt: str) -> str:
        tracker.enter(prompt)
        await asyncio.sleep(0.001)
        tracker.leave()
        return prompt.upper()

    async def main() -> list[str]:
        return [outcome.result() for outcome in await process_prompts(["a", "b", "c"], ask)]

    with Parallel(ParallelOptions(max_concurrency=2)).activate() as statistics:
        assert asyncio.run(main()) == ["A", "B", "C"]
    assert tracker.most == 2
    assert statistics()


def test_options_are_checked() -> None:
    """At least one node at a time, and no unknown options."""
    with pytest.raises(ValidationError, match="max_concurrency"):
        ParallelOptions(max_concurrency=0)
    with pytest.raises(ValidationError, match="speed"):
        ParallelOptions(speed=2)  # type: ignore[call-arg]
