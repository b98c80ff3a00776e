"""What an experiment is going to run: arms, blocks and the order of its jobs, as data that can be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Arm", "Design", "ExperimentPlan", "PlannedJob", "job_id"]

Design = Literal["ablate", "full", "screen", "rollback", "grid", "search"]
"""How the arms are chosen."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Frozen):
    """One configuration that takes part."""

    name: str
    """Unique in its plan, for people: ``none``, ``all``, ``only cache``, ``all minus cache``."""

    overrides: tuple[str, ...]
    """The Hydra overrides that make it."""

    levels: Mapping[str, bool]
    """Each factor (a toggle of the design) and whether it is on."""

    config_sha256: str
    """Digest of its resolved configuration; two arms of one plan never share it."""

    values: Mapping[str, float | int | str] = Field(default_factory=dict)
    """The chosen value of each searched option by its dotted key; empty but in a search."""


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
    """Digest of all that decides it, so that the same plan is the same experiment and can be resumed."""

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


def job_id(experiment_id: str, config_sha256: str, block: int) -> str:
    """Id of a job: the same whenever and wherever it is planned, which is what resuming rests on."""
    return hashlib.sha256(f"{experiment_id}\n{config_sha256}\n{block}".encode()).hexdigest()[:32]
