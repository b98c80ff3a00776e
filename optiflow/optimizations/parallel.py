"""Nodes of a straight chain start when what they read is ready, and commit in program order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Around, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Parallel", "ParallelOptions"]


class ParallelOptions(Options):
    """Options of the ``parallel`` toggle."""

    max_concurrency: int = Field(default=32, ge=1)
    """How many nodes of a run, and how many prompts of a batch, may be in progress at once; a run's own
    ``max_concurrency`` in its config is kept to as well."""


class Parallel(Optimization[ParallelOptions]):
    """Dataflow order for graphs, concurrency for batches of prompts."""

    name: ClassVar[str] = "parallel"
    options_model: ClassVar[type[Options]] = ParallelOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Let nodes start ahead of their turn wherever their effects show that it can't matter."""
        from optiflow.plan.dataflow.scheduling import overlap

        return overlap(plan, toggle=self.name, max_concurrency=self.options.max_concurrency)

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Dispatch batches of prompts concurrently during the run, and count what came of early work."""
        from optiflow.batching import activate
        from optiflow.plan.dataflow.tally import tallied

        with activate(self.options.max_concurrency) as batches, tallied() as early:
            yield lambda: {**batches(), **early.statistics()}

    def around(self) -> Around:
        """The same as `attach`."""
        return self._around

    @cached_property
    def _around(self) -> Around:
        from optiflow.batching.batch_optimizer import BatchOptimizer, active

        return Around(((active, partial(BatchOptimizer, self.options.max_concurrency)),))
