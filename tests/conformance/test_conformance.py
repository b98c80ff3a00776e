"""Every case under every arm does what plain LangGraph does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import pytest
from conformance_cases.arms import ARMS, build, decisions
from conformance_cases.everything import CASES
from conformance_cases.play import Way, construct, play, ways
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import Allowance, Observation, Recorder, first_difference


@cache
def baseline(name: str, way: Way) -> Observation:
    """What plain LangGraph does."""
    recorder = Recorder()
    builder, options = construct(CASES[name], recorder)
    return play(CASES[name], way, builder.compile(**options), recorder)


@pytest.mark.parametrize("name", CASES)
def test_plain_langgraph_does_what_the_case_says(name: str) -> None:
    """A case shows what it was written to show."""
    case = CASES[name]
    way = next(ways(case, all_of_them=True))
    seen = baseline(name, way)
    last = seen.turns[-1]
    if case.failure is None:
        assert last.failure is None
    else:
        assert last.failure is not None
        assert case.failure in f"{last.failure.type}: {last.failure.message}"
    if isinstance(case.output, dict):
        assert isinstance(last.output, dict)
        assert {key: last.output.get(key) for key in case.output} == case.output
    elif case.output is not None:
        assert last.output == case.output
    if case.effects is not None:
        assert tuple(effect.kind for effect in seen.effects) == tuple(case.effects)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", CASES)
def test_an_optimized_graph_does_the_same(name: str, arm: str) -> None:
    """Answers, requests, effects, history and streams are plain LangGraph's, but for documented differences.

    A toggle alone is seen by one method of each kind, a preset by all.
    """
    case = CASES[name]
    decided = decisions(arm, *construct(case, Recorder()))
    allow = Allowance.of(decided, case.concurrent)
    if arm in ("none", "safe"):
        assert not allow.overlapped
    for way in ways(case, all_of_them=arm in ("none", "safe", "all")):
        recorder = Recorder()
        builder, options = construct(case, recorder)
        seen = play(case, way, build(arm, builder, options), recorder)
        difference = first_difference(baseline(name, way), seen, allow=allow)
        assert difference is None, f"{way}: {difference}"


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.applied or case.refusals])
def test_toggles_act_where_they_should(name: str, arm: str) -> None:
    """What a case says is optimized, and what it says must be refused is, with the reason."""
    case = CASES[name]
    decided = decisions(arm, *construct(case, Recorder()))
    for toggle in {decision.toggle for decision in decided}:
        applied = {each.node for each in decided if each.toggle == toggle and each.action == "applied"}
        refused = {each.node: each.reason for each in decided if each.toggle == toggle and each.action == "refused"}
        assert case.applied.get(toggle, frozenset()) <= applied
        for node, reason in case.refusals.get(toggle, {}).items():
            assert reason in refused[node]


def without_retries(builder: StateGraph) -> None:
    """Drop what a node is to do when it fails."""
    for spec in builder.nodes.values():
        spec.retry_policy = None


def alphabetical(builder: StateGraph) -> None:
    """Run all nodes at once, so that their writes are applied in the order of their names."""
    builder.edges = {(START, name) for name in builder.nodes}


def both_branches(builder: StateGraph) -> None:
    """Run the branch that was not chosen too."""
    builder.branches.clear()
    builder.edges |= {("look", "short"), ("look", "long")}


def reversed_chain(builder: StateGraph) -> None:
    """Run the last node first."""
    names = list(reversed(builder.nodes))
    builder.edges = set(itertools.pairwise([START, *names]))


def without_joins(builder: StateGraph) -> None:
    """Never wait."""
    builder.waiting_edges.clear()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("a_retry_policy_on_a_node_that_fails_twice", without_retries),
        ("writes_against_the_alphabet", alphabetical),
        ("the_branch_not_chosen_does_not_run", both_branches),
        ("one_node_saves_to_an_object_and_the_next_loads_from_it", reversed_chain),
        ("reads_state_unpacked", alphabetical),
        ("a_fan_out_and_a_waiting_edge", without_joins),
    ],
)
def test_a_wrong_optimization_is_seen(name: str, spoil: Callable[[StateGraph], None]) -> None:
    """The cross would fail for a rewrite that does what the nearest rival does."""
    recorder = Recorder()
    builder, options = construct(CASES[name], recorder)
    spoil(builder)
    way = next(ways(CASES[name], all_of_them=True))
    seen = play(CASES[name], way, builder.compile(**options), recorder)
    overlapped = Allowance(overlapped=frozenset(builder.nodes))
    assert first_difference(baseline(name, way), seen, allow=overlapped) is not None
