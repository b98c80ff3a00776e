"""What a process remembers of its routers, and what is expected of them."""

from __future__ import annotations

from langgraph.constants import END

from optiflow.plan.speculation.experience import Experience, experience_of
from optiflow.plan.speculation.guessing import Learned, Named, Position


def test_graphs_of_one_shape_share_it() -> None:
    """And the number of graphs is bounded: the oldest is forgotten."""
    first = experience_of("first of many")
    assert experience_of("first of many") is first
    for number in range(256):
        experience_of(("another", number))
    assert experience_of("first of many") is not first


def test_every_decision_counts() -> None:
    """Those that end the graph too."""
    experience = Experience()
    experience.learn("router", ["a"])
    experience.learn("router", ["a", "b"])
    experience.learn("router", [])
    assert experience.seen("router") == ({"a": 2, "b": 1}, 3)
    assert experience.seen("unknown") == ({}, 0)


def test_runs_of_other_processes_count_as_well() -> None:
    """What records say is added to what this process saw."""
    learned = Learned(0.6, 5, recorded={"router": {"a": 3, END: 1}})
    assert learned.guess("router", ["a", "b"]) is None
    learned.experience.learn("router", ["a"])
    assert learned.times("router", "a") == (4, 5)
    assert learned.guess("router", ["b", "a"]) == "a"
    learned.experience.learn("router", ["b"])
    learned.experience.learn("router", ["b"])
    assert learned.guess("router", ["a", "b"]) is None


def test_the_other_policies() -> None:
    """Position skips the end; names are dotted through subgraphs."""
    assert Position("first").choices("router", [END, "a", "b"], "") == ("a",)
    assert Position("last").choices("router", ["a", "b", END], "") == ("b",)
    assert Position("last").choices("router", [END], "") == ()
    named = Named({"inner.router": "a"})
    assert named.choices("router", ["a", "b"], "inner.") == ("a",)
    assert named.choices("router", ["a", "b"], "") == ()
    assert named.guess("router", ["a"]) == "a"
