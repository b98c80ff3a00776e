"""The configuration of an experiment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ExperimentConfig", "ObjectiveConfig", "SearchConfig", "TaskConfig"]

Design = Literal["ablate", "full", "screen", "rollback", "search"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SearchConfig(_Frozen):
    """What a search varies, and what it looks for."""

    space: dict[str, tuple[bool | int | float | str, ...]] = Field(min_length=1)
    """The values of each option by its dotted key, such as ``opt.parallel.max_concurrency``."""

    trials: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Most combinations that are tried, the baseline not counted."""

    batch: Annotated[int, Field(ge=1)] = 8
    """Combinations that are chosen, and launched, together."""


class ObjectiveConfig(_Frozen):
    """A figure that a search improves."""

    figure: str
    """Its name, such as ``runtime_s``, ``tokens`` or ``score``."""

    direction: Literal["minimize", "maximize"] = "minimize"
    """Which way is better."""


class ExperimentConfig(_Frozen):
    """Which arms there are, how often they run, and what is looked at."""

    design: Design
    """``ablate``: none, all, each alone, all minus each; ``full``: every combination; ``screen``: a fraction of them;
    ``rollback``: none, all and every rollback preset; ``search``: values of options."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """What to call it; null: as its design. Another name makes another experiment of the same plan."""

    base: str = "all"
    """The preset whose toggles are studied."""

    toggles: tuple[str, ...] | None = None
    """The toggles under study; null: those of ``base``. Others are off in every arm."""

    blocks: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Times that every arm runs."""

    seed: int = 0
    """Seed of the order within blocks."""

    resolution: Literal[3, 4, 5] = 4
    """Of a screening design: 3 mixes toggles with pairs, 4 pairs with pairs, 5 pairs with triples only."""

    figures: tuple[str, ...] = Field(default=("runtime_s", "tokens", "cpu_s", "peak_rss_mb"), min_length=1)
    """The figures that are analysed; the first decides."""

    min_effect: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The smallest change that matters, as a share: anything less is called the same."""

    fail_fast: bool = False
    """Whether the first failure ends the experiment; it can be resumed."""

    retry_failed: bool = False
    """Whether jobs that failed before are run again when the experiment is resumed."""

    dry_run: bool = False
    """Whether the jobs are only listed."""

    jobs_per_task: Annotated[int, Field(ge=1)] = 16
    """Most jobs that a launcher's worker takes at once, all of one block."""

    search: SearchConfig | None = None
    """Of the design ``search``."""

    objectives: tuple[ObjectiveConfig, ...] = ()
    """Of the design ``search``: two or more give a Pareto front."""

    @model_validator(mode="after")
    def _search_has_its_parts(self) -> ExperimentConfig:
        if self.design == "search" and (self.search is None or not self.objectives):
            raise ValueError("design 'search' needs experiment.search.space and experiment.objectives")
        return self


class TaskConfig(_Frozen):
    """What a worker is to do; set by the sweeper."""

    experiment_id: str
    """The experiment in the store."""

    jobs: tuple[str, ...]
    """Ids of its jobs, in order."""
