"""The configuration tree as frozen models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from optiflow.config.criteria import CriteriaConfig
from optiflow.config.experiment import ExperimentConfig
from optiflow.config.model import ModelConfig
from optiflow.config.workflow import WorkflowConfig

__all__ = ["ClockConfig", "LogConfig", "LogLevel", "ReportConfig", "RunConfig"]

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClockConfig(_Frozen):
    """Which time a run is measured in."""

    kind: Literal["real", "virtual"]
    """``virtual``: provider time passes at once; ``real``: as on the wall."""


class LogConfig(_Frozen):
    """Where logs go before any toggle has its say."""

    level: LogLevel = "INFO"
    """The lowest level that is written."""

    destination: Literal["file", "stderr"] = "file"
    """``file``: one a day in the folder for logs; ``stderr``: standard error."""


class ReportConfig(_Frozen):
    """How the outcome is shown."""

    format: Literal["terminal", "json"] = "terminal"
    """``terminal``: a table; ``json``: exactly one object on standard output."""

    progress: bool = True
    """Whether a progress bar is drawn while nodes run, where standard error is a terminal."""


class RunConfig(_Frozen):
    """Everything that decides one run."""

    workflow: WorkflowConfig
    """What is run, on which input."""

    model: ModelConfig
    """The chat model that answers."""

    clock: ClockConfig
    """The time that the run is measured in."""

    opt: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each toggle, by its name; a toggle that is not here is off."""

    criteria: CriteriaConfig
    """What the outcome is held against."""

    report: ReportConfig
    """How the outcome is shown."""

    log: LogConfig
    """Where logs go."""

    seed: int = 0
    """Seed of everything that is drawn at random."""

    memory: Literal["rss", "traced"] = "rss"
    """``traced`` adds tracemalloc, which makes a run several times slower."""

    @model_validator(mode="after")
    def _real_provider_needs_real_time(self) -> RunConfig:
        if self.clock.kind == "virtual" and self.model.provider != "offline":
            raise ValueError(
                f"model.provider={self.model.provider!r} answers in real time and needs clock=real, not clock=virtual"
            )
        return self

    experiment: ExperimentConfig | None = None
    """The experiment that the run is a part of; None: it stands alone."""

    def without_toggles(self) -> RunConfig:
        """The same run as its own baseline."""
        return self.model_copy(update={"opt": {}})

    def workload(self) -> dict[str, Any]:
        """What makes two runs comparable: everything except toggles, criteria, report, logs and experiment."""
        return self.model_dump(mode="json", exclude={"opt", "criteria", "report", "log", "experiment"})
