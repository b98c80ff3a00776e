"""One difference, and whether two values are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.analysis.differences.difference import ABSENT, Difference, canonical, same

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON, JSON)
def test_the_same_is_told_by_the_text_too(one: Any, other: Any) -> None:
    """Types and the order of keys count, for the walk over two values and for their texts."""
    assert same(one, one)
    assert same(one, other) == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([1], [1, 2]), ([1], {"a": 1})]
)
def test_what_python_holds_equal_may_differ(one: Any, other: Any) -> None:
    """A type, an order, a length is a difference."""
    assert not same(one, other)


def test_a_difference_reads_in_one_line() -> None:
    """Where, what it was, what it became; long values are cut."""
    assert str(Difference("turn 1 output.x", {"a": "é"}, ABSENT)) == 'turn 1 output.x: {"a": "é"} became (nothing)'
    assert len(str(Difference("x", "a" * 500, "b" * 500))) < 250
