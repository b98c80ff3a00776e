"""The whole analysis: from a plan and its records to effects, verdicts and warnings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from optiflow.analysis.experiment.conditions import warnings_of
from optiflow.analysis.experiment.effects import effects_of
from optiflow.analysis.experiment.paired import compare_arms
from optiflow.analysis.experiment.pareto import pareto_front
from optiflow.analysis.experiment.results import ArmResult, ExperimentAnalysis, MetricAnalysis, Sample
from optiflow.analysis.experiment.shapley import shapley_shares
from optiflow.analysis.figures import figures
from optiflow.analysis.verdict import Verdict, judge
from optiflow.config.criteria import CriteriaConfig
from optiflow.errors import ConfigurationError
from optiflow.experiment.plan import ExperimentPlan
from optiflow.record.schema import RunRecord

__all__ = ["analyse", "compare_experiments", "compare_runs", "front_of", "medians_of", "samples_of"]


_MOST_RUNS = 4
"""How many further runs of the baseline are looked at for what differs between them."""

_USUAL = ("runtime_s", "tokens", "cpu_s", "peak_rss_mb")


def analyse(plan: ExperimentPlan, records: Sequence[RunRecord]) -> ExperimentAnalysis:
    """Tell what the runs of an experiment tell, however many of them there are yet.

    Args:
        plan: What was planned.
        records: The record of each job that ended, with ``block`` and the digest of its arm's configuration.

    Returns:
        The analysis; an arm without any run is INCONCLUSIVE.
    """
    jobs = _by_job(plan, records)
    shown = _with_prices(plan.figures, records)
    samples = samples_of(plan, records, shown)
    verdicts, reasons = _verdicts(plan, jobs)
    return ExperimentAnalysis(
        experiment_id=plan.experiment_id,
        name=plan.name,
        metrics=tuple(_metric(plan, samples[figure], figure) for figure in shown),
        verdicts=verdicts,
        reasons=reasons,
        complete=len(jobs) == len(plan.jobs),
        missing=len(plan.jobs) - len(jobs),
        failed=Counter(arm for (arm, _), record in jobs.items() if record.status != "ok"),
        rollbacks=_rollbacks(plan, samples[plan.figures[0]]),
    )


def front_of(plan: ExperimentPlan, records: Sequence[RunRecord]) -> Mapping[str, Mapping[str, float]]:
    """The arms of a search that no other beats in all its objectives, with the median of each.

    A search may trade quality for time: whether an arm gave the baseline's answers is its verdict's to say.
    """
    medians: dict[str, dict[str, float]] = defaultdict(dict)
    for figure, samples in samples_of(plan, records, [figure for figure, _ in plan.objectives]).items():
        for arm, value in medians_of(samples).items():
            medians[arm][figure] = value
    signs = [1 if direction == "minimize" else -1 for _, direction in plan.objectives]
    points = {
        arm: [sign * of_arm[figure] for sign, (figure, _) in zip(signs, plan.objectives, strict=True)]
        for arm, of_arm in medians.items()
        if len(of_arm) == len(plan.objectives)
    }
    return {arm: medians[arm] for arm in pareto_front(points)} if points else {}


def compare_runs(
    first: str, before: Sequence[RunRecord], second: str, after: Sequence[RunRecord], *, min_effect: float = 0.01
) -> tuple[MetricAnalysis, ...]:
    """Two series of runs, paired in the order in which they are given, in the usual figures."""
    runs = [
        (name, block, place, figures(record))
        for place, (name, records) in enumerate(((first, before), (second, after)))
        for block, record in enumerate(records)
    ]
    metrics = []
    for figure in _with_prices(_USUAL, [*before, *after]):
        samples = [
            Sample(name, block, place, float(value))
            for name, block, place, shown in runs
            if isinstance(value := shown.get(figure), int | float)
        ]
        arms = compare_arms(samples, first, min_effect=min_effect)
        metrics.append(MetricAnalysis(figure, arms, (), (), ()))
    return tuple(metrics)


def compare_experiments(
    first: tuple[ExperimentPlan, Sequence[RunRecord]], second: tuple[ExperimentPlan, Sequence[RunRecord]]
) -> tuple[MetricAnalysis, ...]:
    """Each arm of the second experiment against the one of the same name in the first, block by block.

    Raises:
        ConfigurationError: They have no arm in common.
    """
    shared = [arm.name for arm in second[0].arms if arm.name in {other.name for other in first[0].arms}]
    if not shared:
        raise ConfigurationError(f"experiments {first[0].name!r} and {second[0].name!r} have no arm in common")
    shared_figures = [name for name in second[0].figures if name in first[0].figures]
    compared = _with_prices(shared_figures, [*first[1], *second[1]])
    earlier, later = (samples_of(plan, records, compared) for plan, records in (first, second))
    metrics = []
    for figure, before, after in zip(compared, earlier.values(), later.values(), strict=True):
        results: list[ArmResult] = []
        for arm in shared:
            pair = [replace(sample, arm="before") for sample in before if sample.arm == arm]
            pair += [sample for sample in after if sample.arm == arm]
            results += compare_arms(pair, "before", min_effect=second[0].min_effect)
        metrics.append(MetricAnalysis(figure, tuple(results), (), (), ()))
    return tuple(metrics)


def samples_of(
    plan: ExperimentPlan, records: Sequence[RunRecord], names: Sequence[str]
) -> Mapping[str, tuple[Sample, ...]]:
    """The measurements of some figures, by their names, each in the order of the plan.

    A run that did not go well is left out, and so is a figure that is no number.
    """
    shown = {place: figures(run) for place, run in _by_job(plan, records).items() if run.status == "ok"}
    return {
        name: tuple(
            Sample(job.arm, job.block, job.position, float(value))
            for job in plan.jobs
            if isinstance(value := shown.get((job.arm, job.block), {}).get(name), int | float)
        )
        for name in names
    }


def medians_of(samples: Sequence[Sample]) -> Mapping[str, float]:
    """The median of each arm over its blocks."""
    values: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        values[sample.arm].append(sample.value)
    return {arm: median(measured) for arm, measured in values.items()}


def _with_prices(names: Sequence[str], records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Some figures, and beside tokens what they are at their price where a provider's prompt cache had or took some."""
    cached = any(record.tokens and (record.tokens.cache_read or record.tokens.cache_write) for record in records)
    return (*names, "tokens_priced") if cached and "tokens" in names and "tokens_priced" not in names else tuple(names)


def _by_job(plan: ExperimentPlan, records: Sequence[RunRecord]) -> dict[tuple[str, int], RunRecord]:
    """The record of each arm and block, in the order of the plan."""
    found = {(record.block, record.position): record for record in records}
    placed = ((job, found.get((job.block, job.position))) for job in plan.jobs)
    return {(job.arm, job.block): record for job, record in placed if record is not None}


def _metric(plan: ExperimentPlan, samples: Sequence[Sample], figure: str) -> MetricAnalysis:
    levels = {arm.name: {name: arm.levels[name] for name in plan.factors} for arm in plan.arms if plan.factors}
    order = {(job.arm, job.block): place for place, job in enumerate(plan.jobs)}
    results = compare_arms(samples, plan.baseline, min_effect=plan.min_effect, seed=plan.seed)
    places = {arm.name: place for place, arm in enumerate(plan.arms)}
    return MetricAnalysis(
        figure=figure,
        # As they were designed, not as they happened to be drawn.
        arms=tuple(sorted(results, key=lambda result: places[result.arm])),
        effects=effects_of(samples, levels, plan.factors, seed=plan.seed),
        shapley=shapley_shares(samples, levels, plan.factors, plan.baseline),
        warnings=warnings_of(samples, plan.baseline, order, plan.min_effect),
    )


def _rollbacks(plan: ExperimentPlan, samples: Sequence[Sample]) -> tuple[ArmResult, ...]:
    """What each rollback costs: its arm against the one that is rolled back, in the deciding figure."""
    if plan.reference is None:
        return ()
    presets = [sample for sample in samples if sample.arm != plan.baseline]
    results = compare_arms(presets, plan.reference, min_effect=plan.min_effect, seed=plan.seed)
    return tuple(sorted(results, key=lambda result: -result.ratio))


def _verdicts(plan: ExperimentPlan, jobs: Mapping[tuple[str, int], RunRecord]) -> tuple[dict[str, str], dict[str, str]]:
    """Equal answers first, in every block; then the criteria, in most of them."""
    judged: dict[str, list[Verdict]] = defaultdict(list)
    baselines = {
        block: (record, figures(record))
        for (arm, block), record in jobs.items()
        if arm == plan.baseline and record.status == "ok"
    }
    for (arm, block), record in jobs.items():
        if arm != plan.baseline and record.status == "ok" and block in baselines:
            baseline, before = baselines[block]
            again = [other for of_block, (other, _) in baselines.items() if of_block != block][:_MOST_RUNS]
            criteria = CriteriaConfig.model_validate(record.config["criteria"])
            judged[arm].append(judge(record, baseline, criteria, before=before, again=again))
    verdicts, reasons = {}, {}
    for name in (arm.name for arm in plan.arms if arm.name != plan.baseline):
        verdicts[name], reason = _verdict(judged[name])
        if reason:
            reasons[name] = reason
    return verdicts, reasons


def _verdict(judged: Sequence[Verdict]) -> tuple[str, str]:
    if not judged:
        return "INCONCLUSIVE", "no run of it went well in a block in which the baseline's did"
    for verdict in judged:
        if verdict.outputs_equal is False:
            return "REGRESSED", f"answer differs: {verdict.difference}"
    failing = Counter(result.name for verdict in judged for result in verdict.criteria if result.passed is False)
    if not failing:
        return "PASS", ""
    name, count = failing.most_common(1)[0]
    reason = f"criterion {name!r} failed in {count} of {len(judged)} blocks"
    return ("REGRESSED" if 2 * count > len(judged) else "INCONCLUSIVE"), reason
