"""Outcomes to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import judge
from optiflow.config.criteria import CriteriaConfig, Criterion
from optiflow.record.schema import RunRecord, Tokens

CRITERIA = CriteriaConfig(
    criteria=(
        Criterion(name="faster", figure="speedup", at_least=1.5),
        Criterion(name="tokens", figure="tokens", at_most=50),
        Criterion(name="hits", figure="cache.count_hit_rate", at_least=0.5, needs=("parallel",)),
        Criterion(name="[bold]odd :smile: name[/bold]", figure="grade", at_least="A"),
    )
)


@pytest.fixture
def compared(finished_record: Callable[..., RunRecord]) -> Callable[..., Outcome]:
    """Makes the outcome of a run with the cache on, twice as fast as its baseline; keywords change the run."""

    def make(**fields: Any) -> Outcome:
        standard: dict[str, Any] = {
            "runtime_s": 5.0,
            "toggles": {"cache": True, "parallel": False},
            "tokens": Tokens(prompt=70, completion=20, total=90),
            "statistics": {"cache": {"count_hit_rate": 0.9}},
        }
        run, baseline = finished_record(**{**standard, **fields}), finished_record()
        return Outcome(run, baseline, judge(run, baseline, CRITERIA))

    return make


@pytest.fixture
def alone(finished_record: Callable[..., RunRecord]) -> Outcome:
    """A baseline on its own."""
    run = finished_record()
    return Outcome(run, run, judge(run, None, CRITERIA))
