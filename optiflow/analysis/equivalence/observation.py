"""What one observed use of a graph showed, as plain values that can be compared, stored and printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["LOG_RECORD", "CheckpointView", "Effect", "Event", "Failure", "Json", "ModelRequest", "Observation", "Turn"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A JSON-able value, normalised: equal for two runs that did the same."""

LOG_RECORD = "log record"
"""The kind of effect that a message to a log is; among overlapped nodes these have no order."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that a turn ended with."""

    type: str
    """Qualified name of the exception's class."""
    message: str
    """Its text, without identifiers that change from run to run."""
    node: str | None
    """The node that raised it, the innermost one where graphs are nested; None: LangGraph itself did."""


@dataclass(frozen=True, slots=True)
class Event:
    """One item of a stream."""

    mode: str
    """The stream mode, or ``events`` for an item of ``astream_events``."""
    namespace: tuple[str, ...]
    """Names of the nodes that lead to the graph that emitted it; empty for the root graph."""
    node: str | None
    """The node that the event tells of; None where the event tells of the graph."""
    body: Json
    """What it tells."""
    position: Json
    """Where in the run LangGraph says that it is: superstep, triggers, path."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of the graph: an input given, a resume value, or a change of the state by hand."""

    output: Json
    """What the call returned; for a stream the last state that it showed."""
    interrupts: tuple[Json, ...]
    """Values of the interrupts that ended the turn, in order."""
    failure: Failure | None
    """The exception that ended the turn."""
    events: tuple[Event, ...]
    """The stream, in the order in which it was received; empty unless the turn was streamed."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to a model."""

    node: str | None
    """The node that asked."""
    digest: str
    """SHA-256 (hex) of the prompt and the settings."""
    prompt: str
    """The end of the prompt, at most 80 characters, for people."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing done outside of the state."""

    kind: str
    """What was done: a name that the test gave, or an audit event such as ``open``."""
    detail: Json
    """To what."""


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """One checkpoint of the thread's history."""

    source: str
    """Where it came from: ``input``, ``loop``, ``update`` or ``fork``."""
    step: int
    """Its superstep; -1 is the input."""
    values: Json
    """The state."""
    next: tuple[str, ...]
    """The nodes that are to run from it."""
    tasks: Json
    """What became of these: name, result, error and interrupts."""
    writes: tuple[tuple[str, Json], ...]
    """What the tasks of this step wrote, as (key, value) in the order of application."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that was seen of one use of a graph."""

    turns: tuple[Turn, ...]
    """Every call, in order."""
    model_requests: tuple[ModelRequest, ...]
    """Every request to a model, in the order in which they started."""
    effects: tuple[Effect, ...]
    """Everything that was done outside of the state, in order."""
    state: Json
    """The thread's state at the end, subgraphs included; None without a checkpointer."""
    checkpoints: tuple[CheckpointView, ...]
    """The thread's history, oldest first; empty without a checkpointer."""
