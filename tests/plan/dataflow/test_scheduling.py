"""Which nodes get a schedule, and the reason where they do not."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels import DeltaChannel, EphemeralValue, LastValue
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel, model_validator

from optiflow.optimizations.base import Decision
from optiflow.plan.dataflow import seam
from optiflow.plan.dataflow.folding import CannotFoldError, fold, same, stable
from optiflow.plan.dataflow.reducers import is_pure_reducer
from optiflow.plan.dataflow.schedule import Schedule, Stage
from optiflow.plan.dataflow.scheduling import overlap
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan


class State(TypedDict, total=False):
    """State with a key that is gone after a step."""

    a: int
    b: int
    c: int
    gone: Annotated[int, EphemeralValue]


async def wait(state: State) -> dict[str, Any]:
    """A node that waits and writes a."""
    await asyncio.sleep(0)
    return {"a": 1}


def decisions(
    builder: StateGraph[Any], effects: dict[str, Effects] | None = None, **options: Any
) -> dict[str, Decision]:
    """The decision for each node."""
    plan = overlap(GraphPlan.of(builder, effects=effects, compile_options=options), toggle="p", max_concurrency=8)
    assert {decision.toggle for decision in plan.decisions} == {"p"}
    return {decision.node: decision for decision in plan.decisions}


def pair(second: Any = wait, schema: Any = State, **options: Any) -> StateGraph[Any]:
    """Two nodes in a row."""
    builder = StateGraph(schema)
    builder.add_node("one", wait)
    builder.add_node("two", second, **options)
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    return builder


INDEPENDENT = {"one": Effects.declared(set(), {"a"}), "two": Effects.declared({"b"}, {"c"})}


def test_independent_nodes() -> None:
    """The second may start with the first, which has nothing before it."""
    found = decisions(pair(), INDEPENDENT)
    assert (found["two"].action, found["two"].reason) == ("applied", "starts when what it reads is ready: 'b'")
    assert "starts its chain" in found["one"].reason


def test_dependent_nodes() -> None:
    """The key that ties two nodes together is named."""
    found = decisions(pair(), {**INDEPENDENT, "two": Effects.declared({"a"}, {"c"})})
    assert found["two"].reason == "it needs 'a' from 'one' right before it"


def test_unknown_nodes() -> None:
    """What is not known about a node is said."""
    found = decisions(pair(), {**INDEPENDENT, "two": Effects.unknown("nobody knows")})
    assert (found["two"].action, found["two"].reason) == ("refused", "nobody knows")
    assert decisions(pair(), {**INDEPENDENT, "two": Effects.unknown("")})["two"].reason == "its effects are not known"


def test_fleeting_keys() -> None:
    """A key whose value is gone after a step can't be read ahead."""
    found = decisions(pair(), {**INDEPENDENT, "two": Effects.declared({"gone"}, {"c"})})
    assert "'gone', whose value changes from step to step" in found["two"].reason


def test_schemas_that_run_code() -> None:
    """A validator may compute one field from another."""

    class Checked(BaseModel):
        a: int = 0
        b: int = 0

        @model_validator(mode="after")
        def _check(self) -> Checked:
            return self

    @dataclass
    class Posted:
        a: int = 0
        b: int = 0

        def __post_init__(self) -> None:
            self.b = self.a

    for schema, name in ((Checked, "_check"), (Posted, "__post_init__")):
        effects = {"one": Effects.declared(set(), {"a"}), "two": Effects.declared({"b"}, {"b"})}
        builder = StateGraph(schema)
        builder.add_node("one", wait, input_schema=schema)
        builder.add_node("two", wait, input_schema=schema)
        builder.add_edge(START, "one")
        builder.add_edge("one", "two")
        assert name in decisions(builder, effects)["two"].reason


def test_a_graph_as_a_node() -> None:
    """Even with declared effects, a graph of its own keeps its turn, and its inside is decided about."""
    found = decisions(pair(pair().compile()), INDEPENDENT)
    assert "graph of its own" in found["two"].reason
    assert found["two.two"].action == "applied"


def test_stops_and_limits() -> None:
    """A breakpoint before the node, and a limit on a step's time."""
    assert "stops before it" in decisions(pair(), INDEPENDENT, interrupt_before="*")["two"].reason
    compiled = pair().compile()
    compiled.step_timeout = 1
    plan = overlap(GraphPlan.of(compiled, effects=INDEPENDENT), toggle="p", max_concurrency=8)
    assert all("limits the time of a step" in decision.reason for decision in plan.decisions)


def test_another_langgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LangGraph's own preparation of tasks is not as expected, nothing is scheduled."""
    monkeypatch.setattr(seam, "prepare_next_tasks", lambda checkpoint: {})
    assert "version of LangGraph" in decisions(pair(), INDEPENDENT)["two"].reason


def test_nothing_to_schedule() -> None:
    """No chain; a chain that never waits; one node at a time; an error handler; a deferred node."""
    alone = StateGraph(State)
    alone.add_node("one", wait)
    alone.add_edge(START, "one")
    assert "not part of a straight chain" in decisions(alone)["one"].reason

    def compute(state: State) -> dict[str, Any]:
        return {"b": 1}

    assert "nothing in its chain waits" in decisions(pair(compute))["two"].reason
    handled = pair(compute, error_handler=compute)
    assert "handle an error" in decisions(handled)["__error_handler__two"].reason
    assert "not part of a straight chain" in decisions(pair(defer=True), INDEPENDENT)["two"].reason
    plan = overlap(GraphPlan.of(pair(), effects=INDEPENDENT), toggle="p", max_concurrency=1)
    assert plan.finishers == ()


def test_computing_nodes_move_only_for_others() -> None:
    """A node that only computes starts early where a node that waits needs it, and not otherwise."""

    def compute(state: State) -> dict[str, Any]:
        return {"b": 1}

    async def other(state: State) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"c": state["b"]}

    builder = StateGraph(State)
    nodes = {"one": wait, "compute": compute, "other": other, "idle": compute}
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    found = decisions(builder)
    assert found["compute"].action == found["other"].action == "applied"
    assert "only computes" in found["idle"].reason


def test_a_circle_of_nodes_is_walked_once() -> None:
    """Chains may close into a circle, and may meet."""
    stages = {name: Stage(name, writes=frozenset({name}), early=True) for name in "xyz"}
    successor = {"x": "y", "y": "z", "z": "y"}
    schedule = Schedule(stages, successor, frozenset(), frozenset(), frozenset("xyz"), frozenset())
    assert list(schedule.path("x")) == ["y", "z"]
    assert schedule.gains == {"y", "z"}
    assert schedule.wrapped == {"x", "y", "z"}


def channel(hint: Any) -> Any:
    """The channel that LangGraph makes of an annotation."""

    class One(TypedDict):
        key: hint  # type: ignore[valid-type]

    One.__annotations__ = {"key": hint}
    return StateGraph(One).channels["key"]


def merged(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    """A pure reducer."""
    return {**left, **right}


def extended(left: list[int], right: list[int]) -> list[int]:
    """A reducer that changes its argument."""
    left.extend(right)
    return left


def test_pure_reducers() -> None:
    """Known ones and those whose code shows it; no others."""
    assert is_pure_reducer(channel(int))
    assert is_pure_reducer(channel(Annotated[list[int], operator.add]))
    assert is_pure_reducer(channel(Annotated[list[int], lambda left, right: left + right]))
    assert is_pure_reducer(channel(Annotated[dict[str, int], merged]))
    assert not is_pure_reducer(channel(Annotated[list[int], extended]))
    assert not is_pure_reducer(channel(Annotated[int, EphemeralValue]))


def test_folding_is_what_supersteps_do() -> None:
    """Writes of several nodes, each in a superstep of its own, on a copy."""
    numbers = channel(Annotated[list[int], operator.add])
    numbers.update([[1]])
    assert fold(numbers, [[[2]], [], [[3], [4]]]).get() == [1, 2, 3, 4]
    assert numbers.get() == [1]
    with pytest.raises(CannotFoldError):
        fold(channel(int), [[1, 2]])
    messages = channel(Annotated[list[Any], add_messages])
    with pytest.raises(CannotFoldError):
        fold(messages, [[[("user", "no message yet")]]])


def test_sameness() -> None:
    """Identity, else equal content of plain data; others' own notion where the application answers for it."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]

    odd = Odd()
    assert same(odd, odd, vouched=False)
    assert not same(odd, Odd(), vouched=True)
    assert same([1], [1], vouched=False)
    assert not same(1, True, vouched=True)
    asked: list[object] = []

    class Equal:
        def __eq__(self, other: object) -> bool:
            asked.append(other)
            return True

        __hash__ = None  # type: ignore[assignment]

    assert not same(Equal(), Equal(), vouched=False)
    assert not asked
    assert same(Equal(), Equal(), vouched=True)


def test_stable_channels() -> None:
    """Those that change only when written."""
    assert stable(LastValue(int))
    assert stable(DeltaChannel(lambda state, writes: state, list))
    assert not stable(EphemeralValue(int))
