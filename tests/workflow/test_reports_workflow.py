"""The second workflow: any folder of reports, declared in YAML alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optiflow.clock import VirtualClock, use_clock
from optiflow.config.compose import compose
from optiflow.log import level_filter
from optiflow.models import load_chat_model
from optiflow.quality import Quality, measure
from optiflow.workflow import load_workflow

NORTH = """Weather in the North
The river rose slowly in spring and the harvest was good in every village.
Farmers paid higher wages because workers were hard to find.
Prices for bread were stable, but the price of fuel rose.
People expect a dry summer and a smaller harvest next year.
"""
SOUTH = """Weather in the South
It hardly rained in spring and the harvest was poor near the coast.
Many workers left for the towns, where wages are higher.
Prices for bread rose sharply, and so did the price of fuel.
People expect rain in the coming months and lower prices.
"""
SUMMARY = """The harvest was good in the north and poor near the coast. Workers were hard to find and wages rose.
Prices for fuel rose everywhere, those for bread in the south only. People expect more rain there, and a dry summer
with a smaller harvest in the north."""


def run(folder: Path, *overrides: str) -> tuple[dict[str, Any], Quality | None, float]:
    """Run on a folder; returns the final state, the quality and the virtual seconds."""
    config = compose(["workflow=reports", f"workflow.input.folder={folder}", *overrides])
    clock = VirtualClock()
    workflow = load_workflow(config.workflow, load_chat_model(config.model, clock), config.model)
    with use_clock(clock), level_filter("ERROR"):
        start = clock.time()
        state = clock.run(workflow.builder.compile().ainvoke(dict(workflow.input), {"recursion_limit": 1000}))
        taken = clock.time() - start
    return state, measure(state["summary"], truth=workflow.truth, reference=workflow.reference), taken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two reports and a summary of them."""
    for name, text in (("north", NORTH), ("south", SOUTH), ("summary", SUMMARY)):
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


def test_reports_become_a_summary_by_theme(folder: Path) -> None:
    """Each theme is answered from every report, and the whole is near to what a person wrote."""
    state, quality, taken = run(folder, "workflow.input.reference=summary.txt")
    assert state["summary"].startswith("# Summary of the reports\n\n")
    costs = state["section_costs"]
    assert "price of fuel rose" in costs
    assert "Prices for bread rose sharply" in costs
    assert "- **south**: " in state["highlights"]
    assert quality is not None
    assert quality.kind == "reference"
    assert 0 < quality.rouge["rouge2"] < quality.rouge["rouge1"] == quality.score
    assert "Verdict: accept" in state["remarks"]
    assert taken > 20


def test_without_a_reference_there_is_no_grade(folder: Path) -> None:
    """Nothing to compare with, nothing claimed."""
    assert run(folder)[1] is None


@pytest.mark.parametrize("text", ["The river rose in spring. " * 200_000, "x" * 5_000_000, "5 6 7\n" * 900_000])
def test_five_megabytes_are_excerpted(tmp_path: Path, text: str) -> None:
    """Prose, one endless word or figures: the work is bounded and something is said."""
    (tmp_path / "huge.txt").write_text(text)
    assert run(tmp_path, "workflow.input.max_chars=50000")[0]["summary"]
