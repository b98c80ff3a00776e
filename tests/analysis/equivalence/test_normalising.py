from __future__ import annotations

import json
import math
import uuid
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel

from optiflow.analysis.equivalence.normalising import Normaliser

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


class Model(BaseModel):
    name: str = "m"
    inner: list[int] = [1]


@dataclass
class Data:
    name: str = "d"


class Plain:
    def __init__(self) -> None:
        self.held = 1


class Empty:
    __slots__ = ()


class Word(str):
    pass


Pair = namedtuple("Pair", "left right")


@given(JSON)
def test_json_stays_as_it_is(value: Any) -> None:
    """A JSON value is its own normal form."""
    assert Normaliser().value(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (Word("text"), "text"),
        (math.nan, {"~float": "nan"}),
        (-math.inf, {"~float": "-inf"}),
        ((1, "a"), {"~tuple": [1, "a"]}),
        ({"b", "a"}, {"~set": ["a", "b"]}),
        (b"ab", {"~bytes": {"base64": "YWI="}}),
        ({1: "a"}, {"~int:1": "a"}),
        (Colour.RED, {"~Colour": "Colour.RED"}),
        (Level.HIGH, {"~Level": "Level.HIGH"}),
        (Model(), {"~Model": {"name": "m", "inner": [1]}}),
        (Data(), {"~Data": {"name": "d"}}),
        (Pair(1, 2), {"~Pair": {"left": 1, "right": 2}}),
        (Plain(), {"~Plain": {"held": 1}}),
        (Interrupt("why", id="x"), {"~Interrupt": {"value": "why"}}),
        (Send("node", {"a": 1}), {"~Send": {"node": "node", "arg": {"a": 1}}}),
        (Overwrite([1]), {"~Overwrite": {"value": [1]}}),
        (ValueError("no"), {"~ValueError": "no"}),
    ],
)
def test_kinds_of_values_stay_apart(value: Any, expected: Any) -> None:
    """What is no JSON becomes its type and what it holds."""
    assert Normaliser().value(value) == expected


def test_a_class_and_a_function_are_their_names() -> None:
    """Things with a name are not looked into."""
    assert Normaliser().value(Data) == {"~type": f"{__name__}.Data"}
    assert Normaliser().value(math.sqrt) == {"~builtin_function_or_method": "math.sqrt"}


def test_an_object_that_holds_nothing_has_no_address() -> None:
    """Two runs make the object at different places."""
    one, other = Normaliser().value(Empty()), Normaliser().value(Empty())
    assert one == other
    assert "0x" not in json.dumps(one)


def test_a_command_keeps_its_parts() -> None:
    """A command is the update and the way that it names."""
    assert Normaliser().value(Command(goto="x", update={"a": 1})) == {
        "~Command": {"graph": None, "update": {"a": 1}, "resume": None, "goto": "x"}
    }


def test_a_value_inside_itself_ends() -> None:
    """A cycle becomes the number of levels up."""
    inside: list[Any] = [1]
    inside.append({"again": inside})
    assert Normaliser().value(inside) == [1, {"again": {"~cycle": 2}}]


def test_a_value_met_twice_is_no_cycle() -> None:
    """Only what is around a value makes a cycle, not what is beside it."""
    shared = [1]
    assert Normaliser().value([shared, shared]) == [[1], [1]]


def message_ids(messages: list[Any], normaliser: Normaliser) -> list[Any]:
    """The ids of messages in their normal form."""
    normal = normaliser.value(messages)
    assert isinstance(normal, list)
    return [next(iter(each.values()))["id"] for each in normal]


def test_random_message_ids_are_numbered_as_met() -> None:
    """The same id stays the same, another one another, whatever they are."""
    one, other = str(uuid.uuid4()), f"lc_run--{uuid.uuid4()}"
    messages = [HumanMessage("a", id=one), AIMessage("b", id=other), AIMessage("c", id=one)]
    assert message_ids(messages, Normaliser()) == ["#1", "#2", "#1"]


def test_numbers_go_on_from_value_to_value() -> None:
    """One normaliser keeps identities over all that it is given."""
    normaliser = Normaliser()
    first, second = HumanMessage("a", id=str(uuid.uuid4())), HumanMessage("b", id=str(uuid.uuid4()))
    assert message_ids([first], normaliser) == ["#1"]
    assert message_ids([second, first], normaliser) == ["#2", "#1"]


def test_ids_of_the_users_stay() -> None:
    """An id that is not random, or that came in from outside, is no accident."""
    mine = str(uuid.uuid4())
    messages = [HumanMessage("a", id="mine"), HumanMessage("b", id=mine), HumanMessage("c")]
    assert message_ids(messages, Normaliser(f"input {mine}")) == ["mine", mine, None]


def test_random_ids_can_be_dropped() -> None:
    """Whether a message under way has its id yet is an accident."""
    messages = [HumanMessage("a", id=str(uuid.uuid4())), HumanMessage("b", id="mine")]
    assert message_ids(messages, Normaliser(numbered=False)) == [None, "mine"]


def test_messages_keep_their_class_and_drop_what_is_empty() -> None:
    """A chunk is no message; empty fields say nothing."""
    assert Normaliser().value(AIMessageChunk("a", id="1")) == {"~AIMessageChunk": {"id": "1", "content": "a"}}


def test_ids_of_tool_calls_are_numbered_too() -> None:
    """A call and the message that answers it keep belonging together."""
    call = f"call_{'a1B2' * 6}"
    ask = AIMessage("", id="1", tool_calls=[{"name": "add", "args": {}, "id": call}])
    answer = ToolMessage("2", id="2", tool_call_id=call)
    chunk = AIMessageChunk(
        "", id="3", tool_call_chunks=[{"name": "add", "args": "{}", "id": call, "index": 0, "type": "tool_call_chunk"}]
    )
    normal = json.dumps(Normaliser().value([ask, answer, chunk]))
    assert call not in normal
    assert normal.count('"#1"') == 4


def test_texts_of_the_framework_lose_their_accidents() -> None:
    """Ids, addresses and durations in an error differ from run to run; the rest does not."""
    identifier = "0b7e7e3c-8c1f-4a53-9f0e-6a5f0c6f7e11"
    text = f"task {identifier} of <object at 0x7f00> took too long (elapsed: 0.021s)"
    assert Normaliser().text(text) == "task # of <object> took too long (elapsed)"
    assert identifier in Normaliser(identifier).text(text)
