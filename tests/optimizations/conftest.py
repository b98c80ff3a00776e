"""What the tests of toggles share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.optimizations.base import Decision, Optimization


class Plan:
    """A plan that holds decisions and nothing else."""

    arm = ""

    def __init__(self, *decisions: Decision) -> None:
        self.decisions = decisions

    def decide(self, *decisions: Decision) -> Plan:
        """The same plan with these decisions added."""
        return Plan(*self.decisions, *decisions)


@pytest.fixture
def decision_of() -> Callable[[Optimization[Any]], Decision]:
    """Ask a toggle for its one decision about a graph that it leaves as it is."""

    def ask(toggle: Optimization[Any]) -> Decision:
        (decision,) = toggle.rewrite(Plan()).decisions  # type: ignore[arg-type]
        return decision

    return ask
