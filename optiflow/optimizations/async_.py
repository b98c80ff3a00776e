"""Toggle ``async``: what would block the event loop runs in threads, of which there are enough; the rest is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan
    from optiflow.tokens.counting import Offload

__all__ = ["Async", "AsyncOptions"]

PLACES_SHOWN = 10


class AsyncOptions(Options):
    """Options of ``async``."""

    min_characters: int = Field(default=8192, ge=0)
    """Texts from this length on are counted in a thread. Counting that much takes some 0.4 ms, the way to a
    thread and back 0.1 to 0.2 ms (``benchmarks/micro.py``)."""

    blocking_threshold_ms: float = Field(default=100.0, gt=0)
    """A callback that holds the event loop for at least this long, in milliseconds, counts as blocking."""

    sync_threads: int = Field(default=64, ge=1)
    """How many sync nodes and tools, and blocking calls of async nodes, may run at once. Pools that are larger, and
    what a run's own ``max_concurrency`` or the application's own executor says, stay as they are."""

    offload: bool = True
    """Whether blocking calls of async nodes run in threads where the node's code shows that nobody can tell, but for
    the order of independent events."""


class Async(Optimization[AsyncOptions]):
    """Keeps the event loop free, and watches it."""

    name: ClassVar[str] = "async"
    options_model: ClassVar[type[Options]] = AsyncOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Take blocking calls out of async nodes wherever their effects show that it can't matter."""
        from optiflow.offload.judging import free_the_loop

        threads = self.options.sync_threads
        plan = free_the_loop(plan, toggle=self.name, threads=threads, offload=self.options.offload)
        around = f"sync code has {threads} threads; long token counts run in threads; blocking calls are reported"
        return plan.decide(Decision(self.name, "*", "applied", around))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Make the pools large enough, offload counting and watch the event loops."""
        from optiflow.monitor.blocking import detect_blocking
        from optiflow.offload.pool import enough_threads
        from optiflow.tokens.counting import use_offload

        threshold_s = self.options.blocking_threshold_ms / 1000
        with (
            enough_threads(self.options.sync_threads),
            use_offload(self.options.min_characters) as offload,
            detect_blocking(threshold_s) as blocking,
        ):

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

    @contextmanager
    def attach(self) -> Iterator[Offload]:
        """Make the pools large enough and offload counting, without watching: nobody asks what was seen."""
        from optiflow.offload.pool import enough_threads
        from optiflow.tokens.counting import use_offload

        with enough_threads(self.options.sync_threads), use_offload(self.options.min_characters) as offload:
            yield offload

    def around(self) -> Around:
        """The same as `attach`."""
        return self._around

    @cached_property
    def _around(self) -> Around:
        from optiflow.offload.pool import POOLS, sync_threads
        from optiflow.tokens.counting import Offload, active_offload

        threads, offload = self.options.sync_threads, Offload(self.options.min_characters)
        return Around(((sync_threads, lambda: threads), (active_offload, lambda: offload)), (POOLS, offload))
