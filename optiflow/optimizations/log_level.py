"""Toggle ``log_level``: lines below a level are dropped before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from optiflow.log import Level, context_level, level_filter, severity
from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

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

    @contextmanager
    def attach(self) -> Iterator[None]:
        """Filter the log of the run, and nobody else's."""
        token = context_level.set(severity(self.options.level))
        try:
            yield
        finally:
            context_level.reset(token)

    def around(self) -> Around:
        """The same as `attach`."""
        return self._around

    @cached_property
    def _around(self) -> Around:
        least = severity(self.options.level)
        return Around(((context_level, lambda: least),))
