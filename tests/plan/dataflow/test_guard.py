"""A guarded state gives what was to be read, and notices everything else."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.dataflow.guard import Guard
from optiflow.plan.dataflow.seam import NotAheadError
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan


class Model(BaseModel):
    """State as a pydantic model; ``b`` has to be there."""

    a: int = 0
    b: int
    c: int = 0

    @property
    def both(self) -> int:
        """Two fields at once."""
        return self.a + self.b


@dataclass
class Data:
    """State as a dataclass."""

    a: int = 0
    b: int = 0
    c: int = 0


@dataclass(frozen=True, slots=True)
class Slotted:
    """State as a frozen dataclass without ``__dict__``."""

    a: int = 0
    b: int = 0


def test_a_guarded_mapping_gives_the_rest() -> None:
    """Keys that are not withheld are there, and are what they were."""
    guard = Guard("node", frozenset({"a"}))
    state = guard.over({"a": 1, "b": 2})
    assert state["b"] == state.get("b") == 2
    assert "b" in state
    assert state.get("d", 4) == 4
    assert not guard.tripped


WHOLE: list[Callable[[Any], Any]] = [
    lambda state: state["a"],
    lambda state: state.get("a", 1),
    lambda state: "a" in state,
    lambda state: {**state},
    dict,
    list,
    len,
    str,
    lambda state: state == {},
    lambda state: state | {},
    lambda state: state.items(),
    lambda state: state.copy(),
    copy.copy,
    copy.deepcopy,
    json.dumps,
    lambda state: state.pop("b"),
    lambda state: f"{state}",
    lambda state: (lambda **keys: keys)(**state),
]


@pytest.mark.parametrize("read", WHOLE)
def test_a_guarded_mapping_notices_reads(read: Callable[[Any], Any]) -> None:
    """A withheld key, or everything at once, by whatever way."""
    guard = Guard("node", frozenset({"a"}))
    with pytest.raises(NotAheadError, match="before its turn"):
        read(guard.over({"a": 1, "b": 2}))
    assert guard.tripped


@pytest.mark.parametrize("state", [Model(a=1, b=2), Data(1, 2), Slotted(1, 2)])
def test_a_guarded_object_is_still_of_its_class(state: Any) -> None:
    """Fields that are not withheld are there; a withheld one is noticed."""
    guard = Guard("node", frozenset({"a"}))
    guarded = guard.over(state)
    assert isinstance(guarded, type(state))
    assert type(guarded).__name__ == type(state).__name__
    assert guarded.b == 2
    assert not guard.tripped
    with pytest.raises(NotAheadError, match="'a'"):
        _ = guarded.a
    assert guard.tripped


@pytest.mark.parametrize(
    ("state", "read"),
    [
        (Model(a=1, b=2), lambda state: state.model_dump()),
        (Model(a=1, b=2), lambda state: state.both),
        (Model(a=1, b=2), dict),
        (Model(a=1, b=2), repr),
        (Model(a=1, b=2), copy.copy),
        (Model(a=1, b=2), vars),
        (Data(1, 2), dataclasses.asdict),
        (Data(1, 2), lambda state: state == Data()),
        (Data(1, 2), repr),
    ],
)
def test_a_guarded_object_notices_reads_of_the_whole(state: Any, read: Callable[[Any], Any]) -> None:
    """Dumping, comparing, printing or copying an object reads all of it."""
    guard = Guard("node", frozenset({"a"}))
    with pytest.raises(NotAheadError):
        read(guard.over(state))
    assert guard.tripped


@pytest.mark.parametrize("schema", [Model, Data])
@pytest.mark.parametrize("lying", [False, True])
def test_state_as_an_object_overlaps(schema: Any, lying: bool) -> None:
    """Nodes on objects overlap; one that reads more than it declared gets the right value all the same."""
    seen: list[int] = []

    def slow(state: Any) -> dict[str, Any]:
        time.sleep(0.01)
        return {"a": 5}

    def quick(state: Any) -> dict[str, Any]:
        seen.append(state.b)
        return {"c": state.b + (state.a if lying else 0)}

    builder = StateGraph(schema)
    builder.add_node("slow", slow)
    builder.add_node("quick", quick)
    builder.add_edge(START, "slow")
    builder.add_edge("slow", "quick")
    builder.add_edge("quick", END)
    effects = {"slow": Effects.declared(set(), {"a"}), "quick": Effects.declared({"b"}, {"c"})}
    graph = Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder, effects=effects)).build()
    assert graph.invoke({"b": 2})["c"] == (7 if lying else 2)
    assert seen == ([2, 2] if lying else [2])


def test_a_field_that_is_not_there_yet_keeps_the_node_in_its_place() -> None:
    """A required field that an earlier node writes: the state can't be built ahead, so nothing starts ahead."""
    order: list[str] = []

    class Late(BaseModel):
        a: int = 0
        b: int
        c: int = 0

    class Input(BaseModel):
        a: int = 0

    def slow(state: Input) -> dict[str, Any]:
        time.sleep(0.01)
        order.append("slow")
        return {"b": 5}

    def quick(state: Late) -> dict[str, Any]:
        order.append("quick")
        return {"c": state.a}

    builder = StateGraph(Late, input_schema=Input)
    builder.add_node("slow", slow, input_schema=Input)
    builder.add_node("quick", quick)
    builder.add_edge(START, "slow")
    builder.add_edge("slow", "quick")
    effects = {"slow": Effects.declared(set(), {"b"}), "quick": Effects.declared({"a"}, {"c"})}
    plan = Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder, effects=effects))
    assert plan.decisions[1].action == "applied"
    assert plan.build().invoke({"a": 1}) == {"a": 1, "b": 5, "c": 1}
    assert order == ["slow", "quick"]
