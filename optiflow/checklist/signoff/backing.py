"""What lines are backed with: the run's criteria, its figures, its toggles' statistics, the phases' lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optiflow.analysis.verdict import CriterionResult
from optiflow.checklist.lines import Line
from optiflow.checklist.signoff.evidence import Evidence
from optiflow.report.terminal import figure_text

__all__ = ["all_phases", "created", "criterion", "judged", "measured", "of_toggle", "statistics_of", "why_not"]


def statistics_of(evidence: Evidence, toggle: str) -> dict[str, Any]:
    """What a toggle counted in the run; nothing where it was rolled back."""
    return dict(evidence.outcome.record.statistics.get(toggle, {}))


def of_toggle(evidence: Evidence, toggle: str, text: str, look: Callable[[Evidence], tuple[bool, str]]) -> Line:
    """A line that only a toggle can back.

    Args:
        evidence: What was measured.
        toggle: The toggle; where it is rolled back, the line is not ticked.
        text: What the checklist asks for.
        look: Whether it is so, and the figure that shows it.
    """
    if not evidence.context.is_on(toggle):
        return Line(text, False, f"toggle {toggle} is rolled back")
    return Line(text, *look(evidence))


def created(file: str, thing: Any, *, holds: bool = True, shown: str = "imported from there and used here") -> Line:
    """That a file of the package exists and holds what it should, which is asked of the thing itself."""
    place = f"{thing.__module__.replace('.', '/')}.py"
    return Line(f"`{file}` created", holds and place.endswith(f"/{file}"), f"{place}: `{thing.__name__}`, {shown}")


def judged(evidence: Evidence, text: str, *names: str) -> Line:
    """A line that the run's criteria decide; one that was not judged ticks nothing."""
    passed, shown = True, []
    for name in names:
        result = criterion(evidence.outcome.verdict.criteria, name)
        passed &= result is not None and result.passed is True
        if result is None:
            shown.append(f"{name}: no such criterion is configured")
        else:
            shown.append(f"{name} {figure_text(result.value)} ({result.limit}){why_not(result)}")
    clock = f", {evidence.clock}" if any(name.startswith("runtime") for name in names) else ""
    return Line(text, passed, "; ".join(shown) + clock)


def criterion(criteria: Iterable[CriterionResult], name: str) -> CriterionResult | None:
    """The criterion of that name, if one is configured."""
    return next((result for result in criteria if result.name == name), None)


def why_not(result: CriterionResult | None) -> str:
    """Why a criterion was not judged; empty where it was."""
    return f", not judged: {result.note}" if result is not None and result.note else ""


def measured(evidence: Evidence, text: str, figure: str, more_than: float, unit: str) -> Line:
    """A line that one figure of a toggle decides."""
    value = evidence.outcome.figures.get(figure)
    if value is None:
        return Line(text, False, f"toggle {figure.partition('.')[0]} is rolled back")
    return Line(text, float(value) > more_than, f"{figure_text(value)} {unit}")


def all_phases(text: str, evidence: Evidence) -> Line:
    """One line for all lines of all phases."""
    lines = [(name, line) for name, found in evidence.phases.items() for line in found]
    failed = [f"{name}: {line.text}" for name, line in lines if not line.passed]
    shown = f"{len(lines) - len(failed)} of {len(lines)} lines in {len(evidence.phases)} phases"
    return Line(text, not failed, f"{shown}; failed: {', '.join(failed)}" if failed else shown)
