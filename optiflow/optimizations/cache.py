"""Toggle ``cache``: one tokenizer for the process, and token counts remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.log import get_logger
from optiflow.optimizations.base import Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Cache", "CacheOptions"]

_log = get_logger(__name__)


class CacheOptions(Options):
    """Options of ``cache``."""

    max_entries: int = Field(default=65_536, ge=1)
    """Most token counts held."""

    max_characters: int = Field(default=16_000_000, ge=1)
    """Most characters of text held with them, which bounds the memory: 1 to 4 bytes each."""


class Cache(Optimization[CacheOptions]):
    """Counts each text once."""

    name: ClassVar[str] = "cache"
    options_model: ClassVar[type[Options]] = CacheOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is: the toggle works around the run."""
        return plan.decide(Decision(self.name, "*", "applied", "token counts are remembered within the run"))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Count through a cache that is empty at first; its statistics are logged at the end."""
        from optiflow.tokens.counting import use_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        cache = CountCache(self.options.max_entries, self.options.max_characters)

        def statistics() -> Mapping[str, float | int | str]:
            seen = cache.statistics()
            return {
                "count_hits": seen.hits,
                "count_misses": seen.misses,
                "count_hit_rate": seen.hit_rate,
                "tokenizer_hits": seen.tokenizer_hits,
                "tokenizer_hit_rate": seen.tokenizer_hit_rate,
                "tokenizer_initializations": seen.initializations,
                "entries": seen.entries,
                "characters": seen.characters,
                "evictions": seen.evictions,
            }

        try:
            with use_counter(cache):
                yield statistics
        finally:
            _log.info("tokenizer cache", **statistics())

    def attach(self) -> AbstractContextManager[object]:
        """Count through a cache, without a line in the program's log for each run."""
        from optiflow.tokens.counting import use_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        return use_counter(CountCache(self.options.max_entries, self.options.max_characters))
