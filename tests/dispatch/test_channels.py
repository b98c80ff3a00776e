"""Tests of a run's channels."""

from __future__ import annotations

import copy
import logging
import operator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph._internal._typing import MISSING
from langgraph.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.pregel._algo import PregelTaskWrites, apply_writes, increment, local_read
from langgraph.pregel._io import read_channels

from optiflow.dispatch.channels import Channels, apply, reader


def fresh() -> dict[str, Any]:
    """A channel of each kind."""
    return {
        "last": LastValue(int, "last"),
        "branch": EphemeralValue(int, guard=False),
        "sum": BinaryOperatorAggregate(int, operator.add),
        "topic": Topic(int),
        "any": AnyValue(int),
        "barrier": NamedBarrierValue(str, {"a", "b"}),
        "late": LastValueAfterFinish(int),
        "hidden": UntrackedValue(int),
        "second": LastValue(int, "second"),
    }


VALUES = {"barrier": st.sampled_from("ab")}
WRITES = st.lists(
    st.sampled_from([*fresh(), "__no_writes__"]).flatmap(
        lambda key: st.tuples(st.just(key), VALUES.get(key, st.integers(0, 9)))
    ),
    max_size=5,
    unique_by=lambda write: write[0],
)
TASKS = st.lists(
    st.tuples(st.sampled_from("abc"), WRITES, st.lists(st.sampled_from(["branch", "late", "barrier"]), max_size=2)),
    max_size=3,
    unique_by=lambda task: task[0],
)
TRIGGERED: Any = {"branch": ["a"], "late": ["b"], "barrier": ["c"]}


def checkpoint() -> Any:
    """Versions, as a checkpoint keeps them."""
    return {"channel_versions": {"last": 1, "branch": 2}, "versions_seen": {}}


def value_of(channel: Any) -> Any:
    """What a channel holds, available or not."""
    value = channel.checkpoint()
    return "nothing" if value is MISSING else copy.deepcopy(value)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(TASKS, min_size=1, max_size=6))
def test_steps_change_what_they_change_in_langgraph(steps: list[Any]) -> None:
    """Versions, values, availability and what triggers the next step are the same after every step."""
    plain, lean = fresh(), Channels(fresh(), checkpoint()["channel_versions"])
    before, after = checkpoint(), checkpoint()
    keys = ("last", "sum", "second")
    for step in steps:
        tasks = [PregelTaskWrites(("p", name), name, writes, triggers) for name, writes, triggers in step]
        try:
            expected = apply_writes(before, plain, tasks, increment, TRIGGERED)
        except Exception as error:  # noqa: BLE001 - whatever LangGraph raises
            with pytest.raises(type(error)):
                apply(after, lean, tasks, increment, TRIGGERED)
            return
        assert apply(after, lean, tasks, increment, TRIGGERED) == expected
        assert after == before
        assert {key: value_of(lean[key]) for key in lean} == {key: value_of(plain[key]) for key in plain}
        read = lean.read(keys)
        assert read is not None
        assert [*read.items()] == [*read_channels(plain, keys).items()]
        assert lean.read(("last", "topic")) is None


@settings(max_examples=40, deadline=None)
@given(first=WRITES, writes=WRITES, select=st.lists(st.sampled_from([*fresh()]), unique=True), is_fresh=st.booleans())
def test_a_router_reads_what_it_reads_in_langgraph(first: Any, writes: Any, select: Any, is_fresh: bool) -> None:
    """The state with the writes of the router's own node, in the same order; the channels stay as they are."""
    lean = Channels(fresh(), {})
    apply(checkpoint(), lean, [PregelTaskWrites((), "input", first, ["x"])], increment, TRIGGERED)
    task = PregelTaskWrites((), "a", writes, ())
    held = {key: value_of(lean[key]) for key in lean}
    expected = local_read(None, dict(lean), {}, task, select, is_fresh)  # type: ignore[arg-type]
    seen = reader(None, lean, {}, task)(select, is_fresh)
    assert [*seen.items()] == [*expected.items()]
    assert {key: value_of(lean[key]) for key in lean} == held


def test_a_router_may_read_one_channel_or_a_managed_value() -> None:
    """Those LangGraph reads itself."""
    lean = Channels(fresh(), {})
    lean["last"].update([3])
    managed = {"left": SimpleNamespace(get=lambda scratchpad: 7)}
    read = reader(None, lean, managed, PregelTaskWrites((), "a", [("last", 4)], ()))
    assert read("last", True) == 4
    assert read(["last", "left"], True) == {"last": 4, "left": 7}


def test_plain_channels_are_left_to_langgraph() -> None:
    """Nothing is known of what changed them before."""
    channels = fresh()
    assert apply(checkpoint(), channels, [], None, {}) == set()
    assert apply(checkpoint(), channels, [PregelTaskWrites((), "a", [("last", 1)], ["x"])], increment, {}) == {"last"}


def test_a_write_to_an_unknown_channel_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """With LangGraph's own warning."""
    lean = Channels(fresh(), {})
    task = PregelTaskWrites(("p",), "a", [("nothing", 1)], ())
    with caplog.at_level(logging.WARNING):
        assert apply(checkpoint(), lean, [task], increment, {}) == set()
        apply_writes(checkpoint(), fresh(), [task], increment, {})
    assert len(caplog.messages) == 2
    assert caplog.messages[0] == caplog.messages[1]


def test_what_is_read_belongs_to_the_reader() -> None:
    """A node that changes its state's dictionary changes nobody else's."""
    lean = Channels(fresh(), {})
    lean["last"].update([1])
    first = lean.read(("last",))
    assert first == {"last": 1}
    first["last"] = 2
    assert lean.read(("last",)) == {"last": 1}
