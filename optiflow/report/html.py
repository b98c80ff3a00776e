"""An experiment as one HTML file that needs no network: tables, plots and Plotly's script are all inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optiflow.analysis.experiment.results import ExperimentAnalysis
from optiflow.analysis.figures import record_critical_path
from optiflow.experiment.analysis import medians_of, samples_of
from optiflow.experiment.plan import ExperimentPlan
from optiflow.extras import require
from optiflow.record.schema import RunRecord
from optiflow.report import plots
from optiflow.report.wording import call_text, effect_text, notes_of, ratio_text, share_text, size_text

__all__ = ["experiment_as_html"]

_BARS = "bars are 95 % intervals; left of 1 is less."

_Plot = tuple[str, str, Any]
"""Title, what it shows, and the figure."""


def experiment_as_html(plan: ExperimentPlan, analysis: ExperimentAnalysis, runs: Sequence[RunRecord]) -> str:
    """The whole report, light or dark as the reader's system is, for wide and narrow screens.

    Args:
        plan: What was planned.
        analysis: What came of it, finished or not.
        runs: The records of its jobs that ended.

    Raises:
        ConfigurationError: The extra ``experiments`` is not installed.
    """
    jinja2 = require("jinja2", "experiments", "an HTML report")
    offline = require("plotly.offline", "experiments", "an HTML report")
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template("experiment.html.j2")
    drawn = [
        (title, text, _embedded(figure, f"plot-{place}"))
        for place, (title, text, figure) in enumerate(_plots(plan, analysis, runs))
    ]
    text: str = page.render(
        plan=plan,
        analysis=analysis,
        results={metric.figure: {result.arm: result for result in metric.arms} for metric in analysis.metrics},
        shares={share.factor: share for metric in analysis.metrics[:1] for share in metric.shapley},
        clock=runs[0].clock if runs else None,
        notes=notes_of(plan, analysis),
        plots=drawn,
        script=offline.get_plotlyjs(),
        ratio_text=ratio_text,
        effect_text=effect_text,
        call_text=call_text,
        share_text=share_text,
        size=size_text(plan),
    )
    return text


def _embedded(figure: Any, name: str) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"responsive": True, "displaylogo": False}
    )
    return html


def _plots(plan: ExperimentPlan, analysis: ExperimentAnalysis, runs: Sequence[RunRecord]) -> list[_Plot]:
    went_well = [run for run in runs if run.status == "ok"]
    if not went_well:
        return []
    arm_of = {(job.block, job.position): job.arm for job in plan.jobs}
    name_of = {run.record_id: arm_of.get((run.block or 0, run.position or 0), "?") for run in runs}
    samples = samples_of(plan, went_well, [metric.figure for metric in analysis.metrics])
    deciding = analysis.metrics[0]
    drawn: list[_Plot] = []
    if deciding.arms:
        ordered = sorted(deciding.arms, key=lambda result: result.ratio)
        drawn.append(
            ("Arms and intervals", f"Each arm against {plan.baseline}; {_BARS}", plots.forest(ordered, deciding.figure))
        )
    if deciding.effects:
        text = f"Each toggle over all settings of the others; {_BARS}"
        drawn.append(("Effects and intervals", text, plots.forest(deciding.effects, deciding.figure)))
    if any(len(effect.factors) == 2 for effect in deciding.effects):
        text = "What two toggles do together beyond each alone, in per cent."
        drawn.append(("Interactions", text, plots.heat_map(deciding, plan.factors)))
    drawn.append(("Every run", "", plots.scatter(samples[deciding.figure], deciding.figure)))
    fastest = min(went_well, key=lambda run: run.timings.runtime_s if run.timings else float("inf"))
    baseline = next((run for run in went_well if name_of[run.record_id] == plan.baseline), None)
    for run in dict.fromkeys(run.record_id for run in (baseline, fastest) if run is not None):
        record = next(each for each in went_well if each.record_id == run)
        text = "When each node ran; nothing that keeps the order of dependence is shorter than the dashed line."
        drawn.append(
            (f"A run of {name_of[run]}", text, plots.waterfall(record, record_critical_path(baseline or record)))
        )
    if len(analysis.metrics) > 1:
        x, y = (metric.figure for metric in analysis.metrics[:2])
        first, second = medians_of(samples[x]), medians_of(samples[y])
        points = {arm: (first[arm], second[arm]) for arm in first if arm in second}
        drawn.append((f"{x} and {y}", "Arms that no other beats in both are joined.", plots.pareto(points, x, y)))
    drawn.append(("Memory over time", "", plots.memory(went_well, lambda run: name_of[run.record_id])))
    return drawn
