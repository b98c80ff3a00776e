"""What the record of a run holds. Reading and writing it needs neither LangGraph nor a database."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from optiflow.monitor.observation import ModelCall, NodeObservation, NodeSpan
from optiflow.record.normalise import digest, normalise
from optiflow.record.parts import (
    DecisionRecord,
    Environment,
    ErrorRecord,
    Memory,
    NodeEffects,
    Output,
    Part,
    QualityRecord,
    Timings,
    Tokens,
)
from optiflow.record.redact import Redactor

__all__ = [
    "SCHEMA_VERSION",
    "DecisionRecord",
    "Environment",
    "ErrorRecord",
    "Memory",
    "NodeEffects",
    "Output",
    "QualityRecord",
    "RunRecord",
    "Status",
    "Timings",
    "Tokens",
    "comparison_key",
    "config_digest",
    "new_record_id",
]

SCHEMA_VERSION = 1
"""Version of the records' schema and of the store that keeps them."""

Status = Literal["running", "ok", "failed", "interrupted"]
"""How far a run has come, or how it ended."""


class RunRecord(Part):
    """One run, from the moment it starts; secrets are masked whenever a record is made.

    A run that has only begun has status ``running`` and none of the results; `evolve` adds them.
    """

    schema_version: int = SCHEMA_VERSION
    """Version of this schema."""

    record_id: str
    """Unique, 32 hexadecimal digits; any unique beginning names the record."""

    sweep_id: str | None = None
    """The sweep it belongs to, if any."""

    status: Status
    """How far the run has come, or how it ended."""

    workflow: str
    """The workflow's name."""

    config: dict[str, Any] = Field(default_factory=dict)
    """The resolved configuration."""

    config_sha256: str
    """Digest of the resolved configuration, see `config_digest`."""

    overrides: tuple[str, ...] = ()
    """What was overridden on the command line."""

    toggles: dict[str, bool] = Field(default_factory=dict)
    """Every toggle that is known and whether it is on."""

    argv: tuple[str, ...] = ()
    """The command line."""

    environment: Environment
    """Machine, process and code."""

    model: str | None = None
    """Id of the model."""

    seed: int | None = None
    """Seed of whatever is random in the run."""

    block: int | None = None
    """Number of the block in a sweep."""

    position: int | None = None
    """Place within the block."""

    clock: Literal["real", "virtual"]
    """Which time the figures are in."""

    started_at: AwareDatetime
    """UTC."""

    ended_at: AwareDatetime | None = None
    """UTC; None while it runs."""

    code_sha256: str
    """Digest of OptiFlow's sources and the user's graph code, see `optiflow.record.environment`."""

    input_sha256: str
    """Digest of everything that the workflow read."""

    comparison_key: str
    """The same for runs that may be compared, see `comparison_key`."""

    timings: Timings | None = None
    """Where the time went."""

    tokens: Tokens | None = None
    """Tokens used."""

    cost_usd: float | None = None
    """Cost in US dollars; None where no price is known."""

    model_calls: tuple[ModelCall, ...] = ()
    """Every request to a model, by start."""

    nodes: tuple[NodeSpan, ...] = ()
    """Every execution of a node, by start."""

    memory: Memory | None = None
    """Memory at its peak."""

    output: Output | None = None
    """The final state."""

    quality: QualityRecord | None = None
    """How good the final text is; None where it can't be measured."""

    decisions: tuple[DecisionRecord, ...] = ()
    """What each toggle did to each node, or why not."""

    effects: dict[str, NodeEffects] | None = None
    """What each node was declared to read and write; None for a graph of which nobody declared it."""

    observed: dict[str, NodeObservation] | None = None
    """What each node was seen to read, write and touch, dotted through subgraphs; None where nobody looked, as in
    runs with toggles."""

    deciding: tuple[str, ...] = ()
    """Nodes behind which the graph branches."""

    statistics: dict[str, dict[str, float | int | str]] = Field(default_factory=dict)
    """What each toggle counted: figure by name, by toggle."""

    error: ErrorRecord | None = None
    """Why it failed, if it did."""

    traceback: str | None = None
    """The traceback, if it failed."""

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        version = data.get("schema_version", SCHEMA_VERSION)
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ValueError(f"has schema version {version}, this OptiFlow knows {SCHEMA_VERSION}: update OptiFlow")
        redactor = Redactor(data.get("config"))
        cleaned = dict(data)
        for name in ("config", "environment", "model_calls", "nodes", "observed", "decisions", "error", "traceback"):
            if name in cleaned:
                cleaned[name] = redactor.tree(cleaned[name])
        for name in ("overrides", "argv"):
            cleaned[name] = redactor.arguments(cleaned.get(name, ()))
        if "output" in cleaned:
            cleaned["output"] = redactor.known(cleaned["output"])
        return cleaned

    @property
    def toggles_on(self) -> tuple[str, ...]:
        """Names of the toggles that are on, sorted."""
        return tuple(sorted(name for name, on in self.toggles.items() if on))

    def evolve(self, **changes: Any) -> RunRecord:
        """A copy with some fields changed, validated and without secrets like any other record."""
        return RunRecord.model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


def new_record_id() -> str:
    """A fresh id: random, so that a few of its first digits name the record."""
    return uuid.uuid4().hex


def comparison_key(**parts: str) -> str:
    """Digest (hex) of what two runs must have in common to be compared: workflow, input, code and the like.

    Toggles are never a part.
    """
    return digest(parts)


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a resolved configuration; secrets don't count."""
    return digest(normalise(Redactor(config, environ={}).tree(config)))
