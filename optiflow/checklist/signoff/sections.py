"""The checklist from its first line to its last."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import UTC, datetime

from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.signoff.backing import all_phases, criterion, judged, why_not
from optiflow.checklist.signoff.document import Document, Section
from optiflow.checklist.signoff.evidence import Evidence, gather
from optiflow.checklist.signoff.implementation import implementation_lines
from optiflow.checklist.signoff.notes import notes
from optiflow.checklist.signoff.success import criteria_sections, final_section, rollback_section

__all__ = ["TRACE_ON_RECORD", "document", "sign_off"]

TRACE_ON_RECORD = "1f06e917-c4bb-6c0c-a525-55b23f626500"
"""The LangSmith trace of the baseline that the checklist was written for."""

_PHASES = {
    1: ("Async Token Operations", "--test-specific async_tokens", "async_tokens"),
    2: ("Global Tokenizer Cache", "--test-specific tokenizer_cache", "tokenizer_cache"),
    3: ("Parallel Prompt Processing", "--test-specific parallel_prompts", "parallel_prompts"),
    4: ("Performance Monitoring", "--performance-report", "performance_report"),
    5: ("Quick Wins", "--log-level ERROR", "quick_wins"),
}
_STEADY = 0.05
"""How far apart, as a share of their median, the runtimes of a stable load test may lie."""
_GROWTH_MB = 5.0
"""How much memory a load test may add."""


def sign_off(context: Context) -> Document:
    """Measure everything and fill the checklist in.

    Raises:
        ConfigurationError: Every toggle is rolled back.
        OptiflowError: A run failed.
    """
    return document(gather(context))


def document(evidence: Evidence) -> Document:
    """The checklist, filled in."""
    sections = [
        _baseline(evidence),
        *_phases(evidence),
        *_system(evidence),
        *criteria_sections(evidence),
        rollback_section(evidence),
    ]
    sections.append(final_section(evidence, [line for section in sections for line in section.lines]))
    record = evidence.outcome.record
    machine = f"{record.environment.python} on {record.environment.cpu_count} × {record.environment.cpu}"
    time = (
        "Runtimes are in **virtual time**: provider time is simulated, own CPU time is real."
        if record.clock == "virtual"
        else "Runtimes are in real time."
    )
    return Document(
        "Performance Optimization Verification Checklist",
        f"Filled in on {datetime.now(UTC):%Y-%m-%d} by `python -m optiflow signoff`: the figure beside a box is what "
        f"ticked it. Workflow `{record.workflow}`, model `{record.model}`, {machine}. {time}",
        [*sections, *notes(evidence, [line for section in sections for line in section.lines])],
    )


def _baseline(evidence: Evidence) -> Section:
    baseline, reference = evidence.baseline, evidence.context.config.criteria.reference
    assert baseline.timings is not None, "a baseline that went well has timings"
    assert baseline.tokens is not None, "a baseline that went well has tokens"
    runtime, tokens, kept = baseline.timings.runtime_s, baseline.tokens.total, baseline.status == "ok"
    on_record, from_runtime, from_tokens = "", "", ""
    if reference is not None:
        on_record = f"{reference.runtime_s:g} s, {reference.tokens:,} tokens, "
        from_runtime = f", {runtime / reference.runtime_s - 1:+.1%} from the one on record"
        from_tokens = f", {tokens / reference.tokens - 1:+.1%} from the one on record"
    calls = len(baseline.model_calls)
    return Section(
        "Pre-Implementation Baseline",
        text=f"On record: {on_record}LangSmith trace `{TRACE_ON_RECORD}`. Measured here, with no toggle on:",
        lines=[
            Line("Current runtime recorded", kept and runtime > 0, f"{runtime:.1f} s, {evidence.clock}{from_runtime}"),
            Line("Current token usage recorded", kept and tokens > 0, f"{tokens:,} in {calls} calls{from_tokens}"),
            Line("Trace ID saved for comparison", kept, f"record `{baseline.record_id}`, read back from the store"),
        ],
    )


def _phases(evidence: Evidence) -> Iterator[Section]:
    implementation = implementation_lines(evidence)
    for number, (title, flag, name) in _PHASES.items():
        yield Section(f"Phase {number}: {title}")
        yield Section("Implementation", 3, lines=implementation[number])
        yield Section(f"Verification with `./debug_local.sh {flag}`", 3, lines=evidence.phases[name])


def _system(evidence: Evidence) -> Iterator[Section]:
    yield Section("Full System Verification")
    yield Section(
        "Step 1: Clean Environment Test, `./debug_local.sh --full-test`",
        3,
        lines=[all_phases("All phases pass", evidence), *evidence.phases["integration"]],
    )
    yield Section(
        "Step 2: Performance Comparison, `./scripts/analyze_trace_production.sh --compare-performance`",
        3,
        text="From the two records that the script compares.",
        lines=[
            judged(evidence, "Runtime: 215s → <140s (>35% improvement)", "runtime", "runtime reduction"),
            judged(evidence, "Tokens: maintained at ~41,000", "tokens", "tokens over baseline"),
            judged(evidence, "Quality: A+ grade maintained", "grade", "grade steps below baseline"),
        ],
    )
    yield _load(evidence)
    yield Section("Step 4: Memory Profiling, `./debug_local.sh --profile-memory`", 3, lines=evidence.phases["memory"])


def _load(evidence: Evidence) -> Section:
    test = evidence.load_test
    runtimes, growth = test.runtimes_s, test.resident_mb[-1] - test.resident_mb[0]
    spread = (max(runtimes) - min(runtimes)) / statistics.median(runtimes)
    limits = [criterion(outcome.verdict.criteria, "runtime") for outcome in test.outcomes]
    below = all(limit is not None and limit.passed is True for limit in limits)
    verdicts = [outcome.verdict.outcome for outcome in test.outcomes]
    shown = ", ".join(f"{runtime:.2f}" for runtime in runtimes)
    return Section(
        f"Step 3: Load Testing, {len(runtimes)} × `./debug_local.sh --quick-test`",
        3,
        text="One after another in one process, so that a leak would show.",
        lines=[
            Line("Consistent runtime <140s", below, f"{shown} s, {evidence.clock}{why_not(limits[0])}"),
            Line("No memory leaks", growth < _GROWTH_MB, f"{growth:+.1f} MB from the first run to the last"),
            Line(
                "Stable performance",
                spread <= _STEADY and set(verdicts) == {"PASS"},
                f"{spread:.2%} of the median between fastest and slowest; verdicts: {', '.join(verdicts)}",
            ),
        ],
    )
