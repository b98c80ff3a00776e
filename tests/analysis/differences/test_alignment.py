"""Which items of two lists belong together."""

from __future__ import annotations

from typing import Any

import pytest

from optiflow.analysis.differences.alignment import Alignment, align


@pytest.mark.parametrize(
    ("one", "other", "matched", "inserted"),
    [
        ([], [], {}, {}),
        (["t", "a", "b"], ["a", "b"], {1: "a", 2: "b"}, {}),
        (["a", "b"], ["t", "a", "b"], {0: "a", 1: "b"}, {0: ["t"]}),
        (["a", "b"], ["a", "t", "b", "u"], {0: "a", 1: "b"}, {1: ["t"], 2: ["u"]}),
        (["a", "b", "c"], ["x", "y"], {0: "x", 1: "y"}, {}),
        (["a"], ["x", "y"], {0: "x"}, {1: ["y"]}),
        (["#3", "#4"], ["#7", "#3", "#4"], {0: "#7", 1: "#3"}, {2: ["#4"]}),
    ],
)
def test_equal_items_and_then_the_earliest(one: list[Any], other: list[Any], matched: Any, inserted: Any) -> None:
    """Items in common hold the lists together; the numbers of ids tell nothing."""
    assert align(one, other) == Alignment(matched, inserted)


def test_changed_items_find_those_that_are_most_alike() -> None:
    """Every item bears a time stamp, so none is equal; what else they have in common tells."""
    one = [{"at": 1, "does": ["read", "x"]}, {"at": 2, "does": ["write", "y"]}]
    other = [{"at": 7, "does": ["wait"]}, {"at": 8, "does": ["read", "x"]}, {"at": 9, "does": ["write", "y"]}]
    assert align(one, other) == Alignment({0: other[1], 1: other[2]}, {0: [other[0]]})
    assert align(other, one) == Alignment({1: one[0], 2: one[1]}, {})


def test_very_long_lists_are_paired_in_their_order() -> None:
    """Where nothing is equal and looking at all pairs would take too long."""
    one, other = [f"a{n}" for n in range(100)], [f"b{n}" for n in range(101)]
    found = align(one, other)
    assert found.matched == dict(enumerate(other[:100]))
    assert found.inserted == {100: ["b100"]}
