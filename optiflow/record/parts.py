"""The parts of a run's record: time, tokens, memory, output, quality, decisions, failure, environment."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "DecisionRecord",
    "Environment",
    "ErrorRecord",
    "Memory",
    "NodeEffects",
    "Output",
    "Part",
    "QualityRecord",
    "Timings",
    "Tokens",
]


class Part(BaseModel):
    """Base of everything in a record: frozen, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Timings(Part):
    """Where a run's time went, in seconds of its clock, CPU time in real seconds."""

    runtime_s: float
    """From the first node's start to the final state, s."""

    provider_s: float
    """Time with at least one model call in flight, s."""

    provider_total_s: float
    """All model calls added up, s; more than ``provider_s`` where they overlapped."""

    cpu_s: float
    """CPU time of the process during the run, s."""

    waiting_s: float
    """What is left of the runtime: neither provider nor CPU, s; never negative."""

    @classmethod
    def of(cls, *, runtime_s: float, provider_s: float, provider_total_s: float, cpu_s: float) -> Timings:
        """Timings whose waiting is what the others leave of the runtime."""
        return cls(
            runtime_s=runtime_s,
            provider_s=provider_s,
            provider_total_s=provider_total_s,
            cpu_s=cpu_s,
            waiting_s=max(0.0, runtime_s - provider_s - cpu_s),
        )


class Tokens(Part):
    """Tokens as the provider reported them."""

    prompt: int
    """Tokens of all prompts."""

    completion: int
    """Tokens of all answers."""

    total: int
    """Both."""

    wasted: int = 0
    """What toggles spent besides, on calls whose answers were thrown away; not part of the total, but of the bill."""

    cache_read: int = 0
    """Tokens of prompts that the provider's prompt cache had."""

    cache_write: int = 0
    """Tokens of prompts that the provider's prompt cache took."""

    cache_write_5m: int = 0
    """Those of them that it keeps for five minutes, where the provider says so."""

    cache_write_1h: int = 0
    """Those of them that it keeps for an hour, where the provider says so."""

    priced: float | None = None
    """The total, with each cached token weighted by its price over that of the model's uncached one; where a model's
    price is not known its tokens count in full. None in records of older versions."""

    unpriced: tuple[str, ...] = ()
    """Models whose prices are not known, sorted."""


class Memory(Part):
    """Memory at its peak, in MB of 10^6 bytes."""

    peak_rss_mb: float
    """Resident memory of the process, what was there before the run included."""

    start_rss_mb: float | None = None
    """The same as the run began, before any toggle was active; None in records of older versions."""

    peak_traced_mb: float | None = None
    """Memory that Python had allocated; None if it was not traced."""


class Output(Part):
    """The run's final state."""

    state: dict[str, Any]
    """The state as JSON values, see `optiflow.record.normalise`."""

    sha256: str
    """Digest of the state as it was before any secret in it was masked."""

    text: str | None = None
    """The workflow's final text, if it has one."""


class QualityRecord(Part):
    """How good the final text is."""

    kind: Literal["truth", "reference"]
    """Measured against facts, or against a reference text."""

    score: float
    """From 0 to 1."""

    grade: str
    """From F to A+."""

    right: int | None = None
    """Facts that are right; None against a reference."""

    missing: int | None = None
    """Facts that are missing; None against a reference."""

    wrong: int | None = None
    """Facts that are wrong; None against a reference."""


class DecisionRecord(Part):
    """What a toggle did about one node, or why it did not."""

    toggle: str
    """The toggle's name."""

    node: str
    """The node's name, dotted through subgraphs; ``*`` for the whole graph."""

    action: Literal["applied", "refused"]
    """What was decided."""

    reason: str
    """Why."""


class NodeEffects(Part):
    """What one node was declared to read and write."""

    reads: tuple[str, ...]
    """State keys read, sorted."""

    writes: tuple[str, ...]
    """State keys written, sorted."""


class ErrorRecord(Part):
    """Why a run failed."""

    type: str
    """Qualified name of the exception's type."""

    message: str
    """Its message."""

    where: str | None = None
    """The node, or the file and line."""


class Environment(Part):
    """The machine, the process and the code that a run ran on; see `optiflow.record.environment.capture`."""

    host: str
    """The machine's name."""

    pid: int
    """Id of the process."""

    process_started: float
    """When the process started, seconds since 1970; with the id, tells whether it still lives."""

    python: str
    """Version of Python."""

    os: str
    """Operating system, release and machine."""

    cpu: str
    """The processor's name."""

    cpu_count: int
    """Logical processors that this process may use."""

    load: tuple[float, float, float] | None = None
    """Load averages over 1, 5 and 15 minutes; None where the system keeps none."""

    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the installed distributions that matter, by name."""

    variables: dict[str, str] = Field(default_factory=dict)
    """Environment variables of an allow-list."""

    git_commit: str | None = None
    """Commit of the working directory; None outside of git."""

    git_dirty: bool | None = None
    """Whether the work tree differs from the commit; None outside of git."""

    git_diff_sha256: str | None = None
    """Digest of that difference in tracked files; None if there is none."""

    lock_sha256: str | None = None
    """Digest of the project's lock file; None without one."""
