"""Branches that start early leave what plain LangGraph leaves, and those that are not taken leave nothing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from conformance_cases.arms import BESIDE_ALL, SPECULATING, decisions
from conformance_cases.arms import build as compile_arm
from conformance_cases.everything import CASES
from conformance_cases.play import construct, play, ways
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from random_routers import INPUT, Fork, build, forks

from optiflow.analysis.equivalence import Allowance, Mode, Observation, Recorder, first_difference, observe

RANDOM = settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("arm", [SPECULATING, BESIDE_ALL])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "speculate" in case.applied])
def test_a_router_in_every_mode(name: str, arm: str) -> None:
    """Every method and every stream shows what it shows without the toggle, alone and beside all others."""
    case = CASES[name]
    allow = Allowance.of(decisions(arm, *construct(case, Recorder())), case.concurrent)
    for way in ways(case, all_of_them=True):
        plain, optimized = Recorder(), Recorder()
        builder, options = construct(case, plain)
        expected = play(case, way, builder.compile(**options), plain)
        builder, options = construct(case, optimized)
        seen = play(case, way, compile_arm(arm, builder, options), optimized)
        difference = first_difference(expected, seen, allow=allow)
        assert difference is None, f"{way}: {difference}"


def observed(made: tuple[Fork, ...], arm: str, mode: Mode, path: Path) -> Observation:
    """One run of a random graph with a checkpointer."""
    builder = build(made, asynchronous=mode.startswith("a"), path=str(path))
    compiled = compile_arm(arm, builder, {"checkpointer": InMemorySaver()})
    return observe(compiled, copy.deepcopy(INPUT), mode=mode, keywords={"durability": "sync"})


def check(made: tuple[Fork, ...], arm: str, mode: Mode, path: Path) -> None:
    """Compare a random graph with itself, optimized."""
    decided = decisions(arm, build(made, asynchronous=mode.startswith("a"), path=str(path)), {})
    applied = sum(each.toggle == "speculate" and each.action == "applied" and "->" in each.node for each in decided)
    event(f"{applied} branches may start early")
    expected, seen = observed(made, "none", mode, path), observed(made, arm, mode, path)
    difference = first_difference(expected, seen, allow=Allowance.of(decided))
    assert difference is None, difference


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@RANDOM
@given(made=forks(), beside=st.booleans())
def test_random_routers(mode: Mode, made: tuple[Fork, ...], beside: bool, tmp_path: Path) -> None:
    """Outputs, errors, requests, effects outside and the whole history are the same."""
    check(made, BESIDE_ALL if beside else SPECULATING, mode, tmp_path / "opened")


@pytest.mark.parametrize("mode", ["stream", "astream", "astream_events"])
@RANDOM
@given(made=forks(several=False))
def test_random_routers_streamed(mode: Mode, made: tuple[Fork, ...], tmp_path: Path) -> None:
    """Every stream is the same, event for event, where plain LangGraph's has an order."""
    check(made, SPECULATING, mode, tmp_path / "opened")
