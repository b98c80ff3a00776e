"""Every case, run while nobody listens: what ``dispatch`` leaves out then, nobody can tell."""

from __future__ import annotations

import copy

import pytest
from conformance_cases.arms import build as compile_arm
from conformance_cases.everything import CASES
from conformance_cases.play import Way, construct, play
from hypothesis import HealthCheck, given, settings
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from random_graphs import INPUT, Graph, build, graphs

from optiflow.analysis.equivalence import Allowance, Mode, Observation, Recorder, first_difference, observe
from optiflow.dispatch.tally import counting

UNHEARD = (
    Way("invoke"),
    Way("ainvoke"),
    Way("astream", ("values", "updates"), subgraphs=False),
)


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_nobody_listens_to_is_the_same(name: str) -> None:
    """Answers, requests, effects, history and streams are plain LangGraph's, and the runs were lean."""
    case = CASES[name]
    allow = Allowance.of((), case.concurrent)
    for way in UNHEARD:
        if way.mode not in case.modes:
            continue
        plain, lean = Recorder(), Recorder()
        builder, options = construct(case, plain)
        expected = play(case, way, builder.compile(**options), plain, listening=False)
        builder, options = construct(case, lean)
        with counting() as tally:
            seen = play(case, way, compile_arm("dispatch", builder, options), lean, listening=False)
        difference = first_difference(expected, seen, allow=allow)
        assert difference is None, f"{way}: {difference}"
        replayed = any(isinstance(channel, DeltaChannel) for channel in builder.channels.values())
        assert bool(tally.runs_full) is replayed
        assert bool(tally.runs_lean) is not replayed


def observed(graph: Graph, arm: str, mode: Mode) -> Observation:
    """One run of a random graph with a checkpointer, to which nobody listens."""
    builder = build(graph, asynchronous=mode.startswith("a"))
    compiled = compile_arm(arm, builder, {"checkpointer": InMemorySaver()})
    return observe(compiled, copy.deepcopy(INPUT), mode=mode, keywords={"durability": "sync"}, callbacks=False)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(graph=graphs())
def test_a_random_graph_that_nobody_listens_to_is_the_same(mode: Mode, graph: Graph) -> None:
    """Outputs, errors and the whole history are the same."""
    difference = first_difference(observed(graph, "none", mode), observed(graph, "dispatch", mode), allow=Allowance())
    assert difference is None, difference
