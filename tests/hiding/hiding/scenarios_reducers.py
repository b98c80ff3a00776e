"""Graphs whose reducers and channels have code, or whose keys share a value."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import asyncio
import itertools
import operator
import random
import time
from collections.abc import Sequence
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels import EphemeralValue, LastValue, UntrackedValue
from langgraph.graph import add_messages
from langgraph.managed import RemainingSteps

from hiding.generator_parts import a_moving_place, a_shared_place, built
from hiding.models import LLM
from hiding.scene import Pair, Scene, scenario, state_of
from hiding.steps import asking, idle, resting, working


def in_place(old: Any, new: Any) -> Any:
    """A reducer that changes what it is given."""
    old = old if old is not None else []
    old.extend(new)
    return old


REDUCERS = (in_place, operator.iadd, lambda old, new: [old.extend(new), old][1])


@scenario
def two_keys_with_one_list(dice: random.Random, asynchronous: bool) -> Scene:
    def both(s: Any) -> Any:
        kept = [LLM.invoke("both").content]
        return {"a": kept, "held": kept}

    def sync(s: Any) -> Any:
        return {"k1": LLM.invoke("about k1").content, "a": ["x"]}

    async def asynchronous_one(s: Any) -> Any:
        return {"k1": (await LLM.ainvoke("about k1")).content, "a": ["x"]}

    nodes: list[Pair] = [(both, both), (sync, asynchronous_one), asking("k2", lambda s: len(s["held"]))]
    if dice.random() < 0.5:
        nodes.insert(2, asking("k3"))
    return built(state_of(4, a=Annotated[list, dice.choice(REDUCERS)]), nodes, asynchronous)


@scenario
def a_list_that_came_in_twice(dice: random.Random, asynchronous: bool) -> Scene:
    """The caller gives one list for two keys, and keeps it."""
    kept: list[str] = []

    def sync(s: Any) -> Any:
        return {"k1": LLM.invoke("about k1").content, "a": ["x"]}

    async def asynchronous_one(s: Any) -> Any:
        return {"k1": (await LLM.ainvoke("about k1")).content, "a": ["x"]}

    nodes: list[Pair] = [(sync, asynchronous_one), asking("k2", lambda s: len(s["held"])), asking("k3")]
    schema = state_of(4, a=Annotated[list, dice.choice(REDUCERS)])
    given = {"q": "question", "a": kept, "held": kept}
    return built(schema, nodes, asynchronous, input=given, after=lambda: kept)


@scenario
def a_list_inside_of_another_key(dice: random.Random, asynchronous: bool) -> Scene:
    def both(s: Any) -> Any:
        kept = [LLM.invoke("both").content]
        return {"a": kept, "held": {"rows": kept}}

    def sync(s: Any) -> Any:
        return {"k1": LLM.invoke("about k1").content, "a": ["x"]}

    async def asynchronous_one(s: Any) -> Any:
        return {"k1": (await LLM.ainvoke("about k1")).content, "a": ["x"]}

    nodes: list[Pair] = [(both, both), (sync, asynchronous_one), asking("k2", lambda s: len(s["held"]["rows"]))]
    return built(state_of(4, a=Annotated[list, dice.choice(REDUCERS)]), nodes, asynchronous)


@scenario
def one_list_in_a_state_and_outside(dice: random.Random, asynchronous: bool) -> Scene:
    """What reducers change in place is the application's own list."""
    outside: list[str] = []

    def first(s: Any) -> Any:
        return {"a": outside}

    def sync(s: Any) -> Any:
        return {"k1": LLM.invoke("about k1").content, "a": ["x"]}

    async def asynchronous_one(s: Any) -> Any:
        return {"k1": (await LLM.ainvoke("about k1")).content, "a": ["x"]}

    OUTSIDE = outside  # noqa: N806
    nodes: list[Pair] = [(first, first), (sync, asynchronous_one), asking("k2", lambda s: len(OUTSIDE))]
    return built(state_of(3, a=Annotated[list, in_place]), nodes, asynchronous, after=lambda: len(outside))


@scenario
def a_reducer_that_numbers(dice: random.Random, asynchronous: bool) -> Scene:
    numbers = itertools.count(1)

    def reduced(old: Any, new: Any) -> Any:
        return [*(old or []), f"{new}{next(numbers)}"]

    def writing(key: str) -> Pair:
        def sync(s: Any) -> Any:
            return {key: LLM.invoke(f"about {key}").content, "a": key}

        async def asynchronous_one(s: Any) -> Any:
            return {key: (await LLM.ainvoke(f"about {key}")).content, "a": key}

        return sync, asynchronous_one

    nodes = [writing("k0"), writing("k1"), asking("k2", lambda s: list(s["a"]), lambda s: next(numbers)), writing("k3")]
    return built(state_of(4, a=Annotated[list, reduced]), nodes, asynchronous)


@scenario
def a_reducer_that_looks_elsewhere(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    def reduced(old: Any, new: Any) -> Any:
        return [*(old or []), new, look(None)]

    def sync(s: Any) -> Any:
        return {"k0": LLM.invoke("about k0").content, "a": "x"}

    async def asynchronous_one(s: Any) -> Any:
        return {"k0": (await LLM.ainvoke("about k0")).content, "a": "x"}

    nodes: list[Pair] = [(sync, asynchronous_one), asking("k1", lambda s: look(None)), asking("k2", lambda s: s["a"])]
    return built(state_of(3, a=Annotated[list, reduced]), nodes, asynchronous, during=shared.during)


@scenario
def a_channel_with_code(dice: random.Random, asynchronous: bool) -> Scene:
    numbers = itertools.count(1)
    updates: list[int] = []

    class Counting(LastValue[Any]):
        def update(self, values: Sequence[Any]) -> bool:
            if values:
                updates.append(next(numbers))
            return super().update(values)

    class Tagging(LastValue[Any]):
        def get(self) -> Any:
            return f"{super().get()} {len(updates)}"

    kind = dice.choice((Counting, Tagging))

    def sync(s: Any) -> Any:
        return {"k0": LLM.invoke("about k0").content, "a": "x"}

    async def asynchronous_one(s: Any) -> Any:
        return {"k0": (await LLM.ainvoke("about k0")).content, "a": "x"}

    UPDATES = updates  # noqa: N806
    nodes: list[Pair] = [
        (sync, asynchronous_one), asking("k1", lambda s: len(UPDATES)), asking("k2", lambda s: s.get("a")),
    ]  # fmt: skip
    return built(state_of(3, a=Annotated[Any, kind]), nodes, asynchronous, input={"q": "question", "a": "start"})


@scenario
def values_of_one_step(dice: random.Random, asynchronous: bool) -> Scene:
    kind = dice.choice((EphemeralValue, UntrackedValue))

    def sync(s: Any) -> Any:
        return {"k0": LLM.invoke("about k0").content, "a": "x"}

    async def asynchronous_one(s: Any) -> Any:
        return {"k0": (await LLM.ainvoke("about k0")).content, "a": "x"}

    nodes: list[Pair] = [
        (sync, asynchronous_one), asking("k1", lambda s: s.get("a")), asking("k2", lambda s: s.get("a")),
    ]  # fmt: skip
    return built(state_of(3, a=Annotated[Any, kind]), nodes, asynchronous)


@scenario
def steps_that_remain(dice: random.Random, asynchronous: bool) -> Scene:
    nodes = [asking("k0"), asking("k1", lambda s: s["left"]), resting("k2", lambda s: s["left"])]
    return built(state_of(3, left=RemainingSteps), nodes, asynchronous)


@scenario
def messages_that_are_replaced(dice: random.Random, asynchronous: bool) -> Scene:
    def saying(key: str, number: str) -> Pair:
        def sync(s: Any) -> Any:
            return {key: 1, "messages": [AIMessage(LLM.invoke(key).content, id=number)]}

        async def asynchronous_one(s: Any) -> Any:
            return {key: 1, "messages": [AIMessage((await LLM.ainvoke(key)).content, id=number)]}

        return sync, asynchronous_one

    nodes = [
        saying("k0", "1"),
        saying("k1", dice.choice("12")),
        asking("k2", lambda s: len(s["messages"])),
        saying("k3", "1"),
    ]
    schema = state_of(4, messages=Annotated[list[AnyMessage], add_messages])
    return built(schema, nodes, asynchronous, input={"q": "question", "messages": [HumanMessage("hi", id="0")]})


@scenario
def a_value_that_a_later_node_changes_in_place(dice: random.Random, asynchronous: bool) -> Scene:
    """The nodes change what the state holds, hidden behind a helper."""

    def add(rows: Any) -> int:
        rows.append(1)
        return len(rows)

    look = dice.choice((lambda s: add(s["rows"]), lambda s: operator.iadd(s["rows"], [1]) and len(s["rows"])))
    nodes = [asking("k0", lambda s: len(s["rows"]), look), asking("k1", lambda s: len(s["rows"])), resting("k2", look)]
    return built(state_of(3, rows=list), nodes, asynchronous, input={"q": "question", "rows": []})


@scenario
def a_closure_of_two_nodes(dice: random.Random, asynchronous: bool) -> Scene:
    """The first node leaves something behind for the third, through any hiding place."""
    shared = a_moving_place(dice)
    look, move = shared.look, shared.move
    assert move is not None
    nodes = [
        dice.choice((asking, resting))("k0", idle, lambda s: str(move()) and None),
        dice.choice((asking, resting))("k1"),
        asking("k2", lambda s: look(None)),
        working("k3", lambda s: look(None)),
    ]
    return built(state_of(4), nodes, asynchronous, during=shared.during)


@scenario
def an_event_of_the_loop(dice: random.Random, asynchronous: bool) -> Scene:
    """Nodes that signal each other as coroutines do."""
    ready, jobs = asyncio.Event(), asyncio.Queue[int]()

    def first(s: Any) -> Any:
        ready.set()
        jobs.put_nowait(1)

    nodes = [asking("k0", last=first), asking("k1", lambda s: [ready.is_set(), jobs.qsize()]), resting("k2")]
    return built(state_of(3), nodes, asynchronous)


@scenario
def nodes_that_only_wait(dice: random.Random, asynchronous: bool) -> Scene:
    """An empty update, and an update of nothing new."""

    def nothing(s: Any) -> Any:
        time.sleep(0.004)

    async def anothing(s: Any) -> Any:
        await asyncio.sleep(0.004)

    nodes: list[Pair] = [asking("k0"), (nothing, anothing), asking("k1", lambda s: s["k0"]), asking("k2")]
    return built(state_of(3), nodes, asynchronous)
