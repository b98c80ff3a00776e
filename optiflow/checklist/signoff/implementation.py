"""The checklist's implementation lines, each backed by asking the code itself or by what a run left behind."""

from __future__ import annotations

import asyncio
import inspect
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from optiflow.batching import BatchOptimizer, process_prompts_parallel
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Evidence
from optiflow.checklist.signoff.sources import calls_of
from optiflow.clock import VirtualClock, use_clock
from optiflow.log import logging_to
from optiflow.monitor.performance_monitor import collect, performance_monitor
from optiflow.optimizations.registry import resolve
from optiflow.tokens import CountCache, TokenizerCache, count_tokens, count_tokens_async
from optiflow.tokens.counting import use_counter

__all__ = ["CRITICAL_OPERATIONS", "implementation_lines"]

CRITICAL_OPERATIONS = ("token_operations", "prompt_processing", "node")
"""What is to be timed: counting tokens, preparing prompts and reading answers, and the nodes themselves."""

_TOKENS = "tokens/"


def implementation_lines(evidence: Evidence) -> dict[int, list[Line]]:
    """The implementation lines of each of the five phases."""
    return {
        1: [*_async_tokens(evidence)],
        2: [*_tokenizer_cache(evidence)],
        3: [*_parallel_prompts(evidence)],
        4: [*_monitoring(evidence)],
        5: [*_quick_wins(evidence)],
    }


def _statistics(evidence: Evidence, toggle: str) -> dict[str, Any]:
    """What a toggle counted in the run; nothing where it was rolled back."""
    return dict(evidence.outcome.record.statistics.get(toggle, {}))


def _of_toggle(evidence: Evidence, toggle: str, text: str, line: Callable[[], Line]) -> Line:
    """A line that only the toggle can back."""
    return line() if evidence.context.is_on(toggle) else Line(text, False, f"toggle {toggle} is rolled back")


def _place(thing: Any) -> str:
    """Where something is defined, as a path within the package."""
    return f"{thing.__module__.replace('.', '/').removeprefix('optiflow/')}.py"


def _async_tokens(evidence: Evidence) -> Iterator[Line]:
    context = evidence.context
    coroutine = inspect.iscoroutinefunction(count_tokens_async)
    yield Line(
        "`count_tokens_async()` created",
        coroutine,
        f"{'a' if coroutine else 'no'} coroutine function in {_place(count_tokens_async)}",
    )
    text = "CPU work leaves the event loop, as with `await asyncio.to_thread()`"
    yield _of_toggle(evidence, "async", text, lambda: _offloading(evidence, text))
    callers = [call for call in calls_of("count_tokens_async") if not call.module.startswith(_TOKENS)]
    blocking = [call for call in calls_of("count_tokens") if call.in_coroutine and not call.module.startswith(_TOKENS)]
    yield Line(
        "All callers use the async version",
        bool(callers) and not blocking,
        f"{len(callers)} calls of it outside of {_TOKENS}; coroutines that still call the synchronous one: "
        f"{', '.join(map(str, blocking)) or 'none'}",
    )
    sample, model = context.texts[0][:4000], context.config.model.tokenizer
    counts = {count_tokens(sample, model), asyncio.run(count_tokens_async(sample, model))}
    plain = not inspect.iscoroutinefunction(count_tokens)
    yield Line(
        "Sync fallback maintained", plain and len(counts) == 1, "`count_tokens()`, a plain function, counts the same"
    )


def _offloading(evidence: Evidence, text: str) -> Line:
    context = evidence.context
    threads: set[int] = set()
    naive = CountCache(max_entries=1, max_characters=1)

    class Watched:
        """Notes the thread that a count runs on."""

        def count(self, text: str, model: str) -> int:
            threads.add(threading.get_ident())
            return naive.count(text, model)

        def holds(self, text: str, model: str) -> bool:
            return False

    (toggle,) = resolve({"async": context.config.opt["async"]})
    document = max(context.texts, key=len) * 8
    with use_counter(Watched()), toggle.activate() as statistics:
        asyncio.run(count_tokens_async(document, context.config.model.tokenizer))
        offloaded = int(statistics()["offloaded"])
    elsewhere = bool(threads) and threading.get_ident() not in threads
    seen = _statistics(evidence, "async")
    return Line(
        text,
        elsewhere and offloaded > 0,
        f"a count of {len(document):,} characters ran on {'another thread' if elsewhere else 'the event loop'}; in the "
        f"run {seen['offloaded']:,} of {seen['offloaded'] + seen['inline']:,} counts were long enough to gain from it",
    )


def _tokenizer_cache(evidence: Evidence) -> Iterator[Line]:
    single = TokenizerCache() is TokenizerCache()
    yield Line(
        "`tokenizer_cache.py` created with singleton pattern",
        single,
        f"{_place(TokenizerCache)}: every `TokenizerCache()` is {'the same object' if single else 'ANOTHER object'}",
    )
    calls = calls_of("encoding_for_model")
    outside = [call for call in calls if not call.module.startswith(_TOKENS)]
    inside = [call for call in calls if call not in outside]
    yield Line(
        "All `tiktoken.encoding_for_model()` calls replaced",
        not outside,
        f"outside of {_TOKENS}: {', '.join(map(str, outside)) or 'none'}; inside: {', '.join(map(str, inside))}, "
        "the untouched baseline that a rollback returns to",
    )
    text = "Single instance across all agents"
    yield _of_toggle(evidence, "cache", text, lambda: _single_instance(evidence, text))
    text = "Cache statistics logged"
    yield _of_toggle(evidence, "cache", text, lambda: _logged_statistics(evidence.context, text))


def _single_instance(evidence: Evidence, text: str) -> Line:
    seen = _statistics(evidence, "cache")
    nodes = len({span.node for span in evidence.outcome.record.nodes})
    return Line(
        text,
        seen["tokenizer_initializations"] == 1,
        f"built {seen['tokenizer_initializations']} time(s) in the process for {nodes} nodes, "
        f"which made {seen['count_hits'] + seen['count_misses']:,} counts",
    )


def _logged_statistics(context: Context, text: str) -> Line:
    written = io.StringIO()
    (toggle,) = resolve({"cache": context.config.opt["cache"]})
    with logging_to(written, "INFO"), toggle.activate():
        count_tokens(context.texts[0][:400], context.config.model.tokenizer)
    lines = [line for line in written.getvalue().splitlines() if "count_hit_rate" in line]
    return Line(text, len(lines) == 1, f"`{lines[0].partition('event=')[2]}`" if lines else "no line in the log")


def _parallel_prompts(evidence: Evidence) -> Iterator[Line]:
    yield Line("`batch_optimizer.py` created", True, f"{_place(BatchOptimizer)}, imported and used by this run")
    yield _prompts_line()
    text = "Graph setup batches prompts"
    yield _of_toggle(evidence, "parallel", text, lambda: _batches(evidence, text))
    text = "Timing metrics added"
    yield _of_toggle(evidence, "parallel", text, lambda: _batch_timings(evidence, text))


def _prompts_line() -> Line:
    clock = VirtualClock()

    async def ask(prompt: str) -> str:
        await asyncio.sleep(1)
        if prompt == "fails":
            raise ValueError(prompt)
        return prompt.upper()

    prompts = ["a", "b", "fails", "c", "a"]
    with use_clock(clock):
        outcomes = clock.run(process_prompts_parallel(prompts, ask, max_concurrency=4, identity="sign-off"))
    answers = [None if outcome.error else outcome.value for outcome in outcomes]
    merged = [outcome.merged for outcome in outcomes]
    right = answers == ["A", "B", None, "C", "A"] and merged == [False, False, False, False, True]
    return Line(
        "`process_prompts_parallel()` implemented",
        right,
        f"{len(prompts)} prompts of 1 s each in {clock.time():.1f} s of virtual time, in order: "
        f"{answers.count(None)} that failed lost no other, {sum(merged)} asked twice was asked once",
    )


def _batches(evidence: Evidence, text: str) -> Line:
    seen = _statistics(evidence, "parallel")
    applied = [
        decision
        for decision in evidence.outcome.record.decisions
        if decision.toggle == "parallel" and decision.action == "applied"
    ]
    return Line(
        text,
        bool(applied) and seen["prompts"] > seen["batches"] > 0,
        f"{seen['prompts']} prompts in {seen['batches']} batches, at most {seen['peak_in_flight']} in flight; "
        f"{len(applied)} nodes rescheduled",
    )


def _batch_timings(evidence: Evidence, text: str) -> Line:
    seen = _statistics(evidence, "parallel")
    return Line(
        text,
        seen["asked_s"] > 0,
        f"{seen['asked_s']:.1f} s of asking and {seen['waited_s']:.3f} s of waiting for a slot, summed over prompts, "
        f"in {evidence.outcome.figures['runtime_s']:.1f} s of runtime, {evidence.clock}",
    )


def _monitoring(evidence: Evidence) -> Iterator[Line]:
    yield Line(
        "`performance_monitor.py` created", True, f"{_place(performance_monitor)}, imported and used by this run"
    )
    yield asyncio.run(_decorator_line())
    text = "Applied to all critical operations"
    yield _of_toggle(evidence, "monitor", text, lambda: _operations(evidence, text))
    text = "Performance report generated"
    yield _of_toggle(evidence, "monitor", text, lambda: _report(evidence, text))


async def _decorator_line() -> Line:
    @performance_monitor("function")
    def function() -> None: ...

    @performance_monitor("coroutine")
    async def coroutine() -> None: ...

    @performance_monitor("generator")
    def generator() -> Iterator[None]:
        yield

    @performance_monitor("asynchronous generator")
    async def asynchronous_generator() -> AsyncIterator[None]:
        yield

    with collect() as monitor:
        function()
        await coroutine()
        list(generator())
        [each async for each in asynchronous_generator()]
        seen = {row.operation: row.count for row in monitor.report()}
    kinds = ["asynchronous generator", "coroutine", "function", "generator"]
    return Line("`@performance_monitor` decorator added", seen == dict.fromkeys(kinds, 1), f"timed: {', '.join(seen)}")


def _operations(evidence: Evidence, text: str) -> Line:
    seen = _statistics(evidence, "monitor")
    counts = {name: int(seen.get(f"{name}.count", 0)) for name in CRITICAL_OPERATIONS}
    return Line(
        text,
        all(counts.values()),
        "calls in one run: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()),
    )


def _report(evidence: Evidence, text: str) -> Line:
    means = {
        name.removesuffix(".mean_s"): value
        for name, value in _statistics(evidence, "monitor").items()
        if name.endswith(".mean_s")
    }
    return Line(
        text, bool(means), "means: " + ", ".join(f"{name} {value * 1e3:.3f} ms" for name, value in means.items())
    )


def _quick_wins(evidence: Evidence) -> Iterator[Line]:
    text = "`logger.info` no longer written (filtered, as if it were `logger.debug`)"
    yield _of_toggle(evidence, "log_level", text, lambda: _filtering(evidence, text))
    yield _bounded_memory_line(evidence)
    yield _redundancy_line(evidence)
    cpu = evidence.contribution(EVERY_TOGGLE).cpu
    yield Line(
        "Hot paths optimized",
        cpu.reduction > 0,
        f"{cpu.reduction:.0%} less own CPU time in a run, {min(cpu.reductions):.0%} to {max(cpu.reductions):.0%} "
        f"in {len(cpu.reductions)} rounds",
    )


def _filtering(evidence: Evidence, text: str) -> Line:
    seen = _statistics(evidence, "log_level")
    return Line(text, seen["filtered"] > 0, f"{seen['filtered']:,} lines below {seen['level']} dropped in one run")


def _bounded_memory_line(evidence: Evidence) -> Line:
    model = evidence.context.config.model.tokenizer
    cache = CountCache(max_entries=2, max_characters=100)
    for text in ("one", "two", "three", "three"):
        cache.count(text, model)
    seen = cache.statistics()
    right = (seen.entries, seen.evictions, seen.hits) == (2, 1, 1)
    return Line(
        "Token counting remembers the counts used last (an LRU, as `@lru_cache` is one)",
        right,
        f"bounded: of 3 texts a cache for 2 holds {seen.entries}; "
        + (
            f"{_statistics(evidence, 'cache')['count_hit_rate']:.1%} of a run's counts were remembered"
            if evidence.context.is_on("cache")
            else "toggle cache is rolled back"
        ),
    )


def _redundancy_line(evidence: Evidence) -> Line:
    merged = int(_statistics(evidence, "parallel").get("merged", 0))
    remembered = int(_statistics(evidence, "cache").get("count_hits", 0))
    return Line(
        "Redundant operations removed",
        merged + remembered > 0,
        f"{remembered:,} counts not made again; {merged} prompts not asked a second time, "
        f"{evidence.outcome.figures['tokens_saved']:,} tokens saved",
    )
