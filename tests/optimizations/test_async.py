"""Tests of the toggle ``async``."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
import yaml
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from pydantic import ValidationError

import optiflow
from optiflow.optimizations.async_ import Async, AsyncOptions
from optiflow.optimizations.registry import preset
from optiflow.plan.graph_plan import GraphPlan
from optiflow.tokens import count_tokens, count_tokens_async
from optiflow.tokens.counting import Offload

CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "async.yaml"


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {"async": AsyncOptions().model_dump()}


@pytest.mark.parametrize(
    "wrong", [{"min_characters": -1}, {"blocking_threshold_ms": 0}, {"sync_threads": 0}, {"other": 1}]
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Values out of range and unknown keys are errors."""
    with pytest.raises(ValidationError):
        AsyncOptions.model_validate(wrong)


class State(TypedDict, total=False):
    """The state of the graph."""

    done: Annotated[list[str], operator.add]


def threaded(state: State) -> State:
    """A node: threaded."""
    return {"done": [threading.current_thread().name]}


async def blocking(state: State) -> State:
    """A node: blocking."""
    await asyncio.sleep(0)
    time.sleep(0)
    return {"done": ["blocking"]}


def graph_of(*nodes: Any) -> StateGraph[Any]:
    """A graph whose nodes all follow the start."""
    builder: StateGraph[Any] = StateGraph(State)
    for number, node in enumerate(nodes):
        builder.add_node(f"n{number}", node)
        builder.add_edge(START, f"n{number}")
    return builder


@pytest.mark.parametrize(("offload", "action"), [(True, "applied"), (False, "refused")])
def test_every_node_has_a_decision(offload: bool, action: str) -> None:
    """What becomes of each node is said, and what happens around the run."""
    builder = graph_of(threaded, blocking)
    plan = Async(AsyncOptions(offload=offload, sync_threads=50)).rewrite(GraphPlan.of(builder))
    assert [(each.toggle, each.node, each.action) for each in plan.decisions] == [
        ("async", "n0", "applied"),
        ("async", "n1", action),
        ("async", "*", "applied"),
    ]
    assert "50 threads" in plan.decisions[0].reason


@pytest.mark.parametrize(("preset_name", "offload"), [("safe", False), ("all", True), ("async", True)])
def test_presets_say_whether_blocking_calls_are_offloaded(preset_name: str, offload: bool) -> None:
    """It changes the order of independent events, which `safe` never does; every other option stays."""
    assert preset(preset_name)["async"] == AsyncOptions(offload=offload).model_dump()


@pytest.mark.parametrize("nodes", [40])
def test_forty_sync_nodes_run_at_once(nodes: int) -> None:
    """Under `ainvoke` and `invoke` alike, several times, and no thread is left."""
    barrier = threading.Barrier(nodes, timeout=20)

    def waits(state: State) -> State:
        barrier.wait()
        return {"done": ["x"]}

    graph = optiflow.compile(graph_of(*[waits] * nodes), ["async"])
    before = threading.active_count()
    for _ in range(2):
        assert len(asyncio.run(graph.ainvoke({"done": []}))["done"]) == nodes
        assert len(graph.invoke({"done": []})["done"]) == nodes
        assert len([*graph.stream({"done": []})]) == nodes
    assert threading.active_count() == before


@pytest.mark.parametrize("limit", [1, 3])
async def test_the_runs_own_max_concurrency_holds(limit: int) -> None:
    """Never more nodes at once than the run's config says, which nodes see unchanged."""
    running, most, seen = 0, 0, []
    lock = threading.Lock()

    def counted(state: State, config: RunnableConfig) -> State:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            seen.append(config.get("max_concurrency"))
        threading.Event().wait(0.002)
        with lock:
            running -= 1
        return {"done": []}

    graph = optiflow.compile(graph_of(*[counted] * 12), ["async"])
    await graph.ainvoke({"done": []}, {"max_concurrency": limit})
    graph.invoke({"done": []}, {"max_concurrency": limit})
    assert most <= limit
    assert set(seen) == {limit}
    seen.clear()
    await graph.ainvoke({"done": []})
    assert set(seen) == {None}


async def test_long_counts_are_offloaded_and_blocking_is_named() -> None:
    """Statistics tell where texts were counted, and what blocked the loop at which line."""
    count_tokens("the tokenizer is built", "gpt-4o")
    with Async(AsyncOptions(min_characters=1000)).activate() as statistics:
        assert await count_tokens_async("word " * 10, "gpt-4o") == 11
        assert await count_tokens_async("word " * 1000, "gpt-4o") == 1001
        time.sleep(0)
    seen = statistics()
    assert (seen["offloaded"], seen["inline"]) == (1, 1)
    assert seen["blocking_calls"] == 1
    assert "test_long_counts_are_offloaded_and_blocking_is_named (time.sleep)" in str(seen["blocking_places"])
    assert "test_async.py:" in str(seen["blocking_places"])
    assert float(seen["longest_block_ms"]) > 0


async def test_nothing_blocks_when_nothing_blocks() -> None:
    """Counting in threads is no blocking of the loop."""
    count_tokens("the tokenizer is built", "gpt-4o")
    with Async(AsyncOptions(min_characters=1000, blocking_threshold_ms=60_000)).activate() as statistics:
        await count_tokens_async("word " * 5000, "gpt-4o")
    assert (statistics()["blocking_calls"], statistics()["blocking_places"]) == (0, "")


async def test_attached_it_only_offloads() -> None:
    """Around each run of somebody's program counting is offloaded, and the event loop is left alone."""
    run = asyncio.events.Handle._run
    with Async(AsyncOptions(min_characters=0)).attach() as offload:
        assert asyncio.events.Handle._run is run
        await count_tokens_async("hello world", "gpt-4o")
    assert isinstance(offload, Offload)
    assert offload.offloaded == 1
