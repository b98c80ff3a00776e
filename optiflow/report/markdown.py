"""An experiment as Markdown, for a pull request or a job summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optiflow.analysis.experiment.results import ExperimentAnalysis, MetricAnalysis
from optiflow.experiment.plan import ExperimentPlan
from optiflow.report.wording import call_text, effect_text, notes_of, ratio_text, share_text, size_text

__all__ = ["experiment_as_markdown", "table"]

_SIGN = {"PASS": "✅ PASS", "REGRESSED": "❌ REGRESSED", "INCONCLUSIVE": "❔ INCONCLUSIVE"}


def experiment_as_markdown(plan: ExperimentPlan, analysis: ExperimentAnalysis) -> str:
    """Verdicts and ratios of every arm, effects, and everything that should make a reader careful.

    Args:
        plan: What was planned.
        analysis: What came of it, finished or not.
    """
    jobs = f"{size_text(plan)}, seed {plan.seed}"
    parts = [f"## Experiment {escaped(plan.name)}", f"{plan.design}: {jobs}; baseline: {escaped(plan.baseline)}"]
    if analysis.missing == len(plan.jobs):
        return "\n\n".join([*parts, "No run has ended yet."]) + "\n"
    parts.append(_arms(analysis))
    deciding = analysis.metrics[0]
    if deciding.effects:
        parts += [f"### Effects on {deciding.figure}", _effects(deciding)]
    if analysis.rollbacks:
        parts += [f"### What each rollback costs: {deciding.figure} / that of {escaped(str(plan.reference))}"]
        rows = [[result.arm, ratio_text(result), call_text(result)] for result in analysis.rollbacks]
        parts.append(table(["rollback", "ratio", "call"], rows))
    notes = [f"- {escaped(line)}" for line in notes_of(plan, analysis)]
    if notes:
        parts += ["### To be careful about", "\n".join(notes)]
    return "\n\n".join(parts) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(escaped(cell) if cell != '---' else cell for cell in line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    one_line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|" else sign for sign in one_line)


def _arms(analysis: ExperimentAnalysis) -> str:
    others = [{result.arm: result for result in metric.arms} for metric in analysis.metrics[1:]]
    deciding = {result.arm: result for result in analysis.metrics[0].arms}
    rows = []
    for arm, verdict in analysis.verdicts.items():
        result = deciding.get(arm)
        ratios = [ratio_text(found) if (found := of.get(arm)) else "–" for of in others]
        shown = [ratio_text(result), call_text(result)] if result else ["–", "not measured"]
        rows.append([arm, _SIGN[verdict], *shown, *ratios])
    headings = ["arm", "verdict", f"{analysis.metrics[0].figure} / baseline's", "call"]
    return table([*headings, *(metric.figure for metric in analysis.metrics[1:])], rows)


def _effects(metric: MetricAnalysis) -> str:
    shares = {share.factor: share for share in metric.shapley}
    rows = []
    for effect in metric.effects:
        gain = share_text(shares.get(effect.factors[0]) if len(effect.factors) == 1 else None)
        rows.append([effect_text(effect), ratio_text(effect), f"{effect.share_of_variation:.1%}", gain])
    return table(["effect", "ratio", "variation", "share of the gain"], rows)
