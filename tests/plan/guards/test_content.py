"""The content of plain data: taken down, compared, and refused where code could hide."""

from __future__ import annotations

import copy
import datetime
import enum
from collections import OrderedDict, defaultdict, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage

from optiflow.plan.guards.content import MOST, is_plain, take_down

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text() | st.binary()
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)


def content_of(value: Any) -> Any:
    """The content of a value that is plain."""
    content = take_down(value)
    assert content is not None
    return content


@given(PLAIN)
def test_a_value_has_its_own_content_and_so_has_a_copy(value: Any) -> None:
    """Of JSON-like data of any shape; NaN, which equals nothing, is compared by identity."""
    assert content_of(value).holds(value)
    assert content_of(value).holds(copy.deepcopy(value))


@given(st.lists(PLAIN, min_size=1, max_size=4), PLAIN, st.data())
def test_a_change_in_place_is_noticed(value: list[Any], other: Any, data: st.DataObject) -> None:
    """Wherever in a list another value is put, the content holds only if it is the same value of the same type."""
    content = content_of(value)
    at = data.draw(st.integers(0, len(value) - 1))
    same = content_of(value[at]).holds(other)
    value[at] = other
    assert content.holds(value) == same
    value.append(None)
    assert not content.holds(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        ("a", b"a"),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 2}),
        ({1}, frozenset({1})),
        (bytearray(b"a"), bytearray(b"b")),
        (datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 2)),
        (HumanMessage("a", id="1"), HumanMessage("a", id="2")),
        (AIMessage("a"), HumanMessage("a")),
        (Document("a", metadata={"n": 1}), Document("a", metadata={"n": 2})),
    ],
)
def test_types_order_and_values_count(one: Any, other: Any) -> None:
    """What Python may call equal is another content where a node could tell."""
    assert content_of(one).holds(one)
    assert not content_of(one).holds(other)


class Text(str):
    """A subclass of a builtin."""


class Zone(datetime.tzinfo):
    """A time zone with code of its own."""


class Colour(enum.Enum):
    """A member with code behind it."""

    RED = "red"

    @property
    def label(self) -> str:
        """Computed when asked for."""
        return str(self)


class Holder:
    """An ordinary object."""


class MyMessage(HumanMessage):
    """A message class of the application's, with code of its own."""

    @property
    def label(self) -> str:
        """Computed when asked for."""
        return str(self)


@pytest.mark.parametrize(
    "value",
    [
        Text("a"),
        [Text("a")],
        {"a": Text("b")},
        defaultdict(list),
        OrderedDict(),
        deque([1]),
        iter([1]),
        Holder(),
        {"a": [Holder()]},
        {Holder()},
        MyMessage("a"),
        Colour.RED,
        datetime.datetime(2026, 1, 1, tzinfo=Zone()),
        lambda: None,
        list(range(MOST + 1)),
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_run_code_or_is_too_large_is_not_plain(value: Any) -> None:
    """Subclasses, objects, iterators, and whatever takes long to look at."""
    assert take_down(value) is None
    assert not is_plain(value)


def test_a_value_that_contains_itself_is_not_plain() -> None:
    """Looking into it ends."""
    value: list[Any] = []
    value.append(value)
    assert take_down(value) is None


def test_nothing_of_a_value_is_asked() -> None:
    """Neither taking down nor comparing runs any method of the value's class."""
    asked: list[str] = []

    class Curious:
        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            return object.__getattribute__(self, name)

        def __eq__(self, other: object) -> bool:
            asked.append("==")
            return True

        def __hash__(self) -> int:
            asked.append("hash")
            return 0

        def __len__(self) -> int:
            asked.append("len")
            return 0

        def __repr__(self) -> str:
            asked.append("repr")
            return ""

    curious = Curious()
    assert take_down([curious]) is None
    content = take_down([curious], objects=True)
    assert content is not None
    assert content.holds([curious])
    assert not content.holds([Curious()])
    assert not asked


def test_a_class_whose_code_was_followed_is_looked_into() -> None:
    """Its attributes are its content, by exact class."""

    class Item:
        def __init__(self, name: str) -> None:
            self.name = name

    class Other(Item):
        pass

    item = Item("a")
    content = take_down(item, (Item,))
    assert content is not None
    assert content.holds(Item("a"))
    assert not content.holds(Other("a"))
    item.name = "b"
    assert not content.holds(item)
    assert take_down(Other("a"), (Item,)) is None


def test_slots_are_part_of_the_content() -> None:
    """Filled and empty ones."""

    class Slotted:
        __slots__ = ("a", "b")

    one = Slotted()
    one.a = [1]  # type: ignore[attr-defined]
    content = take_down(one, (Slotted,))
    assert content is not None
    assert content.holds(one)
    one.b = 2  # type: ignore[attr-defined]
    assert not content.holds(one)
