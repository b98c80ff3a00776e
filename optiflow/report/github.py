"""A verdict as the summary of a GitHub job."""

from __future__ import annotations

from optiflow.analysis.outcome import Outcome
from optiflow.errors import BaselineFailedError, RunFailedError
from optiflow.report.markdown import escaped, table
from optiflow.report.terminal import figure_text
from optiflow.report.wording import cached_tokens, difference_lines, price_note

__all__ = ["job_summary"]

_SIGN = {True: "✅", False: "❌", None: "–"}
_SHOWN = ("runtime_s", "tokens", "tokens_priced", "cost_usd", "model_calls", "peak_rss_mb", "grade")


def job_summary(outcome: Outcome | RunFailedError) -> str:
    """Figures beside the baseline's and the criteria, in Markdown; or why there are none."""
    if isinstance(outcome, RunFailedError):
        called = "INCONCLUSIVE" if isinstance(outcome, BaselineFailedError) else "FAILED"
        return f"## OptiFlow: {called}\n\n{escaped(str(outcome))}\n"
    verdict = outcome.verdict
    toggles = ", ".join(outcome.record.toggles_on) or "no toggle"
    parts = [f"## OptiFlow: {verdict.outcome}", f"{escaped(outcome.record.workflow)} with {escaped(toggles)}"]
    if lines := difference_lines(verdict):
        parts.append("**The answer differs:**\n\n" + "\n".join(f"- {escaped(line)}" for line in lines))
    priced = cached_tokens(outcome.figures) or cached_tokens(outcome.baseline_figures)
    figures = [
        [name, figure_text(outcome.baseline_figures.get(name)), figure_text(outcome.figures.get(name))]
        for name in _SHOWN
        if name in outcome.figures and (name != "tokens_priced" or priced)
    ]
    parts.append(table(["figure", "baseline", "run"], figures))
    if note := price_note(outcome.figures):
        parts.append(escaped(note))
    criteria = [
        [_SIGN[each.passed], each.name, each.limit, figure_text(each.value), each.note] for each in verdict.criteria
    ]
    if criteria:
        parts.append(table(["", "criterion", "limit", "measured", ""], criteria))
    return "\n\n".join(parts) + "\n"
