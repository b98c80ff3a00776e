"""The implementation lines of phases 1 and 2: counting tokens off the event loop, and with one tokenizer."""

from __future__ import annotations

import asyncio
import inspect
import io
import threading
from collections.abc import Iterator

from optiflow.checklist.lines import Line
from optiflow.checklist.signoff.backing import created, of_toggle, statistics_of
from optiflow.checklist.signoff.evidence import Evidence
from optiflow.checklist.signoff.sources import calls_of
from optiflow.log import logging_to
from optiflow.optimizations.registry import resolve
from optiflow.tokens import TokenizerCache, count_tokens, count_tokens_async
from optiflow.tokens.counting import NaiveCounter, use_counter

__all__ = ["async_token_lines", "remembering_line", "tokenizer_cache_lines"]

_TOKENS = "tokens/"


def async_token_lines(evidence: Evidence) -> Iterator[Line]:
    """Phase 1."""
    coroutine = inspect.iscoroutinefunction(count_tokens_async)
    shown = f"{'a' if coroutine else 'no'} coroutine function of `{count_tokens_async.__module__}`"
    yield Line("`count_tokens_async()` created", coroutine, shown)
    text = "CPU work leaves the event loop, as with `await asyncio.to_thread()`"
    yield of_toggle(evidence, "async", text, _offloading)
    callers = [call for call in calls_of("count_tokens_async") if not call.module.startswith(_TOKENS)]
    direct = [call for call in calls_of("count_tokens") if not call.module.startswith(_TOKENS)]
    blocking = [str(call) for call in direct if call.in_coroutine]
    yield Line(
        "All callers use the async version",
        bool(callers) and not blocking,
        f"{len(callers)} calls of it outside of {_TOKENS}; coroutines that still call the synchronous one: "
        f"{', '.join(blocking) or 'none'}",
    )
    sample, model = evidence.context.texts[0][:4000], evidence.context.config.model.tokenizer
    count, awaited = count_tokens(sample, model), asyncio.run(count_tokens_async(sample, model))
    yield Line(
        "Sync fallback maintained",
        count == awaited and not inspect.iscoroutinefunction(count_tokens),
        f"`count_tokens()` counts {count:,} tokens where the async version counts {awaited:,}",
    )


class _Watched(NaiveCounter):
    """Notes the threads that counts run on."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def count(self, text: str, model: str) -> int:
        self.threads.add(threading.get_ident())
        return super().count(text, model)


def _offloading(evidence: Evidence) -> tuple[bool, str]:
    context, watched = evidence.context, _Watched()
    (toggle,) = resolve({"async": context.config.opt["async"]})
    document = context.texts[0] * 8
    with use_counter(watched), toggle.activate() as statistics:
        asyncio.run(count_tokens_async(document, context.config.model.tokenizer))
        offloaded = int(statistics()["offloaded"])
    elsewhere = threading.get_ident() not in watched.threads
    seen = statistics_of(evidence, "async")
    counts = seen["offloaded"] + seen["inline"]
    return (
        offloaded > 0 and elsewhere,
        f"{len(document):,} characters were counted on {'another thread' if elsewhere else 'the event loop'}; in the "
        f"run {seen['offloaded']:,} of {counts:,} counts were long enough to gain from it",
    )


def tokenizer_cache_lines(evidence: Evidence) -> Iterator[Line]:
    """Phase 2."""
    single = TokenizerCache() is TokenizerCache()
    shown = f"a singleton: calling it {'gives the same object' if single else 'makes ANOTHER object'}"
    yield created("tokenizer_cache.py", TokenizerCache, holds=single, shown=shown)
    calls = calls_of("encoding_for_model")
    outside = [str(call) for call in calls if not call.module.startswith(_TOKENS)]
    inside = [str(call) for call in calls if call.module.startswith(_TOKENS)]
    yield Line(
        "All `tiktoken.encoding_for_model()` calls replaced",
        not outside,
        f"outside of {_TOKENS}: {', '.join(outside) or 'none'}; inside: {', '.join(inside) or 'none'}, the untouched "
        "baseline that a rollback returns to",
    )
    yield of_toggle(evidence, "cache", "Single instance across all agents", _single_instance)
    yield of_toggle(evidence, "cache", "Cache statistics logged", _logged_statistics)


def _single_instance(evidence: Evidence) -> tuple[bool, str]:
    seen = statistics_of(evidence, "cache")
    nodes = len({span.node for span in evidence.outcome.record.nodes})
    built, counts = seen["tokenizer_initializations"], seen["count_hits"] + seen["count_misses"]
    return built == 1, f"built {built} time(s) in this process, for {counts:,} counts of {nodes} nodes in one run"


def _logged_statistics(evidence: Evidence) -> tuple[bool, str]:
    context, written = evidence.context, io.StringIO()
    (toggle,) = resolve({"cache": context.config.opt["cache"]})
    with logging_to(written, "INFO"), toggle.activate():
        count_tokens(context.texts[0][:400], context.config.model.tokenizer)
    lines = [line for line in written.getvalue().splitlines() if "count_hit_rate" in line]
    return len(lines) == 1, f"`{lines[0].partition('event=')[2]}`" if lines else "no such line in the log"


def remembering_line(evidence: Evidence) -> Line:
    """That counts are remembered, in bounded memory."""
    return of_toggle(evidence, "cache", "Token counting remembers recent counts, as `@lru_cache`", _remembering)


def _remembering(evidence: Evidence) -> tuple[bool, str]:
    options = {**evidence.context.config.opt["cache"], "max_entries": 2}
    (toggle,) = resolve({"cache": options})
    with toggle.activate() as statistics:
        for text in ("one", "two", "three", "three"):
            count_tokens(text, evidence.context.config.model.tokenizer)
        seen = dict(statistics())
    share = statistics_of(evidence, "cache")["count_hit_rate"]
    return (
        (seen["entries"], seen["evictions"], seen["count_hits"]) == (2, 1, 1),
        f"of three texts a cache for two held {seen['entries']}; {share:.1%} of the run's counts were remembered",
    )
