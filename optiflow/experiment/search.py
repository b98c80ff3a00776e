"""Searches over the values of options, with Optuna choosing what is tried next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from optiflow.analysis.figures import figures
from optiflow.config.experiment import ExperimentConfig
from optiflow.errors import ConfigurationError
from optiflow.experiment.plan import Arm, ExperimentPlan
from optiflow.experiment.planning import Compose, Workload, arm_config, run_digest
from optiflow.experiment.schedule import schedule
from optiflow.extras import require
from optiflow.quality.grade import grade_position
from optiflow.record.normalise import digest
from optiflow.record.schema import RunRecord

__all__ = ["search"]

Launch = Callable[[ExperimentPlan], Sequence[RunRecord]]
"""Keeps a plan, runs what of it has not run yet, and returns the records of all its jobs that ended."""


def search(
    config: ExperimentConfig,
    overrides: Sequence[str],
    compose: Compose,
    launch: Launch,
    *,
    workload: Workload,
    arguments: Sequence[str] = (),
) -> ExperimentPlan:
    """Try combinations of values, batch after batch; each batch is chosen from what the ones before came to.

    The same search asks for the same combinations in the same order, so that what is done is found again when it is
    resumed. One objective is searched with a tree-structured Parzen estimator, several with NSGA-II.

    Args:
        config: Of the design ``search``.
        overrides: The user's own, which every arm shares.
        compose: How a configuration is made of overrides.
        launch: Runs a plan.
        workload: Other code, or other input, makes another experiment.
        arguments: The command line.

    Returns:
        The plan with every arm that was tried.

    Raises:
        ConfigurationError: An option or value of the space is wrong, or an objective is no figure.
    """
    optuna: Any = require("optuna", "experiments", "experiment=search")
    assert config.search is not None, "the configuration of a search has its space"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {key: optuna.distributions.CategoricalDistribution(values) for key, values in config.search.space.items()}
    directions = [objective.direction for objective in config.objectives]
    sampler = (
        optuna.samplers.TPESampler(seed=config.seed)
        if len(directions) == 1
        else optuna.samplers.NSGAIISampler(seed=config.seed)
    )
    study = optuna.create_study(directions=directions, sampler=sampler)
    plans = _Plans(config, overrides, compose, workload, arguments)
    launch(plans.plan())
    asked = 0
    while asked < config.search.trials:
        trials = [study.ask(space) for _ in range(min(config.search.batch, config.search.trials - asked))]
        asked += len(trials)
        arms = [plans.add(trial.params) for trial in trials]
        records = launch(plans.plan())
        measured = _measured(plans.plan(), records, [objective.figure for objective in config.objectives])
        for trial, arm in zip(trials, arms, strict=True):
            values = None if arm is None else measured.get(arm)
            if values is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, values)
    return plans.plan()


class _Plans:
    """The plan of a search as it grows."""

    def __init__(
        self,
        config: ExperimentConfig,
        overrides: Sequence[str],
        compose: Compose,
        workload: Workload,
        arguments: Sequence[str],
    ) -> None:
        self._config, self._compose = config, compose
        self._overrides, self._workload, self._arguments = tuple(overrides), workload, tuple(arguments)
        self._arms: dict[str, Arm] = {}
        self._excluded: dict[str, str] = {}
        self._keep(Arm(name="none", overrides=self._overrides, config_sha256=""))
        base = Arm(name=config.base, overrides=(*self._overrides, f"+opt={config.base}"), config_sha256="")
        self._keep(base)

    def add(self, values: Mapping[str, bool | int | float | str]) -> str | None:
        """Take a combination in; the name of its arm, None where the toggles' rules forbid it."""
        named = " ".join(f"{key.removeprefix('opt.')}={_as_override(value)}" for key, value in values.items())
        settings = tuple(f"{key}={_as_override(value)}" for key, value in values.items())
        base = (*self._overrides, f"+opt={self._config.base}")
        try:
            return self._keep(Arm(name=named, overrides=(*base, *settings), values=dict(values), config_sha256=""))
        except ConfigurationError as error:
            self._excluded[named] = str(error)
            return None

    def plan(self) -> ExperimentPlan:
        """Everything that was taken in so far."""
        config = self._config
        assert config.search is not None
        name = config.name or config.design
        decided = config.model_dump(mode="json", include={"design", "base", "seed", "search", "objectives"})
        experiment_id = digest({**decided, "name": name, "workload": self._workload.key})[:32]
        arms = tuple(self._arms.values())
        return ExperimentPlan(
            experiment_id=experiment_id,
            name=name,
            design="search",
            factors=(),
            baseline="none",
            arms=arms,
            blocks=config.blocks,
            seed=config.seed,
            jobs=schedule(experiment_id, arms, config.blocks, config.seed, shuffled=False),
            excluded=self._excluded,
            figures=tuple(dict.fromkeys((*(each.figure for each in config.objectives), *config.figures))),
            objectives=tuple((each.figure, each.direction) for each in config.objectives),
            min_effect=config.min_effect,
            workload_key=self._workload.key,
            code_sha256=self._workload.code_sha256,
            input_sha256=self._workload.input_sha256,
            arguments=self._arguments,
        )

    def _keep(self, arm: Arm) -> str:
        sha256 = run_digest(arm_config(arm, self._compose))
        return self._arms.setdefault(sha256, arm.model_copy(update={"config_sha256": sha256})).name


def _as_override(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measured(
    plan: ExperimentPlan, records: Sequence[RunRecord], objectives: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    """The median of each objective of each arm that was measured."""
    arm_of = {(job.block, job.position): job.arm for job in plan.jobs}
    values: dict[str, list[list[float]]] = {}
    for record in records:
        if record.status != "ok":
            continue
        shown = figures(record)
        missing = [name for name in objectives if name not in shown]
        if missing:
            raise ConfigurationError(
                f"experiment.objectives: {missing[0]!r} is no figure of this run; known: {', '.join(sorted(shown))}"
            )
        row = [_number(shown[name]) for name in objectives]
        values.setdefault(arm_of[record.block or 0, record.position or 0], []).append(row)
    return {arm: tuple(median(column) for column in zip(*rows, strict=True)) for arm, rows in values.items()}


def _number(value: float | int | str) -> float:
    """A grade counts as its place, the best as 0."""
    return float(grade_position(value)) if isinstance(value, str) else float(value)
