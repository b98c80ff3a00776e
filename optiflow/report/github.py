"""A verdict as the summary of a GitHub job."""

from __future__ import annotations

from optiflow.analysis.outcome import Outcome
from optiflow.report.markdown import escaped, table
from optiflow.report.terminal import figure_text

__all__ = ["job_summary"]

_SIGN = {True: "✅", False: "❌", None: "–"}
_SHOWN = ("runtime_s", "tokens", "model_calls", "peak_rss_mb", "grade")


def job_summary(outcome: Outcome) -> str:
    """Figures beside the baseline's and the criteria, in Markdown."""
    verdict = outcome.verdict
    toggles = ", ".join(outcome.record.toggles_on) or "no toggle"
    parts = [f"## OptiFlow: {verdict.outcome}", f"{escaped(outcome.record.workflow)} with {escaped(toggles)}"]
    if verdict.difference is not None:
        parts.append(f"**The answer differs:** {escaped(verdict.difference)}")
    figures = [
        [name, figure_text(outcome.baseline_figures.get(name)), figure_text(outcome.figures.get(name))]
        for name in _SHOWN
        if name in outcome.figures
    ]
    parts.append(table(["figure", "baseline", "run"], figures))
    criteria = [
        [_SIGN[each.passed], each.name, each.limit, figure_text(each.value), each.note] for each in verdict.criteria
    ]
    if criteria:
        parts.append(table(["", "criterion", "limit", "measured", ""], criteria))
    return "\n\n".join(parts) + "\n"
