"""Tests of the toggle ``monitor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from optiflow.monitor import collect, performance_monitor
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.monitor import Monitor, MonitorOptions
from optiflow.tokens import count_tokens

AskToggle = Callable[[Optimization[Any]], Decision]
CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "monitor.yaml"


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {"monitor": MonitorOptions().model_dump()}


def test_wrong_options_are_refused() -> None:
    """At least one sample is held."""
    with pytest.raises(ValidationError):
        MonitorOptions(samples=0)


def test_the_decision_is_about_the_whole_graph(decision_of: AskToggle) -> None:
    """The graph stays as it is; what the toggle does is said."""
    decision = decision_of(Monitor(MonitorOptions()))
    assert (decision.toggle, decision.node, decision.action) == ("monitor", "*", "applied")


def test_marked_operations_are_reported_flat() -> None:
    """Each operation has its figures under its name; token counts are one of them."""

    @performance_monitor("prompt_processing")
    def process() -> None:
        raise ValueError("no")

    with Monitor(MonitorOptions()).activate() as statistics:
        count_tokens("hello", "gpt-4o")
        with pytest.raises(ValueError, match="no"):
            process()
    count_tokens("after the run", "gpt-4o")
    seen = statistics()
    figures = ["count", "failures", "total_s", "mean_s", "p95_s", "max_s"]
    assert list(seen) == [
        f"{name}.{figure}" for name in ("prompt_processing", "token_operations") for figure in figures
    ]
    assert (seen["prompt_processing.count"], seen["prompt_processing.failures"]) == (1, 1)
    assert (seen["token_operations.count"], seen["token_operations.failures"]) == (1, 0)
    assert float(seen["token_operations.total_s"]) > 0


def test_attached_it_measures_nothing() -> None:
    """Around each run of somebody's program nobody asks for durations."""
    with collect() as outer, Monitor(MonitorOptions()).attach():
        count_tokens("hello", "gpt-4o")
    assert [row.count for row in outer.report()] == [1]
