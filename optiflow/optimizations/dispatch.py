"""Toggle ``dispatch``: LangGraph's own work between nodes, left out while nobody listens to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from optiflow.optimizations.base import Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Dispatch", "DispatchOptions"]


class DispatchOptions(Options):
    """Options of ``dispatch``."""


class Dispatch(Optimization[DispatchOptions]):
    """Makes the framework's own share of a run smaller."""

    name: ClassVar[str] = "dispatch"
    options_model: ClassVar[type[Options]] = DispatchOptions
    only_rewrites: ClassVar[bool] = True

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Give the graph a leaner loop and its nodes leaner runnables."""
        from optiflow.dispatch.installing import run_lean

        return run_lean(plan, toggle=self.name)

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Count what was lean."""
        from optiflow.dispatch.tally import counting

        with counting() as tally:

            def statistics() -> Mapping[str, float | int | str]:
                return {"runs_lean": tally.runs_lean, "runs_full": tally.runs_full, "nodes_lean": tally.nodes}

            yield statistics
