"""Whatever nodes share, and wherever they hide it: an optimized graph answers like plain LangGraph."""

from __future__ import annotations

import pytest
from hiding.generator import control, spec_of
from hiding.playing import PLAIN, play, verdict
from hiding.scene import CHANGES, PLACES, REACHES, SCENARIOS

import optiflow

GRAPHS = 220
"""Each of them has a hiding place or scenario of its own; ``benchmarks/hiding_places.py`` runs thousands."""


@pytest.fixture(autouse=True)
def _untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.mark.filterwarnings("ignore")  # of LangChain's, about what a hiding place is made of
@pytest.mark.parametrize("seed", range(GRAPHS))
def test_nothing_is_read_before_it_is_written(seed: int) -> None:
    """States, items of the stream, errors, what is left behind and what handlers hear are the same."""
    arms = ("all", ("safe", "exec", "speculate", "parallel")[seed % 4])
    found = verdict(spec_of(seed), arms, twice=False)
    assert not found.wrong, str(found)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_graph_is_known_by_its_number(seed: int) -> None:
    """The same number is the same graph, run alone or among others, and it tells how it came to be."""
    one, other = spec_of(seed), spec_of(seed)
    assert one == other
    assert str(seed) in str(one)
    assert one.what in str(one)
    assert play(one, PLAIN) == play(other, PLAIN)


@pytest.mark.parametrize("seed", range(6))
def test_there_is_something_to_gain(seed: int) -> None:
    """Nodes of graphs without hiding places may start early: that nothing is wrong would be no merit otherwise."""
    found = verdict(control(seed), ("parallel",), twice=False)
    assert not found.wrong, str(found)
    decisions = optiflow.explain(control(seed).scene().builder, opt="parallel")
    assert any(decision.action == "applied" for decision in decisions)


def test_the_kinds_are_many() -> None:
    """What the generator chooses from; a module that is not found would go unnoticed."""
    assert len(PLACES) > 450
    assert len(SCENARIOS) > 100
    assert len(REACHES) > 30
    assert len(CHANGES) > 50


def test_the_first_numbers_go_through_everything() -> None:
    """No hiding place or scenario is left to chance."""
    seen = {spec_of(seed).what for seed in range(3000)}
    assert seen == {*PLACES, *SCENARIOS}
