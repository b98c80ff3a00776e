"""Toggle ``cache``: what was worked out once is not worked out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from optiflow.log import get_logger
from optiflow.optimizations.base import Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.caching.backends.resilient import Resilient
    from optiflow.caching.nodes.node_cache import NodeCache
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Cache", "CacheOptions"]

_log = get_logger(__name__)


class CacheOptions(Options):
    """Options of ``cache``."""

    max_entries: int = Field(default=65_536, ge=1)
    """Most token counts held."""

    max_characters: int = Field(default=16_000_000, ge=1)
    """Most characters of text held with them, which bounds the memory: 1 to 4 bytes each."""

    nodes: Literal["none", "auto"] | tuple[str, ...] = "none"
    """Nodes whose outcomes are kept. ``auto``: those of which the code shows that the same input gives the same
    outcome, and that wait for something. Names, dotted through subgraphs: these, for which the user answers; their key
    is all that they are given, unless their effects are known."""

    merge_calls: Literal["deterministic", "all", "none"] = "none"
    """Which model calls wait for an equal one in progress; ``all``: also those meant to be drawn at random. With
    ``all``, ``auto`` keeps nodes that ask such models too."""

    responses: bool = False
    """Whether answers of models are kept from run to run."""

    backend: Literal["memory", "sqlite", "redis", "postgres"] = "memory"
    """Where outcomes are kept; ``memory`` belongs to one set of toggles in one process."""

    url: str | None = None
    """Address of the backend; for ``sqlite`` by default ``cache.sqlite`` in ``OPTIFLOW_HOME``."""

    max_mb: float = Field(default=256.0, gt=0)
    """Most megabytes of outcomes held; the least recently used go."""

    max_age_s: float | None = Field(default=None, gt=0)
    """Seconds after which an outcome is worked out anew; null: never."""

    @model_validator(mode="after")
    def _address(self) -> CacheOptions:
        if self.backend in ("redis", "postgres") and self.url is None:
            raise ValueError(f"backend {self.backend!r} needs a url")
        if self.backend == "memory" and self.url is not None:
            raise ValueError("backend 'memory' takes no url")
        return self


class Cache(Optimization[CacheOptions]):
    """Counts each text once, and keeps outcomes of nodes and model calls where asked to."""

    name: ClassVar[str] = "cache"
    options_model: ClassVar[type[Options]] = CacheOptions

    @cached_property
    def _store(self) -> Resilient:
        """The place of everything that is kept, opened on first use."""
        from optiflow.caching.backends.base import Limits, open_backend
        from optiflow.caching.backends.resilient import Resilient

        limits = Limits(int(self.options.max_mb * 2**20), self.options.max_age_s)
        return Resilient(open_backend(self.options.backend, self.options.url, limits))

    @cached_property
    def _nodes(self) -> NodeCache | None:
        if self.options.nodes == "none":
            return None
        from optiflow.caching.nodes.node_cache import NodeCache

        return NodeCache(lambda: self._store)

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Keep the outcomes of the chosen nodes; everything else works around the run."""
        plan = plan.decide(Decision(self.name, "*", "applied", "token counts are remembered within the run"))
        if self._nodes is None:
            return plan
        from optiflow.caching.nodes.judging import cache_nodes

        any_model = self.options.merge_calls == "all"
        return cache_nodes(plan, self._nodes, toggle=self.name, choice=self.options.nodes, any_model=any_model)

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Count through a cache that is empty at first; its statistics are logged at the end."""
        from optiflow.tokens.counting import use_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        cache = CountCache(self.options.max_entries, self.options.max_characters)
        before = self._kept()

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
                **{name: figure - before[name] for name, figure in self._kept().items()},
            }

        try:
            with use_counter(cache):
                yield statistics
        finally:
            _log.info("tokenizer cache", **statistics())

    @contextmanager
    def attach(self) -> Iterator[object]:
        """Count through a cache, without a line in the program's log for each run."""
        from optiflow.tokens.counting import use_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        self._kept()
        with ExitStack() as stack:
            yield stack.enter_context(use_counter(CountCache(self.options.max_entries, self.options.max_characters)))

    def _kept(self) -> Mapping[str, int]:
        """Figures of what is kept, over all runs so far; a place that does not answer is noticed here."""
        if self._nodes is None:
            return {}
        return {**self._nodes.statistics(), "backend_errors": self._nodes.store.errors}
