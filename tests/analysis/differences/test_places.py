"""What runs of a baseline agree on is compared, also beside and within what they disagree on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.analysis.differences.difference import ABSENT, Difference, same
from optiflow.analysis.differences.places import Places

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=2),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


def places(optimized: Any, *baselines: Any) -> Places:
    """What is found in one value."""
    found = Places()
    found.value("x", baselines, optimized)
    return found


def paths(differences: list[Difference]) -> list[str]:
    """Where they are."""
    return [each.path for each in differences]


@given(JSON, JSON)
def test_values_differ_where_they_are_not_the_same(one: Any, other: Any) -> None:
    """Of one baseline every difference counts, and either way round there is one."""
    assert bool(places(one, other).differences) == bool(places(other, one).differences) == (not same(one, other))
    assert places(one, other).varying == ()


@given(JSON, JSON)
def test_a_run_of_the_baseline_is_no_difference_from_it(one: Any, other: Any) -> None:
    """Whatever two runs of the baseline gave, the optimized graph may give as well."""
    for given_twice in (one, other):
        assert places(given_twice, one, other).differences == []
    assert bool(places(one, one, other).varying) == (not same(one, other))


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (1, 2, [("x", 1, 2)]),
        (1, True, [("x", 1, True)]),
        ({"a": [1, {"b": 2}], "c": 1}, {"a": [1, {"b": 3}], "c": 2}, [("x.a[1].b", 2, 3), ("x.c", 1, 2)]),
        ({"a": 1}, {}, [("x.a", 1, ABSENT)]),
        ({}, {"a": None}, [("x.a", ABSENT, None)]),
        ([1, 3], [1, 2, 3], [("x[before 1]", ABSENT, 2)]),
        ([1], [1, 2, 3], [("x[1]", ABSENT, 2), ("x[2]", ABSENT, 3)]),
        ([1, 2], [1], [("x[1]", 2, ABSENT)]),
        ([1, 2, 3], [0, 2, 4], [("x[0]", 1, 0), ("x[2]", 3, 4)]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [("x (order of keys)", ["a", "b"], ["b", "a"])]),
    ],
)
def test_every_difference_is_named(one: Any, other: Any, found: list[tuple[str, Any, Any]]) -> None:
    """The path leads to the two values."""
    assert places(other, one).differences == [Difference(*each) for each in found]


def test_a_time_stamp_does_not_hide_a_difference() -> None:
    """The stamp comes first and differs in every run; what comes after it is wrong."""
    found = places({"at": 3, "sum": 5}, {"at": 1, "sum": 4}, {"at": 2, "sum": 4})
    assert found.differences == [Difference("x.sum", 4, 5)]
    assert found.own == [Difference("x.at", 1, 3)]
    assert found.varying == ("x.at",)


def test_what_varies_is_told_even_where_the_optimized_graph_happens_to_agree() -> None:
    """It equals the first run; nothing can be concluded from it."""
    found = places({"at": 1}, {"at": 1}, {"at": 2})
    assert (found.differences, found.own, found.varying) == ([], [], ("x.at",))


def test_a_varying_place_keeps_its_type() -> None:
    """Another time is plain's own, no time at all is not; nor is a missing key that every run has."""
    assert places({"at": None}, {"at": 1}, {"at": 2}).differences == [Difference("x.at", 1, None)]
    assert places({}, {"at": 1}, {"at": 2}).differences == [Difference("x.at", 1, ABSENT)]
    assert places({"at": 3}, {"at": 1}, {}).differences == []


def test_runs_that_fail_now_and_then_agree_on_the_error() -> None:
    """Whether it fails varies; with which error does not, as far as several runs failed."""
    failed = [{"type": "TimeoutError", "message": f"after {n} s"} for n in range(3)]
    assert places(failed[2], None, failed[0], failed[1]).differences == []
    assert paths(places({**failed[2], "type": "KeyError"}, None, failed[0], failed[1]).differences) == ["x.type"]
    assert places(failed[2], None, failed[0]).own == [Difference("x", None, failed[2])]


@pytest.mark.parametrize(
    ("baselines", "optimized", "differences"),
    [
        # A stamp among steady items.
        ([["a", "t1", "b"], ["a", "t2", "b"]], ["a", "t3", "X"], ["x[2]"]),
        # An item that comes in some runs only, at the beginning, in the middle and at the end.
        ([["t1", "a", "b"], ["a", "b"]], ["a", "X"], ["x[2]"]),
        ([["a", "b"], ["t1", "a", "b"]], ["t2", "a", "X"], ["x[1]"]),
        ([["a", "b"], ["a", "b", "t1"]], ["X", "b", "t2"], ["x[0]"]),
        # Equal lengths, shifted.
        ([["t1", "a", "b"], ["a", "b", "t2"]], ["t3", "a", "X"], ["x[2]"]),
        # No more of them than any run had, and of no other kind.
        ([["a"], ["a", "t1"]], ["a", "t2", "t3"], ["x[2]"]),
        ([["a"], ["a", "t1"]], ["a", 7], ["x[1]"]),
        # Where the runs disagree, anything may come in the place of what some run has.
        ([["a", "b"], ["a"]], ["a", "X"], []),
    ],
)
def test_a_difference_inside_of_a_varying_list(baselines: Any, optimized: Any, differences: list[str]) -> None:
    """Items are aligned before they are compared; places are in the positions of the first run."""
    found = places(optimized, *baselines)
    assert paths(found.differences) == differences
    assert found.varying


def test_items_with_stamps_are_told_apart_by_the_rest() -> None:
    """One event comes in some runs only; the event after it is still held against its own kind."""
    runs = [
        [{"at": 1, "event": "start"}, {"at": 2, "event": "retry"}, {"at": 3, "event": "end"}],
        [{"at": 4, "event": "start"}, {"at": 5, "event": "end"}],
    ]
    found = places([{"at": 6, "event": "start"}, {"at": 7, "event": "stop"}], *runs)
    # Every run ends; between start and end there is something or nothing.
    assert found.differences == [Difference("x[2]", runs[0][2], ABSENT)]
    assert "x[0].event" not in found.varying


def test_where_order_is_an_accident_the_items_count() -> None:
    """What each run did, but in another order; one that did something else instead is found."""
    runs = (["a", "b", "c"], ["b", "a", "c"])
    assert places(["c", "b", "a"], *runs).differences == []
    assert places(["b", "a", "c"], *runs).varying == ("x (order)",)
    found = places(["X", "a", "c"], *runs)
    assert found.differences == [Difference('x number of "b"', 1, 0), Difference('x number of "X"', 0, 1)]


def test_sets_have_no_order() -> None:
    """A member that varies moves the others in the sorted list that stands for a set."""
    runs = [{"~set": ["1", "m", "n"]}, {"~set": ["m", "n", "z"]}]
    assert places({"~set": ["k", "m", "n"]}, *runs).differences == []
    assert paths(places({"~set": ["k", "m"]}, *runs).differences) == ['x.~set number of "n"']
    assert paths(places({"~frozenset": ["k", 1]}, {"~frozenset": ["k"]}).differences) == ["x.~frozenset number of 1"]
    assert paths(places({"~set": None}, *runs).differences) == ["x.~set"]


def test_keys_in_an_accidental_order() -> None:
    """What varies in the baseline is not held against the optimized graph; the keys' values are."""
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    found = places(other, one, other)
    assert (found.differences, found.varying) == ([], ("x (order of keys)",))
    assert paths(places({"b": 3, "a": 1}, one, other).differences) == ["x.b"]


class TestMultiset:
    def test_items_of_which_each_run_has_others(self) -> None:
        """What all runs have must be there; of the rest, as many and no other kinds."""
        found = Places()
        runs = [[{"kind": "saved", "at": n}, {"kind": "sent"}] for n in (1, 2)]
        found.multiset("effects", runs, [{"kind": "saved", "at": 3}, {"kind": "sent"}])
        assert (found.differences, found.varying) == ([], ("effects (others)[0].at",))
        found.multiset("effects", runs, [{"kind": "lost", "at": 3}, {"kind": "saved", "at": 4}])
        assert paths(found.differences) == ['effects number of {"kind": "sent"}', "effects (others)[before 0]"]

    def test_more_may_be_allowed_and_less_never_is(self) -> None:
        """Names are the caller's."""
        found = Places()
        found.multiset("x", [["a"]], ["a", "a"], called=str.upper, more=True)
        assert found.differences == []
        found.multiset("x", [["a"]], [], called=str.upper, more=True)
        assert found.differences == [Difference("A", 1, 0)]


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")), st.sampled_from("abc"))
def test_what_all_runs_have_is_never_lost_unseen(one: list[str], other: list[str], item: str) -> None:
    """A multiset that lacks what every run has differs, however the runs vary."""
    found = Places()
    found.multiset("x", [one, other], [each for each in one if each != item])
    assert found.differences or not (item in one and item in other)
