"""Toggle ``monitor``: the durations of the operations that ``@performance_monitor`` marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Monitor", "MonitorOptions"]


class MonitorOptions(Options):
    """Options of ``monitor``."""

    samples: int = Field(default=1024, ge=1)
    """Durations held per operation for the percentiles, which are exact up to that many calls."""


class Monitor(Optimization[MonitorOptions]):
    """Measures operations; it makes nothing faster."""

    name: ClassVar[str] = "monitor"
    options_model: ClassVar[type[Options]] = MonitorOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is: the toggle works around the run."""
        return plan.decide(Decision(self.name, "*", "applied", "marked operations are timed"))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Collect durations."""
        from optiflow.monitor.operations import PerformanceMonitor
        from optiflow.monitor.performance_monitor import collect

        with collect(PerformanceMonitor(self.options.samples)) as monitor:

            def statistics() -> Mapping[str, float | int | str]:
                return {
                    f"{row.operation}.{figure}": value
                    for row in monitor.report()
                    for figure, value in (
                        ("count", row.count),
                        ("failures", row.failures),
                        ("total_s", row.total_s),
                        ("mean_s", row.mean_s),
                        ("p95_s", row.p95_s),
                        ("max_s", row.max_s),
                    )
                }

            yield statistics

    def attach(self) -> AbstractContextManager[object]:
        """Nothing: nobody asks for the durations."""
        return nullcontext()

    def around(self) -> Around:
        """Nothing, as `attach`."""
        return Around()
