"""Toggle ``log_level``: lines below a level are dropped before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from optiflow.log import Level, level_filter
from optiflow.optimizations.base import Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["LogLevel", "LogLevelOptions"]


class LogLevelOptions(Options):
    """Options of ``log_level``."""

    level: Level = "WARNING"
    """Lines below it are dropped; where the log is configured to be stricter, it stays so."""


class LogLevel(Optimization[LogLevelOptions]):
    """Makes the log quiet."""

    name: ClassVar[str] = "log_level"
    options_model: ClassVar[type[Options]] = LogLevelOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is: the toggle works around the run."""
        return plan.decide(Decision(self.name, "*", "applied", f"log lines below {self.options.level} are dropped"))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Filter the log."""
        with level_filter(self.options.level) as filtered:
            yield lambda: {"level": self.options.level, "filtered": filtered()}
