"""What is run, on which input: a graph of the user's own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optiflow.config.checkpointer import CheckpointerAddress

__all__ = ["EffectsConfig", "GraphWorkflowConfig"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EffectsConfig(_Frozen):
    """What the author vouches for about one node, which touches nothing else."""

    reads: tuple[str, ...]
    """State keys that the node reads."""

    writes: tuple[str, ...]
    """State keys that it writes."""


class GraphWorkflowConfig(_Frozen):
    """A LangGraph graph, found by reference."""

    kind: Literal["graph"]
    """Which kind of workflow this is."""

    ref: str = Field(min_length=1)
    """Where it is: ``./langgraph.json:NAME``, ``path/file.py:NAME`` or ``module:NAME``."""

    input: Any = None
    """Its input: a mapping, or text: JSON, ``@FILE`` for a file of it, ``-`` for standard input."""

    context: dict[str, Any] | None = None
    """The run's context, for a graph with a ``context_schema``."""

    config: dict[str, Any] | None = None
    """The run's LangGraph configuration, such as ``configurable``; factories get it too."""

    resume: tuple[Any, ...] = ()
    """One value for each interrupt, in order."""

    checkpointer: CheckpointerAddress | None = None
    """Where LangGraph keeps its checkpoints, in place of the graph's own: ``memory``, ``none``, or a URL of SQLite,
    PostgreSQL or Redis; None: the graph's own, if it has one."""

    output: str | None = None
    """State key of the result; None: the whole final state, as JSON."""

    effects: dict[str, EffectsConfig] | None = None
    """Declared effects of nodes, by node name."""
