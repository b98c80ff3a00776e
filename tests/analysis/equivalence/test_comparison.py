from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optiflow.analysis.equivalence import (
    LOG_RECORD,
    Allowance,
    CheckpointView,
    Effect,
    Event,
    Failure,
    ModelRequest,
    Observation,
    Turn,
    first_difference,
)
from optiflow.optimizations.base import Decision

TURN = Turn(output={"x": 1}, interrupts=("why?",), failure=None, events=())
REQUEST = ModelRequest("a", "digest", "a prompt")
CHECKPOINT = CheckpointView("loop", 1, {"x": 1}, ("b",), [], (("x", 1), ("y", 1), ("x", 2)))
SEEN = Observation((TURN,), (REQUEST,), (Effect("saved", "x"),), {"values": {"x": 1}}, (CHECKPOINT,))
OVERLAPPED = Allowance(overlapped=frozenset({"b", "c"}))


def turned(**changes: Any) -> Observation:
    """What was seen, with a change of its turn."""
    return replace(SEEN, turns=(replace(TURN, **changes),))


def streamed(*events: Event, failure: Failure | None = None) -> Observation:
    """A turn that emitted these events."""
    return turned(events=events, failure=failure)


def event(mode: str, node: str | None, body: Any, *namespace: str, position: Any = None) -> Event:
    """An event of a node."""
    return Event(mode, namespace, node, body, position)


def paths(baseline: Observation, optimized: Observation, allow: Allowance = OVERLAPPED) -> str | None:
    """Where the first difference is."""
    found = first_difference(baseline, optimized, allow=allow)
    return None if found is None else found.path


def test_what_did_the_same_does_not_differ() -> None:
    """An observation equals itself, whatever is allowed."""
    assert first_difference(SEEN, SEEN) is None
    assert first_difference(SEEN, SEEN, allow=OVERLAPPED) is None


@pytest.mark.parametrize("allow", [Allowance(), OVERLAPPED, Allowance(concurrent=frozenset({"b"}))])
@pytest.mark.parametrize(
    ("optimized", "path"),
    [
        (replace(SEEN, turns=()), "number of turns"),
        (turned(failure=Failure("E", "m", "a")), "turn 1 failure"),
        (turned(interrupts=()), "turn 1 interrupts[0]"),
        (turned(output={"x": 2}), "turn 1 output.x"),
        (replace(SEEN, state={"values": {"x": 2}}), "state.values.x"),
        (replace(SEEN, model_requests=()), "number of model requests of node 'a' ending 'a prompt'"),
        (replace(SEEN, model_requests=(REQUEST,) * 2), "number of model requests of node 'a' ending 'a prompt'"),
        (replace(SEEN, effects=()), "effects[0]"),
        (
            replace(SEEN, checkpoints=(replace(CHECKPOINT, writes=(("x", 2), ("y", 1), ("x", 1))),)),
            "writes.x[0]",
        ),
        (replace(SEEN, checkpoints=(replace(CHECKPOINT, step=2),)), "checkpoints[0].step"),
        (streamed(event("values", None, {"x": 1})), None),
    ],
)
def test_nothing_of_substance_is_ever_allowed(optimized: Observation, path: str | None, allow: Allowance) -> None:
    """Answers, requests, effects, writes and history must be the same under every allowance."""
    found = first_difference(SEEN, optimized, allow=allow)
    assert found is not None
    assert path is None or found.path == path


def test_failures_are_compared_by_type_text_and_node() -> None:
    """Each part of an error counts."""
    failed = turned(failure=Failure("E", "m", "a"))
    assert paths(failed, turned(failure=Failure("E", "m", "b"))) == "turn 1 failure.node"
    assert paths(failed, turned(failure=Failure("E", "n", "a"))) == "turn 1 failure.message"
    assert paths(failed, failed) is None


def test_the_order_of_requests_does_not_matter() -> None:
    """Requests are a multiset."""
    other = replace(REQUEST, node="b")
    one, two = (replace(SEEN, model_requests=each) for each in ((REQUEST, other), (other, REQUEST)))
    assert first_difference(one, two) is None


def test_the_order_of_effects_matters() -> None:
    """Effects outside are a sequence."""
    one, two = (
        replace(SEEN, effects=each)
        for each in ((Effect("saved", 1), Effect("loaded", 1)), (Effect("loaded", 1), Effect("saved", 1)))
    )
    assert paths(one, two) == "effects[0].kind"


def test_log_records_of_overlapped_nodes_have_no_order() -> None:
    """Only records change places, only under an allowance, and none may be missing."""
    records = Effect(LOG_RECORD, "b"), Effect("saved", 1), Effect(LOG_RECORD, "c")
    one, two = replace(SEEN, effects=records), replace(SEEN, effects=(records[2], records[1], records[0]))
    assert paths(one, two) is None
    assert paths(one, two, Allowance()) == "effects[0].detail"
    assert paths(one, replace(SEEN, effects=records[:2])) == "effects[2]"


def test_requests_begun_in_vain_are_allowed_where_an_overlapped_run_fails() -> None:
    """More is allowed then, less never is."""
    failed = turned(failure=Failure("E", "m", "a"))
    more, less = replace(failed, model_requests=(REQUEST,) * 2), replace(failed, model_requests=())
    assert paths(failed, more) is None
    assert paths(failed, more, Allowance()) is not None
    assert paths(failed, less) is not None


def test_without_an_allowance_streams_are_exact() -> None:
    """Order, content and position of every event count."""
    one, two = event("custom", None, 1), event("custom", None, 2)
    assert paths(streamed(one, two), streamed(two, one), Allowance()) == "turn 1 events[0].body"
    assert (
        paths(streamed(one), streamed(replace(one, position={"step": 2})), Allowance()) == "turn 1 events[0].position"
    )


def test_tokens_of_overlapped_nodes_may_come_earlier() -> None:
    """Their own order counts, that between nodes does not; other nodes' tokens keep theirs."""
    a1, a2, b1, b2 = (event("messages", node, word) for node, word in (("a", 1), ("a", 2), ("b", 1), ("b", 2)))
    assert paths(streamed(a1, a2, b1, b2), streamed(b1, a1, b2, a2)) is None
    assert paths(streamed(a1, a2, b1, b2), streamed(a1, a2, b2, b1)) == "turn 1 events messages  b[0].told"
    assert paths(streamed(a1, a2), streamed(a2, a1)) == "turn 1 events messages  a[0].told"
    assert paths(streamed(a1, b1), streamed(a1)) == "turn 1 events messages  b[0]"


@pytest.mark.parametrize("mode", ["values", "updates", "tasks", "checkpoints", "debug"])
def test_what_belongs_to_turns_keeps_its_order(mode: str) -> None:
    """Overlapped nodes have their turns one after another."""
    b, c = event(mode, "b", 1), event(mode, "c", 2)
    assert paths(streamed(b, c), streamed(b, c)) is None
    assert paths(streamed(b, c), streamed(c, b)) is not None
    assert paths(streamed(b), streamed(replace(b, position=1))) is not None


def test_items_of_writers_have_no_order_where_nodes_overlap() -> None:
    """A custom item does not say who wrote it."""
    one, two = event("custom", None, "#1"), event("custom", None, 2)
    assert paths(streamed(one, two), streamed(two, event("custom", None, "#2"))) is None
    assert paths(streamed(one, two), streamed(one)) is not None


def test_the_start_of_an_overlapped_node_shows_what_it_started_from() -> None:
    """The input in its events is not compared; everything else of them is."""
    start = event("events", "b", {"event": "on_chain_start", "data": {"input": {"x": 1}}})
    early = event("events", "b", {"event": "on_chain_start", "data": {"input": {}}})
    bare = event("events", "b", "no mapping")
    assert paths(streamed(start, bare), streamed(early, bare)) is None
    assert paths(streamed(start), streamed(replace(start, body={"event": "other", "data": {}}))) is not None
    assert paths(streamed(replace(start, node="a")), streamed(replace(early, node="a"))) is not None


def test_events_begun_in_vain_are_allowed_where_the_run_fails() -> None:
    """Overlapped nodes may have begun before the error; nothing of theirs may be missing or other."""
    failure = Failure("E", "m", "a")
    token, more = event("messages", "b", 1), event("messages", "b", 2)
    assert paths(streamed(failure=failure), streamed(token, failure=failure)) is None
    assert paths(streamed(token, failure=failure), streamed(token, more, failure=failure)) is None
    assert paths(streamed(token, failure=failure), streamed(more, failure=failure)) is not None
    assert paths(streamed(), streamed(token)) is not None


def test_concurrent_nodes_have_no_order() -> None:
    """Events of nodes that plain LangGraph runs at once are a multiset."""
    allow = Allowance(concurrent=frozenset({"b", "c"}))
    b, c = event("updates", "b", 1), event("updates", "c", 2)
    assert paths(streamed(b, c), streamed(c, b), allow) is None
    assert paths(streamed(b, b), streamed(b), allow) == (
        'turn 1 events updates  b number of {"told": 1, "position": null}'
    )


def test_subgraphs_of_a_node_go_with_it() -> None:
    """What is inside of an overlapped node is overlapped; the same name elsewhere is not."""
    allow = Allowance(overlapped=frozenset({"b", "c.d"}))
    assert allow.overlaps((), "b")
    assert allow.overlaps(("b", "x"), "y")
    assert allow.overlaps(("c",), "d")
    assert not allow.overlaps((), "d")
    assert not allow.overlaps(("a",), "b")
    assert not allow.overlaps((), None)
    assert not allow.unordered((), "b")


def test_decisions_say_what_is_allowed() -> None:
    """Only nodes that the schedule starts early may differ."""
    decisions = [
        Decision("parallel", "a", "refused", "why"),
        Decision("parallel", "b", "applied", "why"),
        Decision("async", "c", "applied", "why"),
        Decision("parallel", "*", "applied", "why"),
    ]
    assert Allowance.of(decisions, ["d"]) == Allowance(frozenset({"b"}), frozenset({"d"}))
