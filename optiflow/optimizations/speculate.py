"""The likely branch of a router starts early; if it is not taken, nothing of it remains but its tokens, counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from optiflow.optimizations.base import Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan
    from optiflow.plan.speculation.guessing import Policy

__all__ = ["Speculate", "SpeculateOptions"]


class SpeculateOptions(Options):
    """Options of the ``speculate`` toggle."""

    branch: Literal["auto", "first", "last"] | dict[str, str] = "auto"
    """Which branch is expected: ``auto`` learns it from earlier runs, ``first`` and ``last`` take it from the order in
    which a router declares its targets, and ``{NODE: TARGET}`` names it for each node with a router behind it."""

    min_probability: float = Field(default=0.6, ge=0, le=1)
    """For ``auto``: the share of earlier decisions that a branch must have had to be expected."""

    min_observations: int = Field(default=5, ge=1)
    """For ``auto``: how many decisions of a router have to be known before anything is expected of it."""

    max_wasted_tokens: int | None = Field(default=None, ge=0)
    """When branches that were not taken have cost this many tokens, the run starts no more of them; None: no limit."""


class Speculate(Optimization[SpeculateOptions]):
    """Starts the expected branch of a router while the node in front of it runs."""

    name: ClassVar[str] = "speculate"
    options_model: ClassVar[type[Options]] = SpeculateOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Let branches start early wherever they can be undone."""
        from optiflow.plan.speculation.speculating import speculate

        return speculate(
            plan, toggle=self.name, policy=self._policy(), max_wasted_tokens=self.options.max_wasted_tokens
        )

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Keep count during the run."""
        from optiflow.plan.speculation.tally import tallied

        with tallied() as tally:
            yield tally.statistics

    def _policy(self) -> Policy:
        from optiflow.plan.speculation.guessing import Learned, Named, Position

        branch = self.options.branch
        if isinstance(branch, Mapping):
            return Named(branch)
        if branch == "auto":
            return Learned(self.options.min_probability, self.options.min_observations)
        return Position(branch)
