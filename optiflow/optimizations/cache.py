"""Toggle ``cache``: what was worked out once is not worked out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from optiflow.log import get_logger
from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.caching.backends.resilient import Resilient
    from optiflow.caching.calls.statistics import CallStatistics
    from optiflow.caching.nodes.node_cache import NodeCache
    from optiflow.plan.graph_plan import GraphPlan
    from optiflow.tokens.tokenizer_cache import CountCache

__all__ = ["Cache", "CacheOptions"]

_log = get_logger(__name__)


class CacheOptions(Options):
    """Options of ``cache``."""

    max_entries: int = Field(default=65_536, ge=1)
    """Most token counts held."""

    max_characters: int = Field(default=16_000_000, ge=1)
    """Most characters of text held with them, which bounds the memory: 1 to 4 bytes each."""

    nodes: Literal["none", "auto"] | tuple[str, ...] | None = None
    """Nodes whose outcomes are kept. ``auto``: those of which the code shows that the same input gives the same
    outcome, and that wait for something. Names, dotted through subgraphs: these, for which the user answers; their key
    is all that they are given, unless their effects are known. None: ``auto`` where a backend is named that else had
    nothing to keep, ``none`` otherwise."""

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

    @property
    def kept_nodes(self) -> Literal["none", "auto"] | tuple[str, ...]:
        """Nodes whose outcomes are kept."""
        if self.nodes is not None:
            return self.nodes
        return "none" if self.backend == "memory" or self.responses else "auto"

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

    _arm = ""
    """The toggles beside this one; what no graph was rewritten for is kept by its options alone."""

    @cached_property
    def _store(self) -> Resilient:
        """The place of everything that is kept, opened on first use."""
        from optiflow.caching.backends.base import Limits
        from optiflow.caching.backends.resilient import Resilient
        from optiflow.caching.backends.sharing import shared_backend

        limits = Limits(int(self.options.max_mb * 2**20), self.options.max_age_s)
        return Resilient(shared_backend(self.options.backend, self.options.url, limits))

    @cached_property
    def _nodes(self) -> NodeCache | None:
        if self.options.kept_nodes == "none":
            return None
        from optiflow.caching.nodes.node_cache import NodeCache

        return NodeCache(lambda: self._store)

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Keep the outcomes of the chosen nodes; everything else works around the run."""
        self._arm = plan.arm
        plan = plan.decide(Decision(self.name, "*", "applied", self._around()))
        if self._nodes is None:
            return plan
        from optiflow.caching.nodes.judging import cache_nodes

        any_model = self.options.merge_calls == "all"
        return cache_nodes(plan, self._nodes, toggle=self.name, choice=self.options.kept_nodes, any_model=any_model)

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Count through a cache that is empty at first; its statistics are logged at the end."""
        with self._held() as (counts, calls):
            before = self._kept()

            def statistics() -> Mapping[str, float | int | str]:
                seen = counts.statistics()
                kept = {name: figure - before[name] for name, figure in self._kept().items()}
                for name, figure in ({} if calls is None else calls.figures()).items():
                    kept[name] = kept.get(name, 0) + figure
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
                    **kept,
                }

            try:
                yield statistics
            finally:
                _log.info("tokenizer cache", **statistics())
                self._let_go()

    def _let_go(self) -> None:
        """Close what the run left open; memory, which is no connection, is kept for the next."""
        store = self.__dict__.get("_store")
        if store is not None and not store.in_process:
            store.backend.close()

    def attach(self) -> AbstractContextManager[object]:
        """Count through a cache, without a line in the program's log for each run."""
        return self._held()

    def around(self) -> Around:
        """The same as `attach`."""
        return self._lean

    @cached_property
    def _lean(self) -> Around:
        from optiflow.tokens.counting import active_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        if self._nodes is not None or self.options.responses:
            _ = self._store
        counts = (active_counter, partial(CountCache, self.options.max_entries, self.options.max_characters))
        if self.options.merge_calls == "none" and not self.options.responses:
            return Around((counts,))
        from optiflow.caching.backends.partition import Partition
        from optiflow.caching.calls.activation import HOOKS, _current
        from optiflow.caching.calls.model_calls import ModelCalls

        responses = Partition(self._store, self._arm) if self.options.responses else None
        return Around((counts, (_current, partial(ModelCalls, self.options.merge_calls, responses))), (HOOKS,))

    @contextmanager
    def _held(self) -> Iterator[tuple[CountCache, CallStatistics | None]]:
        """What holds around a run. A place that does not answer is noticed here, before anything runs."""
        from optiflow.tokens.counting import use_counter
        from optiflow.tokens.tokenizer_cache import CountCache

        counts = CountCache(self.options.max_entries, self.options.max_characters)
        if self._nodes is not None or self.options.responses:
            _ = self._store
        with use_counter(counts), self._merged_calls() as calls:
            yield counts, calls

    @contextmanager
    def _merged_calls(self) -> Iterator[CallStatistics | None]:
        if self.options.merge_calls == "none" and not self.options.responses:
            yield None
            return
        from optiflow.caching.backends.partition import Partition
        from optiflow.caching.calls.activation import activate

        responses = Partition(self._store, self._arm) if self.options.responses else None
        with activate(self.options.merge_calls, responses) as calls:
            yield calls

    def _kept(self) -> dict[str, float | int]:
        """Figures of what is kept, over all runs so far."""
        if self._nodes is None and not self.options.responses:
            return {}
        figures = {} if self._nodes is None else self._nodes.statistics()
        return {**figures, "backend_errors": self._store.errors}

    def _around(self) -> str:
        """What happens around each run."""
        parts = ["token counts are remembered within the run"]
        if self.options.merge_calls != "none":
            which = "equal" if self.options.merge_calls == "all" else "equal deterministic"
            parts.append(f"{which} model calls in progress are one")
        if self.options.responses:
            parts.append(f"answers of models are kept in {self.options.backend}")
        return "; ".join(parts)
