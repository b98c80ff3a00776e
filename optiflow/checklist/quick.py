"""One run with every toggle, against the criteria."""

from __future__ import annotations

from collections.abc import Iterable

from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context

__all__ = ["check"]


def check(context: Context) -> Iterable[Line]:
    """Every criterion that is judged, and whether the answer is the baseline's."""
    outcome = context.outcome
    for result in outcome.verdict.criteria:
        if result.passed is not None:
            value = f"{result.value:,.3f}" if isinstance(result.value, float) else str(result.value)
            yield Line(f"{result.name} {result.limit}", result.passed, value)
    if not outcome.is_baseline:
        difference = outcome.verdict.difference
        yield Line("Same answer as the baseline", difference is None, difference or "final states are equal")
