"""What an experiment is going to run: arms, blocks and the order of its jobs, as data that can be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Arm", "Design", "ExperimentPlan", "JobState", "PlannedJob", "job_id"]

Design = Literal["ablate", "full", "screen", "rollback", "grid", "search"]
"""How the arms are chosen."""


JobState = Literal["planned", "claimed", "done", "failed"]
"""How far a job has come; ``claimed``: a worker runs it, or died while it did."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """One configuration that takes part."""

    name: str
    """Unique in its plan, for people: ``none``, ``all``, ``only cache``, ``all minus cache``."""

    overrides: tuple[str, ...]
    """The Hydra overrides that its configuration is composed from; ``levels`` are switched afterwards."""

    levels: Mapping[str, bool] = Field(default_factory=dict)
    """Each toggle that the design switches, and whether it is on."""

    config_sha256: str
    """Digest of its resolved configuration; two arms of one plan never share it."""

    values: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    """The chosen value of each searched option by its dotted key; empty but in a search."""

    @property
    def command(self) -> tuple[str, ...]:
        """Overrides that run this arm by hand."""
        off = (f"opt.{toggle}.enabled=false" for toggle, on in self.levels.items() if not on)
        return (*self.overrides, *off)


class PlannedJob(_Frozen):
    """One arm in one block."""

    job_id: str
    """See `job_id`."""

    arm: str
    """Name of the arm."""

    block: int
    """From 0. Every arm runs once a block."""

    position: int
    """Place in the block, from 0."""


class ExperimentPlan(_Frozen):
    """Everything that is decided before the first run; never changed afterwards."""

    experiment_id: str
    """Digest of all that decides it but the number of blocks: the same plan is the same experiment, can be resumed,
    and can be given more blocks."""

    name: str
    """What the user calls it."""

    design: Design
    """How the arms were chosen."""

    factors: tuple[str, ...]
    """The toggles under study, in order."""

    baseline: str
    """Name of the arm that the others are compared with."""

    arms: tuple[Arm, ...]
    """Without duplicates."""

    blocks: int
    """Times that each arm runs."""

    seed: int
    """Of the order within blocks."""

    jobs: tuple[PlannedJob, ...]
    """In the order of execution: block after block, each in snake order of the one before."""

    aliases: tuple[str, ...] = ()
    """Effects that a fraction of the design can't tell apart, each a line such as ``cache = async×parallel``."""

    excluded: Mapping[str, str] = Field(default_factory=dict)
    """Arms that the toggles' own rules forbid, and why."""

    duplicates: Mapping[str, str] = Field(default_factory=dict)
    """Arms that are left out because they come to the configuration of another, and which."""

    reference: str | None = None
    """Of a rollback design: the arm that is rolled back, against which the cost of each rollback is told."""

    figures: tuple[str, ...] = ("runtime_s",)
    """The figures that are analysed; the first decides."""

    objectives: tuple[tuple[str, Literal["minimize", "maximize"]], ...] = ()
    """Of a search: the figures that it improves, and which way is better."""

    min_effect: float = 0.01
    """The smallest change that matters, as a share."""

    workload_key: str
    """Digest of workload, input and code; where it changes, what was measured before no longer counts."""

    code_sha256: str | None = None
    """Digest of the code that it was planned with; None in plans of older versions."""

    input_sha256: str | None = None
    """Digest of the baseline's input; None in plans of older versions."""

    arguments: tuple[str, ...] = ()
    """The command line that made it; the sweeper takes none that holds a secret."""

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)


def job_id(experiment_id: str, config_sha256: str, block: int) -> str:
    """Id of a job: the same whenever and wherever it is planned, which is what resuming rests on."""
    return hashlib.sha256(f"{experiment_id}\n{config_sha256}\n{block}".encode()).hexdigest()[:32]
