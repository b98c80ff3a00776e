"""Graphs of other shapes: routers, loops, graphs in graphs, runnables as nodes."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableLambda
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy

from hiding.generator_parts import a_moving_place, a_shared_place, heard
from hiding.models import LLM
from hiding.scene import Lab, Scene, chain, scenario, state_of
from hiding.steps import asking, idle, resting, working


@scenario
def a_router_that_looks(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    def route(s: Any) -> str:
        return "left" if len(str(look(None))) % 2 else "right"

    builder: Any = StateGraph(state_of(4))
    parts = {
        "n0": asking("k0", idle, lambda s: look(None)),
        "n1": asking("k1", lambda s: look(None)),
        "left": asking("k2", lambda s: look(None)),
        "right": resting("k3", lambda s: look(None)),
        "end": working("out", lambda s: look(None)),
    }
    for name, pair in parts.items():
        builder.add_node(name, pair[asynchronous])
    builder.add_edge(START, "n0")
    builder.add_edge("n0", "n1")
    builder.add_conditional_edges("n1", route, ["left", "right"])
    builder.add_edge("left", "end")
    builder.add_edge("right", "end")
    builder.add_edge("end", END)
    return Scene(builder, {"q": "question"}, during=shared.during, after=lambda: look(None))


@scenario
def a_branch_that_is_not_taken(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice) if dice.random() < 0.6 else a_moving_place(dice)
    look, move = shared.look, shared.move or idle_move
    lab = Lab()
    if dice.random() < 0.5:
        lab.callbacks.append(heard(lab.log))

    def route(s: Any) -> str:
        return "right" if s["k0"] else "left"

    def touch(s: Any) -> str:
        return f"{look(None)}{move() and None}"

    builder: Any = StateGraph(state_of(4))
    parts = {
        "n0": asking("k0", idle, lambda s: look(None)), "left": asking("k1", lambda s: look(None), touch),
        "right": asking("k2", lambda s: look(None)), "end": asking("k3", lambda s: look(None)),
    }  # fmt: skip
    for name, pair in parts.items():
        builder.add_node(name, pair[asynchronous])
    builder.add_edge(START, "n0")
    builder.add_conditional_edges("n0", route, ["left", "right"])
    builder.add_edge("left", "end")
    builder.add_edge("right", "end")
    builder.add_edge("end", END)
    return Scene(builder, {"q": "question"}, lab, during=shared.during, after=lambda: look(None))


def idle_move() -> None:
    """Changes nothing."""


@scenario
def a_loop_that_looks(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    rounds = itertools.count(1)

    def again(s: Any) -> str:
        return "n0" if next(rounds) < 3 else END

    builder: Any = StateGraph(state_of(3))
    nodes = [asking("k0", idle, lambda s: look(None)), asking("k1", lambda s: look(None)), resting("k2")]
    before = START
    for number, pair in enumerate(nodes):
        builder.add_node(f"n{number}", pair[asynchronous])
        builder.add_edge(before, f"n{number}")
        before = f"n{number}"
    builder.add_conditional_edges("n2", again, ["n0", END])
    return Scene(builder, {"q": "question"}, during=shared.during)


@scenario
def a_graph_in_a_graph(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    inner = chain(
        state_of(4), [pair[asynchronous] for pair in (asking("k1"), asking("k2", lambda s: look(None)))]
    ).compile()
    builder: Any = StateGraph(state_of(5))
    builder.add_node("n0", asking("k0", idle, lambda s: look(None))[asynchronous])
    builder.add_node("inner", inner)
    builder.add_node("n3", asking("k3", lambda s: look(None))[asynchronous])
    builder.add_node("n4", resting("k4", lambda s: look(None))[asynchronous])
    for one, other in itertools.pairwise((START, "n0", "inner", "n3", "n4", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, during=shared.during)


@scenario
def branches_that_join(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    builder: Any = StateGraph(state_of(6))
    parts = [
        asking("k0"),
        asking("k1"),
        resting("k2"),
        asking("k3", idle, lambda s: look(None)),
        asking("k4", lambda s: look(None)),
        resting("k5", lambda s: look(None)),
    ]
    for number, pair in enumerate(parts):
        builder.add_node(f"n{number}", pair[asynchronous])
    builder.add_edge(START, "n0")
    builder.add_edge("n0", "n1")
    builder.add_edge("n0", "n2")
    builder.add_edge(["n1", "n2"], "n3")
    builder.add_edge("n3", "n4")
    builder.add_edge("n4", "n5")
    # Which of two branches is told first is chance.
    streamed = ("values",)
    return Scene(builder, {"q": "question"}, during=shared.during, streamed=streamed, after=lambda: look(None))


@scenario
def objects_as_nodes(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    class Node:
        def __init__(self, key: str) -> None:
            self.key = key

        def __call__(self, s: Any) -> Any:
            return {self.key: [look(None), LLM.invoke("about it").content]}

        def work(self, s: Any) -> Any:
            return {self.key: [look(None), LLM.invoke("about it").content]}

    def bound(key: str, s: Any) -> Any:
        return {key: [look(None), LLM.invoke("about it").content]}

    def kinds(key: str) -> Any:
        return dice.choice((
            Node(key), Node(key).work, functools.partial(bound, key), RunnableLambda(functools.partial(bound, key)),
            RunnableLambda(lambda s: s["q"]) | RunnableLambda(lambda q: {key: [look(None), LLM.invoke(q).content]}),
        ))  # fmt: skip

    builder: Any = StateGraph(state_of(3))
    for number in range(3):
        builder.add_node(f"n{number}", kinds(f"k{number}"))
    for one, other in itertools.pairwise((START, "n0", "n1", "n2", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, during=shared.during)


def decorated(function: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(s: Any) -> Any:
        seen.append("before")
        made = function(s)
        return {**made, "held": len(seen)}

    return inner


@scenario
def nodes_with_a_decorator(dice: random.Random, asynchronous: bool) -> Scene:
    seen: list[str] = []
    builder = chain(state_of(3), [decorated(asking(f"k{number}")[0], seen) for number in range(3)])
    return Scene(builder, {"q": "question"}, after=lambda: seen, judged=lambda state: str(state))


@scenario
def a_node_cache_with_a_counting_key(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    def key(*args: Any, **named: Any) -> str:
        return str(look(None))

    builder: Any = StateGraph(state_of(3))
    pairs = (asking("k0", lambda s: look(None)), asking("k1"), asking("k2", lambda s: look(None)))
    for number, pair in enumerate(pairs):
        policy = CachePolicy(key_func=key) if number == 1 else None
        builder.add_node(f"n{number}", pair[asynchronous], cache_policy=policy)
    for one, other in itertools.pairwise((START, "n0", "n1", "n2", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, Lab(compiling={"cache": InMemoryCache()}), during=shared.during)
