"""A workflow that is ready to run: the graph as built, its input, and what its answers are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optiflow.plan.effects import Effects
from optiflow.workflow.truth import PackageTruth

if TYPE_CHECKING:
    from langgraph.graph import StateGraph
    from langgraph.types import Checkpointer

__all__ = ["Documents", "Workflow"]

Documents = dict[str, dict[str, str]]
"""The input documents: for each name, the text of each of its sections."""


@dataclass(frozen=True)
class Workflow:
    """What a run needs to know of its workflow."""

    name: str
    """The workflow's name, in records and reports."""

    builder: StateGraph[Any, Any, Any, Any]
    """The graph as the application builds it, not compiled; it is never changed."""

    input: Mapping[str, Any]
    """What the graph is invoked with."""

    effects: Mapping[str, Effects]
    """What each node reads and writes, as declared."""

    output_key: str
    """State key of the final text."""

    input_digest: str
    """SHA-256, in hexadecimal, of everything that was read."""

    truth: Mapping[str, PackageTruth] | None = None
    """The facts of each package, for a brief on packages; else None."""

    reference: str | None = None
    """A text by somebody else to compare with, where there is one."""

    checkpointer: Callable[[], AbstractContextManager[Checkpointer]] | None = None
    """Opens a checkpointer for one run; None: a declared graph runs without, a user's with its own."""
