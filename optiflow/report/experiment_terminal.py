"""Experiments in a terminal: what is planned, how far it is, and what it tells."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optiflow.analysis.experiment.power import Outlook
from optiflow.analysis.experiment.results import ArmResult, ExperimentAnalysis, MetricAnalysis
from optiflow.experiment.plan import ExperimentPlan, JobState
from optiflow.report.terminal import figure_text
from optiflow.report.wording import (
    call_text,
    effect_text,
    notes_of,
    outlook_text,
    plan_notes,
    ratio_text,
    share_text,
    size_text,
)

__all__ = ["comparison_view", "experiment_view", "experiments_view", "plan_view"]

_CALL_STYLE = {"faster": "green", "slower": "red", "same": "dim", "inconclusive": "yellow"}
_VERDICT_STYLE = {"PASS": "green", "REGRESSED": "bold red", "INCONCLUSIVE": "yellow"}
_MOST_PAIRS = 10
_MOST_ARMS = 64
_MOST_JOBS = 200
"""Of a plan that are shown; JSON holds all."""
_STATES: tuple[JobState, ...] = ("done", "failed", "claimed", "planned")


def plan_view(plan: ExperimentPlan, outlooks: Sequence[Outlook] = ()) -> RenderableType:
    """The arms, the order of the jobs, and how many blocks would tell; nothing has run."""
    switched = any(arm.levels for arm in plan.arms)
    shared = _shared([arm.overrides for arm in plan.arms])
    table = _table("arm", "toggles on" if switched else "overrides")
    for arm in plan.arms[:_MOST_ARMS]:
        on = ", ".join(name for name, level in arm.levels.items() if level)
        table.add_row(Text(arm.name), Text((on if switched else " ".join(arm.overrides[len(shared) :])) or "–"))
    parts: list[RenderableType] = [_title(plan), table]
    if len(plan.arms) > _MOST_ARMS:
        parts.append(Text(f"… and {len(plan.arms) - _MOST_ARMS:,} more arms; report=json lists all", style="dim"))
    if shared:
        off = "; what is off: opt.NAME.enabled=false" if switched else ""
        parts.append(Text(f"overrides of every arm: {' '.join(shared)}{off}", style="dim"))
    parts += [Text(line, style="yellow") for line in plan_notes(plan)]
    if plan.design == "search":
        guess = "a search chooses each batch by what the ones before came to: these arms are examples"
        parts.append(Text(guess, style="yellow"))
    shown = max(2, _MOST_JOBS // len(plan.arms))
    for block in range(min(plan.blocks, shown) if len(plan.arms) <= _MOST_ARMS else 0):
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
    parts: list[RenderableType] = [_title(plan), _arms(plan, deciding, analysis)]
    if deciding.effects:
        parts.append(_effects(deciding))
    if analysis.rollbacks:
        parts.append(_rollbacks(analysis, plan))
    if others:
        parts.append(_others(others))
    if front:
        parts.append(_front(front, analysis))
    parts += [Text(line, style="yellow") for line in notes_of(plan, analysis)]
    parts += _failed(failures)
    parts.append(Text(f"experiment {analysis.experiment_id}", style="dim"))
    return Group(*parts)


def comparison_view(first: str, second: str, metrics: Sequence[MetricAnalysis]) -> RenderableType:
    """The second against the first, arm by arm."""
    deciding, *others = metrics
    table = _table("arm", deciding.figure, "", left={0, 2})
    for result in deciding.arms:
        table.add_row(Text(result.arm), ratio_text(result), _call(result))
    title = Text.assemble((second, "bold"), " / ", (first, "bold"), ", below 1 is less")
    return Group(title, table, *([_others(others)] if others else []))


def _failed(failures: Sequence[tuple[str, str]]) -> list[Text]:
    return [Text(f"{what}: {error}", style="red") for what, error in failures]


def _title(plan: ExperimentPlan) -> Text:
    design = "" if plan.name == plan.design else f"  ·  {plan.design}"
    return Text.assemble((plan.name, "bold"), f"{design}  ·  {size_text(plan)}  ·  seed {plan.seed}")


def _arms(plan: ExperimentPlan, metric: MetricAnalysis, analysis: ExperimentAnalysis) -> Table:
    table = _table("arm", f"{metric.figure} / baseline's", "", "p (Holm)", "verdict", left={0, 2, 4})
    for result in metric.arms:
        verdict = analysis.verdicts.get(result.arm, "INCONCLUSIVE")
        short = "" if result.blocks == plan.blocks else f" ({result.blocks} of {plan.blocks} blocks)"
        table.add_row(
            Text(result.arm),
            ratio_text(result),
            _call(result).append(short),
            "–" if result.p_value is None else f"{result.p_value:.2g}",
            Text(verdict, style=_VERDICT_STYLE[verdict]),
        )
    return table


def _call(result: ArmResult) -> Text:
    return Text(call_text(result), style=_CALL_STYLE[result.call])


def _rollbacks(analysis: ExperimentAnalysis, plan: ExperimentPlan) -> Table:
    table = _table("what a rollback costs", f"{plan.figures[0]} / that of {plan.reference}", "", left={0, 2})
    for result in analysis.rollbacks:
        table.add_row(Text(result.arm), ratio_text(result), _call(result))
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
        table.add_row(
            Text(effect_text(effect)),
            ratio_text(effect),
            f"{effect.share_of_variation:.1%}",
            share_text(share),
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
        # Ratios stay on their line; names, which may be long, are broken and never cut.
        side: Literal["left", "right"] = "left" if place in left else "right"
        table.add_column(heading, justify=side, overflow="fold", no_wrap=side == "right" and "/" not in heading)
    return table


def _shared(overrides: Sequence[Sequence[str]]) -> Sequence[str]:
    """What all begin with."""
    alike = itertools.takewhile(lambda each: len(set(each)) == 1, zip(*overrides, strict=False))
    return [each[0] for each in alike]
