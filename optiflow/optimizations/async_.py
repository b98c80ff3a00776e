"""Toggle ``async``: long token counts leave the event loop, and what blocks the loop is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Async", "AsyncOptions"]

PLACES_SHOWN = 10


class AsyncOptions(Options):
    """Options of ``async``."""

    min_characters: int = Field(default=8192, ge=0)
    """Texts from this length on are counted in a thread. Counting that much takes some 0.4 ms, the way to a
    thread and back 0.1 to 0.2 ms (``benchmarks/micro.py``)."""

    blocking_threshold_ms: float = Field(default=100.0, gt=0)
    """A callback that holds the event loop for at least this long, in milliseconds, counts as blocking."""


class Async(Optimization[AsyncOptions]):
    """Counts long texts in threads and watches the event loop."""

    name: ClassVar[str] = "async"
    options_model: ClassVar[type[Options]] = AsyncOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is: the toggle works around the run."""
        return plan.decide(
            Decision(self.name, "*", "applied", "long token counts run in threads; blocking calls are reported")
        )

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Offload counting and watch the event loops."""
        from optiflow.monitor.blocking import detect_blocking
        from optiflow.tokens.counting import use_offload

        threshold_s = self.options.blocking_threshold_ms / 1000
        with use_offload(self.options.min_characters) as offload, detect_blocking(threshold_s) as blocking:

            def statistics() -> Mapping[str, float | int | str]:
                seen = blocking.report()
                return {
                    "offloaded": offload.offloaded,
                    "inline": offload.inline,
                    "blocking_calls": seen.calls,
                    "blocking_places": "; ".join(str(place) for place in seen.places[:PLACES_SHOWN]),
                    "longest_block_ms": seen.longest_block_s * 1000,
                }

            yield statistics

    def attach(self) -> AbstractContextManager[object]:
        """Offload counting, without watching: nobody asks what was seen."""
        from optiflow.tokens.counting import use_offload

        return use_offload(self.options.min_characters)
