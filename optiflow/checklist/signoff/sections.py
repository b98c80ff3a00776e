"""The checklist section by section."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import metadata

from optiflow.analysis.verdict import CriterionResult
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.signoff.document import Document, Section, merged
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Evidence, gather
from optiflow.checklist.signoff.implementation import implementation_lines
from optiflow.checklist.signoff.notes import notes
from optiflow.cli import COMMANDS
from optiflow.config.files import conf_dir
from optiflow.optimizations.registry import available
from optiflow.report.terminal import figure_text

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
        *_criteria(evidence),
        _rollback(evidence),
    ]
    sections.append(_final(evidence, [line for section in sections for line in section.lines]))
    sections += notes(evidence, sections)
    seen = evidence.outcome.record.environment
    return Document(
        "Performance Optimization Verification Checklist",
        f"Filled in on {datetime.now(UTC):%Y-%m-%d} by `python -m optiflow signoff`; a box is ticked by the figure beside "
        f"it and by nothing else. Workflow `{evidence.outcome.record.workflow}`, model `{evidence.outcome.record.model}`, "
        f"{seen.python} on {seen.cpu_count} × {seen.cpu}. {_time_note(evidence)}",
        sections,
    )


def _time_note(evidence: Evidence) -> str:
    if evidence.outcome.record.clock == "real":
        return "Runtimes are in real time."
    return "Runtimes are in **virtual time**: provider time is simulated, own CPU time is real."


def _baseline(evidence: Evidence) -> Section:
    baseline = evidence.baseline
    runtime = baseline.timings.runtime_s if baseline.timings else 0.0
    tokens = baseline.tokens.total if baseline.tokens else 0
    reference = evidence.context.config.criteria.reference
    away = (
        ("", "")
        if reference is None
        else (
            f", {runtime / reference.runtime_s - 1:+.1%}",
            f", {tokens / reference.tokens - 1:+.1%}",
        )
    )
    kept = baseline.status == "ok"
    shown = "" if reference is None else f"{reference.runtime_s:g} s, {reference.tokens:,} tokens, "
    return Section(
        "Pre-Implementation Baseline",
        text=f"On record: {shown}LangSmith trace `{TRACE_ON_RECORD}`. Measured here, without any toggle:",
        lines=[
            Line("Current runtime recorded", kept and runtime > 0, f"{runtime:.1f} s, {evidence.clock}{away[0]}"),
            Line("Current token usage recorded", kept and tokens > 0, f"{tokens:,}{away[1]}"),
            Line(
                "Trace ID saved for comparison",
                kept,
                f"record `{baseline.record_id}` with {len(baseline.model_calls)} model calls",
            ),
        ],
    )


def _phases(evidence: Evidence) -> Iterable[Section]:
    implementation = implementation_lines(evidence)
    for number, (title, flag, name) in _PHASES.items():
        yield Section(f"Phase {number}: {title}")
        yield Section("Implementation", 3, lines=implementation[number])
        yield Section(f"Verification with `./debug_local.sh {flag}`", 3, lines=evidence.phases[name])


def _system(evidence: Evidence) -> Iterable[Section]:
    phases = evidence.phases
    yield Section("Full System Verification")
    yield Section(
        "Step 1: Clean Environment Test, `./debug_local.sh --full-test`",
        3,
        lines=[_all_phases("All phases pass", evidence), *phases["integration"]],
    )
    yield Section(
        "Step 2: Performance Comparison, `./scripts/analyze_trace_production.sh --compare-performance`",
        3,
        text="From the two records, baseline and run, that the script compares.",
        lines=[
            _judged(evidence, "Runtime: 215s → <140s (>35% improvement)", "runtime", "runtime reduction"),
            _judged(evidence, "Tokens: maintained at ~41,000", "tokens", "tokens over baseline"),
            _judged(evidence, "Quality: A+ grade maintained", "grade", "grade steps below baseline"),
        ],
    )
    yield _load(evidence)
    yield Section("Step 4: Memory Profiling, `./debug_local.sh --profile-memory`", 3, lines=phases["memory"])


def _load(evidence: Evidence) -> Section:
    test = evidence.load_test
    runtimes, resident = test.runtimes_s, test.resident_mb
    spread = (max(runtimes) - min(runtimes)) / statistics.median(runtimes)
    limits = [_criterion(outcome.verdict.criteria, "runtime") for outcome in test.outcomes]
    verdicts = [outcome.verdict.outcome for outcome in test.outcomes]
    growth = resident[-1] - resident[0]
    return Section(
        f"Step 3: Load Testing, {len(runtimes)} × `--quick-test`",
        3,
        text="One after another in one process.",
        lines=[
            Line(
                "Consistent runtime <140s",
                all(limit is not None and limit.passed is True for limit in limits),
                f"{', '.join(f'{runtime:.2f}' for runtime in runtimes)} s, {evidence.clock}{_why_not(limits[0])}",
            ),
            Line("No memory leaks", growth < _GROWTH_MB, f"{growth:+.1f} MB from the first run to the last"),
            Line(
                "Stable performance",
                spread <= _STEADY and set(verdicts) == {"PASS"},
                f"{spread:.2%} of the median between the fastest and the slowest; verdicts: {', '.join(verdicts)}",
            ),
        ],
    )


def _criteria(evidence: Evidence) -> Iterable[Section]:
    outcome, phases = evidence.outcome, evidence.phases
    yield Section("Success Criteria")
    yield Section(
        "Performance Metrics",
        3,
        lines=[
            _judged(evidence, "Runtime: <140s (target: 35% reduction from 215s)", "runtime", "runtime reduction"),
            _judged(evidence, "Token usage: <42,000 (maintain current 41,097)", "tokens", "tokens over baseline"),
            _judged(evidence, "Success rate: 100% (maintain)", "success rate"),
            _judged(evidence, "Quality grade: A+ (maintain)", "grade", "grade steps below baseline"),
        ],
    )
    figures = outcome.figures
    yield Section(
        "Technical Verification",
        3,
        lines=[
            _judged(evidence, "All async operations non-blocking", "blocking calls"),
            _judged(evidence, "Single tokenizer instance verified", "tokenizer instances"),
            _measured(
                evidence, "Parallel processing working", "parallel.peak_in_flight", 1, "prompts in flight at once"
            ),
            _measured(evidence, "Performance monitoring active", "monitor.node.count", 0, "executions of nodes timed"),
            _judged(evidence, "Cache hit rates >80%", "count cache hit rate", "tokenizer hit rate"),
        ],
    )
    cpu = evidence.contribution(EVERY_TOGGLE).cpu
    difference = outcome.verdict.difference
    yield Section(
        "Integration Testing",
        3,
        lines=[
            _all_phases("debug_local.sh full pass", evidence),
            Line("LangSmith trace improved", float(figures["speedup"]) > 1, _trace(evidence)),
            Line(
                "No regression in functionality", difference is None, difference or "the answer equals the baseline's"
            ),
            merged(
                "Memory usage acceptable", [_judged(evidence, "one run", "memory over baseline"), phases["memory"][0]]
            ),
            Line(
                "CPU usage optimized",
                cpu.reduction > 0,
                f"own CPU time of a run {statistics.median(cpu.without):.3f} s → {statistics.median(cpu.with_toggle):.3f} s, "
                f"{cpu.reduction:.0%} less",
            ),
        ],
    )


def _rollback(evidence: Evidence) -> Section:
    lines = evidence.phases["rollback"]
    return Section(
        "Rollback Verification, `./debug_local.sh --disable-async --disable-cache --disable-parallel`",
        lines=[
            merged("Original functionality maintained", [each for each in lines if "functionality" in each.text]),
            merged("Performance back to baseline", [each for each in lines if "Performance" in each.text]),
            merged("No errors or failures", [each for each in lines if "no errors" in each.text]),
        ],
    )


def _final(evidence: Evidence, lines: Sequence[Line]) -> Section:
    ticked = sum(line.passed for line in lines)
    outcome = evidence.outcome
    failed = [result.name for result in outcome.verdict.criteria if result.passed is False]
    lost = int(outcome.figures.get("grade_steps_lost", 0))
    regressed = (
        outcome.verdict.difference is not None
        or lost > 0
        or not all(line.passed for line in evidence.phases["rollback"])
    )
    final = [
        Line("All checklist items completed", ticked == len(lines), f"{ticked} of {len(lines)} boxes above"),
        Line(
            "Performance targets achieved",
            outcome.verdict.outcome == "PASS",
            f"verdict {outcome.verdict.outcome}; criteria failed: {', '.join(failed) or 'none'}",
        ),
        Line(
            "No regressions identified",
            not regressed,
            f"answers {'equal' if outcome.verdict.outputs_equal else 'DIFFERENT'}, {lost} grades lost, every rollback checked",
        ),
        _documentation(),
    ]
    ready = all(line.passed for line in final)
    final.append(
        Line("Ready for production", ready, "every box is ticked" if ready else "not before every box is ticked")
    )
    return Section("Final Sign-off", lines=final)


def _documentation() -> Line:
    """Whether what a user can turn on or call is in the README, which is the package's description once installed."""
    readme = conf_dir().parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else str(metadata("optiflow").json["description"])
    own = [name for name, toggle in available().items() if toggle.__module__.startswith("optiflow.")]
    missing = [name for name in own if f"`{name}`" not in text]
    missing += [f"optiflow {name}" for name in COMMANDS if f"optiflow {name}" not in text]
    shown = f"{len(own)} toggles and {len(COMMANDS)} commands are in the README"
    return Line("Documentation updated", not missing, f"not in the README: {', '.join(missing)}" if missing else shown)


def _all_phases(text: str, evidence: Evidence) -> Line:
    lines = [(name, line) for name, found in evidence.phases.items() for line in found]
    failed = [f"{name}: {line.text}" for name, line in lines if not line.passed]
    shown = f"{len(lines) - len(failed)} of {len(lines)} lines in {len(evidence.phases)} phases"
    return Line(text, not failed, f"{shown}; failed: {', '.join(failed)}" if failed else shown)


def _judged(evidence: Evidence, text: str, *names: str) -> Line:
    """A line that the run's criteria decide; one that could not be judged ticks nothing."""
    found = [(name, _criterion(evidence.outcome.verdict.criteria, name)) for name in names]
    shown = []
    for name, result in found:
        if result is None:
            shown.append(f"{name}: no such criterion is configured")
        else:
            shown.append(f"{name} {figure_text(result.value)} ({result.limit}){_why_not(result)}")
    passed = all(result is not None and result.passed is True for _, result in found)
    clock = f", {evidence.clock}" if any(name.startswith("runtime") for name in names) else ""
    return Line(text, passed, "; ".join(shown) + clock)


def _criterion(criteria: Iterable[CriterionResult], name: str) -> CriterionResult | None:
    return next((result for result in criteria if result.name == name), None)


def _why_not(result: CriterionResult | None) -> str:
    return f", not judged: {result.note}" if result is not None and result.note else ""


def _measured(evidence: Evidence, text: str, figure: str, more_than: float, unit: str) -> Line:
    value = evidence.outcome.figures.get(figure)
    if value is None:
        return Line(text, False, f"toggle {figure.partition('.')[0]} is rolled back")
    return Line(text, float(value) > more_than, f"{figure_text(value)} {unit}")


def _trace(evidence: Evidence) -> str:
    from langsmith.utils import tracing_is_enabled

    run, baseline = evidence.outcome.record, evidence.baseline
    compared = (
        f"{evidence.outcome.figures['speedup']:.2f} × as fast, {len(baseline.model_calls)} → {len(run.model_calls)} model "
        f"calls; compared are our own records `{baseline.record_id}` and `{run.record_id}`"
    )
    if tracing_is_enabled():
        return f"{compared}; LangSmith tracing is on, so both runs are traced there too, where nothing was read back"
    return f"{compared}; no LangSmith trace is configured, so none was made or read"
