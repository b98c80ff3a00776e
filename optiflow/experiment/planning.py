"""From the configuration of an experiment, or a plain grid, to its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from optiflow.config.experiment import ExperimentConfig
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError, nearest_name
from optiflow.experiment.designs import Combination, ablate, full, rollback, screen, screen_aliases
from optiflow.experiment.plan import Arm, Design, ExperimentPlan
from optiflow.experiment.schedule import schedule
from optiflow.optimizations.registry import available, preset, resolve
from optiflow.record.normalise import digest
from optiflow.record.schema import config_digest

__all__ = ["Compose", "Workload", "arm_config", "plan_design", "plan_grid", "run_digest"]

Compose = Callable[[Sequence[str]], RunConfig]
"""Composes the configuration of some overrides, or raises a ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What an experiment is about beside its arms; where any of it changes, it is another experiment."""

    key: str
    """Digest of workload, input and code; anything unique where each command line is an experiment of its own."""

    code_sha256: str | None = None
    """Digest of the code; None where it may change."""

    input_sha256: str | None = None
    """Digest of the baseline's input; None where it may change."""


def plan_design(
    config: ExperimentConfig,
    overrides: Sequence[str],
    compose: Compose,
    *,
    workload: Workload,
    arguments: Sequence[str] = (),
) -> ExperimentPlan:
    """Plan an experiment over toggles.

    Args:
        config: What was configured.
        overrides: The user's own, which every arm shares.
        compose: How a configuration is made of overrides.
        workload: Other code, or other input, makes another experiment.
        arguments: The command line, so that it can be resumed by name.

    Raises:
        ConfigurationError: An unknown toggle, a design that is too large, or one without two different arms.
    """
    toggles = _factors(config)
    aliases: tuple[str, ...] = ()
    if config.design == "ablate":
        combinations = ablate(toggles)
    elif config.design == "full":
        combinations = full(toggles)
    elif config.design == "screen":
        combinations = screen(toggles, config.resolution)
        aliases = screen_aliases(toggles, config.resolution)
    else:
        combinations = rollback(config.base)
    switched = config.design != "rollback"
    shared = (*overrides, f"+opt={config.base}") if switched else tuple(overrides)
    candidates = [
        Arm(name=each.name, overrides=(*shared, *each.overrides), levels=_levels(each, config.base), config_sha256="")
        for each in combinations
    ]
    return _plan(
        config.design,
        candidates,
        compose,
        factors=toggles if switched else (),
        name=config.name or config.design,
        blocks=config.blocks,
        seed=config.seed,
        aliases=aliases,
        figures=config.figures,
        min_effect=config.min_effect,
        workload=workload,
        arguments=arguments,
        reference=None if switched else config.base,
    )


def plan_grid(
    combinations: Sequence[Sequence[str]], compose: Compose, *, workload: Workload, arguments: Sequence[str] = ()
) -> ExperimentPlan:
    """Plan a plain Hydra grid, one run for each combination of overrides.

    Raises:
        ConfigurationError: No combination makes a configuration that can run.
    """
    varying = [index for index in range(len(combinations[0])) if len({row[index] for row in combinations}) > 1]
    candidates = [
        Arm(
            name=" ".join(row[index] for index in varying) or " ".join(row) or "as configured",
            overrides=tuple(row),
            config_sha256="",
        )
        for row in combinations
    ]
    return _plan("grid", candidates, compose, name="grid", blocks=1, seed=0, workload=workload, arguments=arguments)


def arm_config(arm: Arm, compose: Compose) -> RunConfig:
    """The configuration that an arm runs.

    Raises:
        ConfigurationError: Its overrides or options are wrong, or its toggles exclude each other.
    """
    config = compose(arm.overrides)
    if not arm.levels:
        return config
    opt = {name: {**options, "enabled": arm.levels.get(name, True)} for name, options in config.opt.items()}
    return config.model_copy(update={"opt": opt})


def run_digest(config: RunConfig) -> str:
    """Digest (hex) of what a run does: toggles that are off, reports, logs and criteria don't count."""
    enabled = {toggle.name: toggle.options.model_dump(mode="json") for toggle in resolve(config.opt)}
    return config_digest({**config.workload(), "opt": enabled})


def _plan(
    design: Design,
    candidates: Sequence[Arm],
    compose: Compose,
    *,
    name: str,
    blocks: int,
    seed: int,
    workload: Workload,
    arguments: Sequence[str],
    reference: str | None = None,
    factors: Sequence[str] = (),
    aliases: Sequence[str] = (),
    figures: Sequence[str] = ("runtime_s",),
    min_effect: float = 0.01,
) -> ExperimentPlan:
    arms: dict[str, Arm] = {}
    excluded: dict[str, str] = {}
    duplicates: dict[str, str] = {}
    for arm in candidates:
        try:
            sha256 = run_digest(arm_config(arm, compose))
        except ConfigurationError as error:
            if design == "grid" and not isinstance(error.__cause__, ValidationError | None):
                # A name that is not there: better told now than after everything else has run.
                raise
            excluded[arm.name] = str(error)
            continue
        if sha256 in arms:
            duplicates[arm.name] = arms[sha256].name
        else:
            arms[sha256] = arm.model_copy(update={"config_sha256": sha256})
    if not arms or (design != "grid" and len(arms) < 2):
        reasons = "; ".join(dict.fromkeys(excluded.values())) or "all arms are the same configuration"
        raise ConfigurationError(f"experiment {name!r}: nothing to compare: {reasons}")
    chosen = tuple(arms.values())
    experiment_id = digest(
        {
            "design": design,
            "name": name,
            "seed": seed,
            "workload": workload.key,
            "arms": sorted(arms),
        }
    )[:32]
    return ExperimentPlan(
        experiment_id=experiment_id,
        name=name,
        design=design,
        factors=tuple(factors),
        baseline=chosen[0].name,
        arms=chosen,
        blocks=blocks,
        seed=seed,
        jobs=schedule(experiment_id, chosen, blocks, seed, shuffled=design != "grid"),
        aliases=tuple(aliases),
        excluded=excluded,
        duplicates=duplicates,
        reference=reference if any(arm.name == reference for arm in chosen) else None,
        figures=tuple(figures),
        min_effect=min_effect,
        workload_key=workload.key,
        code_sha256=workload.code_sha256,
        input_sha256=workload.input_sha256,
        arguments=tuple(arguments),
    )


def _factors(config: ExperimentConfig) -> tuple[str, ...]:
    on = tuple(toggle.name for toggle in resolve(preset(config.base)))
    if config.toggles is None:
        return on
    for name in config.toggles:
        if name not in available():
            raise ConfigurationError(f"experiment.toggles: {name!r} is no toggle; {nearest_name(name, on)}")
        if name not in on:
            raise ConfigurationError(
                f"experiment.toggles: {name!r} is not in experiment.base={config.base!r}; known: {', '.join(on)}"
            )
    return tuple(dict.fromkeys(config.toggles))


def _levels(combination: Combination, base: str) -> dict[str, bool]:
    """Toggles of the base that are not under study are off in every arm.

    On in all but the baseline, their effect would be taken for that of whatever is under study.
    """
    return dict.fromkeys(preset(base), False) | combination.levels if combination.levels else {}
