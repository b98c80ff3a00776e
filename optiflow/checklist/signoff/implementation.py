"""The checklist's implementation lines, each backed by asking the code itself or by what a run left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from optiflow.batching import BatchOptimizer, process_prompts_parallel
from optiflow.checklist.lines import Line
from optiflow.checklist.signoff.backing import created, of_toggle, statistics_of
from optiflow.checklist.signoff.counting import async_token_lines, remembering_line, tokenizer_cache_lines
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Evidence
from optiflow.clock import VirtualClock, use_clock
from optiflow.monitor.operations import PerformanceMonitor
from optiflow.monitor.performance_monitor import collect, performance_monitor

__all__ = ["CRITICAL_OPERATIONS", "implementation_lines"]

CRITICAL_OPERATIONS = ("token_operations", "prompt_processing", "node")
"""What is to be timed: counting tokens, preparing prompts and reading answers, and the nodes themselves."""


def implementation_lines(evidence: Evidence) -> dict[int, list[Line]]:
    """The implementation lines of each of the five phases."""
    return {
        1: list(async_token_lines(evidence)),
        2: list(tokenizer_cache_lines(evidence)),
        3: list(_parallel_prompt_lines(evidence)),
        4: list(_monitoring_lines(evidence)),
        5: list(_quick_win_lines(evidence)),
    }


def _parallel_prompt_lines(evidence: Evidence) -> Iterator[Line]:
    yield created("batch_optimizer.py", BatchOptimizer)
    yield _prompts_line()
    yield of_toggle(evidence, "parallel", "Graph setup batches prompts", _batches)
    yield of_toggle(evidence, "parallel", "Timing metrics added", _batch_timings)


def _prompts_line() -> Line:
    clock = VirtualClock()

    async def ask(prompt: str) -> str:
        await asyncio.sleep(1)
        if prompt == "fails":
            raise ValueError(prompt)
        return prompt.upper()

    prompts = ["a", "b", "fails", "c", "a"]
    started = clock.time()
    with use_clock(clock):
        outcomes = clock.run(process_prompts_parallel(prompts, ask, max_concurrency=4, identity="sign-off"))
    took = clock.time() - started
    answers = [None if outcome.error else outcome.value for outcome in outcomes]
    merged = [outcome.merged for outcome in outcomes]
    return Line(
        "`process_prompts_parallel()` implemented",
        answers == ["A", "B", None, "C", "A"] and merged == [False] * 4 + [True],
        f"{len(prompts)} prompts of 1 s each in {took:.2f} s of virtual time, in order; {answers.count(None)} "
        f"failed and lost no other, {sum(merged)} that was asked twice went out once",
    )


def _batches(evidence: Evidence) -> tuple[bool, str]:
    seen = statistics_of(evidence, "parallel")
    decisions = [each for each in evidence.outcome.record.decisions if each.toggle == "parallel"]
    applied = sum(each.action == "applied" for each in decisions)
    return (
        applied > 0 and seen["prompts"] > seen["batches"] > 0,
        f"{seen['prompts']} prompts in {seen['batches']} batches, up to {seen['peak_in_flight']} in flight; "
        f"{applied} of {len(decisions)} nodes considered were rescheduled",
    )


def _batch_timings(evidence: Evidence) -> tuple[bool, str]:
    seen, runtime = statistics_of(evidence, "parallel"), float(evidence.outcome.figures["runtime_s"])
    return (
        seen["asked_s"] > 0,
        f"{seen['asked_s']:.1f} s of asking and {seen['waited_s']:.3f} s of waiting for a slot, summed over prompts, "
        f"within {runtime:.1f} s of runtime, {evidence.clock}",
    )


def _monitoring_lines(evidence: Evidence) -> Iterator[Line]:
    yield created("performance_monitor.py", performance_monitor)
    yield _decorator_line()
    yield of_toggle(evidence, "monitor", "Applied to all critical operations", _operations)
    yield of_toggle(evidence, "monitor", "Performance report generated", _report)


def _decorator_line() -> Line:
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

    async def call_each() -> PerformanceMonitor:
        with collect() as monitor:
            function()
            await coroutine()
            list(generator())
            [each async for each in asynchronous_generator()]
        return monitor

    seen = {row.operation: row.count for row in asyncio.run(call_each()).report()}
    kinds = ("asynchronous generator", "coroutine", "function", "generator")
    return Line("`@performance_monitor` decorator added", seen == dict.fromkeys(kinds, 1), f"timed: {', '.join(seen)}")


def _operations(evidence: Evidence) -> tuple[bool, str]:
    seen = statistics_of(evidence, "monitor")
    counts = {name: int(seen.get(f"{name}.count", 0)) for name in CRITICAL_OPERATIONS}
    return all(counts.values()), "calls in one run: " + ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _report(evidence: Evidence) -> tuple[bool, str]:
    seen = statistics_of(evidence, "monitor")
    means = {name.removesuffix(".mean_s"): value for name, value in seen.items() if name.endswith(".mean_s")}
    shown = ", ".join(f"{name} {value * 1e3:.3f} ms" for name, value in means.items())
    return bool(means), f"{len(means)} operations, means: {shown}"


def _quick_win_lines(evidence: Evidence) -> Iterator[Line]:
    yield of_toggle(evidence, "log_level", "`logger.info` filtered out, as `logger.debug` would be", _filtering)
    yield remembering_line(evidence)
    yield _redundancy_line(evidence)
    cpu = evidence.contribution(EVERY_TOGGLE).cpu
    yield Line(
        "Hot paths optimized",
        cpu.reduction > 0,
        f"{cpu.reduction:.0%} less own CPU time in a run, {min(cpu.reductions):.0%} to {max(cpu.reductions):.0%} in "
        f"{len(cpu.reductions)} rounds",
    )


def _filtering(evidence: Evidence) -> tuple[bool, str]:
    seen = statistics_of(evidence, "log_level")
    return seen["filtered"] > 0, f"{seen['filtered']:,} lines below {seen['level']} dropped in one run"


def _redundancy_line(evidence: Evidence) -> Line:
    merged = int(statistics_of(evidence, "parallel").get("merged", 0))
    remembered = int(statistics_of(evidence, "cache").get("count_hits", 0))
    saved = int(evidence.outcome.figures["tokens_saved"])
    return Line(
        "Redundant operations removed",
        merged + remembered > 0,
        f"{remembered:,} counts not made again; {merged} prompts not asked a second time, {saved:,} tokens saved",
    )
