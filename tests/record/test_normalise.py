"""The final state as JSON."""

from __future__ import annotations

import enum
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import Interrupt
from pydantic import BaseModel, ConfigDict, SecretStr

from optiflow.record.normalise import digest, first_difference, normalise


class Colour(enum.Enum):
    RED = 1


class Level(enum.StrEnum):
    HIGH = "high"


class Point(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: int
    tags: set[str] = set()


@dataclass
class Pair:
    left: Any
    right: Any


class Unknown:
    pass


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (float("inf"), "<inf>"),
        (float("nan"), "<nan>"),
        ("text", "text"),
        ("\ud800", "\\ud800"),
        (Colour.RED, "Colour.RED"),
        (Level.HIGH, "Level.HIGH"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (timedelta(minutes=1), {"seconds": 60.0}),
        (b"\x00\xff", {"base64": "AP8="}),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/a/b"), "/a/b"),
        (SecretStr("hunter2"), "***"),
        ((1, [2]), [1, [2]]),
        (deque([1, 2]), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        ({1: "a", "1": "b"}, {"<1>": "a", "1": "b"}),
        (Point(x=1, tags={"b", "a"}, more="y"), {"x": 1, "tags": ["a", "b"], "more": "y"}),
        (Pair(1, Pair(2, None)), {"left": 1, "right": {"left": 2, "right": None}}),
        (np.arange(3), {"array": [0, 1, 2]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value, normal):
    """Each kind of value has one JSON form."""
    assert normalise(value) == normal
    json.dumps(normalise(value), allow_nan=False)


def test_unknown_objects_have_no_address():
    """Two objects of an unknown type with the default repr are the same."""
    assert normalise(Unknown()) == normalise(Unknown())
    assert normalise(Unknown())["type"].endswith("Unknown")


def test_a_type_is_not_an_instance():
    """A dataclass type in the state is an object of its own, not a dataclass with fields."""
    assert "repr" in normalise(Pair)


def test_cycles_end():
    """What contains itself is cut where it does; what merely occurs twice is not."""
    loop: list[Any] = [1]
    loop.append(loop)
    shared = {"a": 1}
    assert normalise(loop) == [1, "<cycle>"]
    assert normalise([shared, shared]) == [{"a": 1}, {"a": 1}]


def conversation() -> list[Any]:
    """One conversation, with fresh random ids each time."""
    call = f"call_{uuid4().hex}"
    return [
        HumanMessage("q", id=str(uuid4()), name="ann"),
        AIMessage(
            [{"type": "text", "text": "let me see", "id": f"msg_{uuid4().hex}"}, "plain"],
            id=f"lc_run--{uuid4()}-0",
            tool_calls=[{"name": "search", "args": {"q": "x"}, "id": call}],
        ),
        ToolMessage("found", tool_call_id=call, id=str(uuid4()), status="error"),
        AIMessage("done", id="my-own-id"),
        AIMessage("no id"),
    ]


def test_messages():
    """Messages keep what was said and done; random ids are named in their order, others kept."""
    first, second, third, fourth, fifth = normalise(conversation())
    assert first == {"role": "human", "content": "q", "id": "id-1", "name": "ann"}
    assert second == {
        "role": "ai",
        "content": [{"type": "text", "text": "let me see", "id": "id-2"}, "plain"],
        "id": "id-3",
        "tool_calls": [{"name": "search", "args": {"q": "x"}, "id": "id-4"}],
    }
    assert third == {"role": "tool", "content": "found", "id": "id-5", "tool_call_id": "id-4", "status": "error"}
    assert fourth["id"] == "my-own-id"
    assert fifth == {"role": "ai", "content": "no id"}


def test_random_ids_make_no_difference():
    """Two runs that differ in random ids only have the same digest."""
    assert digest(normalise(conversation())) == digest(normalise(conversation()))


def test_the_same_id_twice_is_seen():
    """Two messages of one id differ from two messages of two ids."""
    same = str(uuid4())
    once = [AIMessage("a", id=same), AIMessage("b", id=same)]
    twice = [AIMessage("a", id=str(uuid4())), AIMessage("b", id=str(uuid4()))]
    assert normalise(once) != normalise(twice)


def test_interrupts():
    """An interrupt keeps its value; its random id is named."""
    assert normalise([Interrupt(value="go on?", id=uuid4().hex)]) == [{"interrupt": "go on?", "id": "id-1"}]


def test_ids_elsewhere_are_data():
    """An identifier in the user's own state is part of the answer."""
    identifier = str(uuid4())
    assert normalise({"user_id": identifier}) == {"user_id": identifier}


class TestDigest:
    def test_ignores_the_order_of_keys(self):
        """The order in which a state's keys were written does not matter."""
        assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})

    @pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": True}, {"b": 1}, {"a": [1]}])
    def test_tells_values_apart(self, other):
        """Another value, type or key is another digest."""
        assert digest({"a": 1}) != digest(other)


class TestFirstDifference:
    @pytest.mark.parametrize(
        ("a", "b", "says"),
        [
            ({"a": {"b": 1}}, {"a": {"b": 2}}, "$.a.b: 1 != 2"),
            ({"a": 1}, {"b": 1}, "$.a: 1 != (absent)"),
            ({}, {"b": None}, "$.b: (absent) != None"),
            ([1, 2, 3], [1, 5, 3], "$[1]: 2 != 5"),
            ([1], [1, 2], "$: 1 items != 2 items"),
            (1, True, "$: 1 != True"),
            (1, 1.0, "$: 1 != 1.0"),
            ("abc", "abd", "$: 'abc' != 'abd'"),
            ({"a": []}, {"a": {}}, "$.a: [] != {}"),
        ],
    )
    def test_says_where_and_what(self, a, b, says):
        """The path and both values are named."""
        assert first_difference(a, b) == says

    def test_long_texts_are_cut_to_the_difference(self):
        """Of long texts the part around the first difference is shown, within one line of the terminal."""
        difference = first_difference({"t": "x" * 500 + "one" + "y" * 500}, {"t": "x" * 500 + "two" + "y" * 500})
        assert difference is not None
        assert "one" in difference
        assert "two" in difference
        assert "from character 480" in difference
        assert len(difference) < 200

    def test_a_prefix_differs_at_its_end(self):
        """A text that goes on where the other ends differs there."""
        assert first_difference("ab", "abc") == "$: 'ab' != 'abc'"

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=10,
        )
    )
    def test_nothing_differs_from_itself(self, tree):
        """A tree equals its copy, and one in a list beside it is seen."""
        copy = json.loads(json.dumps(tree))
        assert first_difference(tree, copy) is None
        assert first_difference([tree], [copy, 1]) is not None
