"""Experiments in a terminal: what is planned, how far it is, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optiflow.analysis.experiment.power import Outlook
from optiflow.analysis.experiment.results import ExperimentAnalysis, MetricAnalysis
from optiflow.experiment.plan import ExperimentPlan, JobState
from optiflow.report.terminal import figure_text
from optiflow.report.wording import call_text, effect_text, outlook_text, ratio_text

__all__ = ["comparison_view", "experiment_view", "experiments_view", "plan_view"]

_CALL_STYLE = {"faster": "green", "slower": "red", "same": "dim", "inconclusive": "yellow"}
_VERDICT_STYLE = {"PASS": "green", "REGRESSED": "bold red", "INCONCLUSIVE": "yellow"}
_MOST_PAIRS = 10
_STATES: tuple[JobState, ...] = ("done", "failed", "claimed", "planned")


def plan_view(plan: ExperimentPlan, outlooks: Sequence[Outlook] = ()) -> RenderableType:
    """The arms, the order of the jobs, and how many blocks would tell; nothing has run."""
    table = _table("arm", "toggles on", "overrides")
    for arm in plan.arms:
        on = ", ".join(name for name, level in arm.levels.items() if level)
        table.add_row(Text(arm.name), Text(on or "–"), Text(" ".join(arm.command)))
    parts: list[RenderableType] = [_title(plan), table]
    parts += [Text(f"excluded: {name}: {why}", style="yellow") for name, why in plan.excluded.items()]
    parts += [Text(f"can't be told apart: {line}", style="yellow") for line in plan.aliases]
    for block in range(plan.blocks):
        order = ", ".join(job.arm for job in plan.jobs if job.block == block)
        parts.append(Text(f"block {block}: {order}", style="dim"))
    if outlooks:
        parts.append(Text(outlook_text(outlooks, plan.figures[0])))
    return Group(*parts)


def experiments_view(experiments: Sequence[tuple[ExperimentPlan, Mapping[JobState, int]]]) -> RenderableType:
    """One line an experiment: how far it is."""
    if not experiments:
        return Text("no experiment on record; python -m optiflow -m +experiment=ablate makes one")
    table = _table("experiment", "id", "design", "arms", "blocks", "done", "failed", "running", "left")
    for plan, counted in experiments:
        numbers = [counted.get(state, 0) for state in _STATES]
        cells = [plan.name, plan.experiment_id[:12], plan.design, len(plan.arms), plan.blocks, *numbers]
        table.add_row(*map(str, cells))
    return table


def experiment_view(
    plan: ExperimentPlan,
    analysis: ExperimentAnalysis,
    failures: Sequence[tuple[str, str]] = (),
    front: Mapping[str, Mapping[str, float]] | None = None,
) -> RenderableType:
    """Verdicts, arms, effects and shares in the deciding figure; arms in the others; the front; warnings."""
    if not analysis.metrics or analysis.missing == len(plan.jobs):
        return Group(_title(plan), Text("no run has ended yet", style="yellow"), *_failed(failures))
    deciding, *others = analysis.metrics
    parts: list[RenderableType] = [_title(plan), _arms(deciding, analysis)]
    if deciding.effects:
        parts.append(_effects(deciding))
    if others:
        parts.append(_others(others))
    if front:
        parts.append(_front(front, analysis))
    parts += [
        Text(f"{metric.figure}: {line}", style="yellow") for metric in analysis.metrics for line in metric.warnings
    ]
    parts += [Text(f"can't be told apart: {line}", style="yellow") for line in plan.aliases]
    parts += [Text(f"excluded: {name}: {why}", style="yellow") for name, why in plan.excluded.items()]
    parts += [
        Text(f"{name}: {why}", style=_VERDICT_STYLE[analysis.verdicts[name]]) for name, why in analysis.reasons.items()
    ]
    parts += _failed(failures)
    if not analysis.complete:
        left = f"{analysis.missing} of {len(plan.jobs)} jobs have no run that ended"
        parts.append(Text(f"{left}; python -m optiflow experiment resume {plan.name}", style="yellow"))
    parts.append(Text(f"experiment {analysis.experiment_id}", style="dim"))
    return Group(*parts)


def comparison_view(first: str, second: str, metrics: Sequence[MetricAnalysis]) -> RenderableType:
    """The second against the first, arm by arm."""
    table = _table("arm", *(f"{metric.figure}" for metric in metrics), "", left={0, len(metrics) + 1})
    others = [{result.arm: result for result in metric.arms} for metric in metrics]
    for result in metrics[0].arms if metrics else ():
        cells = [ratio_text(found) if (found := of.get(result.arm)) else "–" for of in others]
        table.add_row(Text(result.arm), *cells, Text(call_text(result), style=_CALL_STYLE[result.call]))
    return Group(Text.assemble((second, "bold"), " / ", (first, "bold"), ", below 1 is less"), table)


def _failed(failures: Sequence[tuple[str, str]]) -> list[Text]:
    return [Text(f"{what}: {error}", style="red") for what, error in failures]


def _title(plan: ExperimentPlan) -> Text:
    jobs = f"{len(plan.arms)} arms × {plan.blocks} blocks = {len(plan.jobs)} jobs"
    return Text.assemble((plan.name, "bold"), f"  ·  {plan.design}  ·  {jobs}  ·  seed {plan.seed}")


def _arms(metric: MetricAnalysis, analysis: ExperimentAnalysis) -> Table:
    table = _table("arm", f"{metric.figure} / baseline's", "", "blocks", "p (Holm)", "verdict", left={0, 2, 5})
    for result in metric.arms:
        verdict = analysis.verdicts.get(result.arm, "INCONCLUSIVE")
        table.add_row(
            Text(result.arm),
            ratio_text(result),
            Text(call_text(result), style=_CALL_STYLE[result.call]),
            str(result.blocks),
            "–" if result.p_value is None else f"{result.p_value:.2g}",
            Text(verdict, style=_VERDICT_STYLE[verdict]),
        )
    return table


def _effects(metric: MetricAnalysis) -> Table:
    shares = {share.factor: share for share in metric.shapley}
    table = _table("effect", f"on {metric.figure}", "variation", "share of the gain", left={0})
    mains = [effect for effect in metric.effects if len(effect.factors) == 1]
    pairs = sorted(
        (effect for effect in metric.effects if len(effect.factors) > 1), key=lambda effect: -effect.share_of_variation
    )
    for effect in (*mains, *pairs[:_MOST_PAIRS]):
        share = shares.get(effect.factors[0]) if len(effect.factors) == 1 else None
        known = "" if share is None else f"{share.share:.1%}{'' if share.exact else ' (modelled)'}"
        table.add_row(
            Text(effect_text(effect)),
            ratio_text(effect),
            f"{effect.share_of_variation:.1%}",
            known,
        )
    return table


def _others(metrics: Sequence[MetricAnalysis]) -> Table:
    table = _table("arm", *(metric.figure for metric in metrics), left={0})
    results = [{result.arm: result for result in metric.arms} for metric in metrics]
    for arm in dict.fromkeys(name for of_metric in results for name in of_metric):
        cells = [ratio_text(found) if (found := of.get(arm)) else "–" for of in results]
        table.add_row(Text(arm), *cells)
    return table


def _front(front: Mapping[str, Mapping[str, float]], analysis: ExperimentAnalysis) -> Table:
    figures = next(iter(front.values()))
    table = _table("Pareto front: no other arm is better in all", *figures, "verdict", left={0})
    for arm, medians in front.items():
        verdict = analysis.verdicts.get(arm, "baseline")
        table.add_row(
            Text(arm),
            *(figure_text(value) for value in medians.values()),
            Text(verdict, style=_VERDICT_STYLE.get(verdict, "")),
        )
    return table


def _table(*headings: str, left: frozenset[int] | set[int] = frozenset({0, 1, 2})) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place in left else "right")
    return table
