from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.analysis.equivalence.difference import ABSENT, Difference, difference, first, sequence_difference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    """Equality is reflexive."""
    assert difference("x", value, value) is None


@given(JSON, JSON)
def test_different_values_differ_both_ways(one: Any, other: Any) -> None:
    """A difference is seen whichever comes first."""
    assert (difference("x", one, other) is None) == (difference("x", other, one) is None)


@pytest.mark.parametrize(
    ("one", "other", "path", "values"),
    [
        (1, 2, "x", (1, 2)),
        (1, True, "x", (1, True)),
        (1, 1.0, "x", (1, 1.0)),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "x.a[1].b", (2, 3)),
        ({"a": 1}, {}, "x.a", (1, ABSENT)),
        ({}, {"a": None}, "x.a", (ABSENT, None)),
        ([1], [1, 2], "x[1]", (ABSENT, 2)),
        ([1, 2], [1], "x[1]", (2, ABSENT)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "x (order of keys)", (["a", "b"], ["b", "a"])),
    ],
)
def test_the_first_difference_is_named(one: Any, other: Any, path: str, values: tuple[Any, Any]) -> None:
    """The path leads to the two values."""
    assert difference("x", one, other) == Difference(path, *values)


def test_sequences_may_be_tuples() -> None:
    """Any sequence of JSON values is compared item by item."""
    assert sequence_difference("x", (1, 2), [1, 2]) is None
    assert sequence_difference("x", (1,), []) == Difference("x[0]", 1, ABSENT)


def test_the_first_that_found_something_counts() -> None:
    """Comparisons that found nothing are passed over."""
    found = Difference("x", 1, 2)
    assert first(iter([None, found, Difference("y", 3, 4)])) == found
    assert first(iter([None])) is None


def test_a_difference_reads_in_one_line() -> None:
    """Where, what it was, what it became; long values are cut."""
    assert str(Difference("turn 1 output.x", {"a": "é"}, ABSENT)) == 'turn 1 output.x: {"a": "é"} became (nothing)'
    assert len(str(Difference("x", "a" * 500, "b" * 500))) < 250
