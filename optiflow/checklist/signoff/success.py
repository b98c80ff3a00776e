"""The checklist's success criteria, rollback verification and final sign-off."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from importlib.metadata import metadata

from optiflow.checklist.lines import Line
from optiflow.checklist.signoff.backing import all_phases, judged, measured
from optiflow.checklist.signoff.document import Section, merged
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Evidence
from optiflow.config.files import conf_dir
from optiflow.optimizations.registry import available

__all__ = ["criteria_sections", "final_section", "rollback_section"]

_TOOLS = (
    "--test-specific",
    "--performance-report",
    "--log-level",
    "--full-test",
    "--quick-test",
    "--profile-memory",
    "--disable-async",
    "--compare-performance",
    "optiflow signoff",
)
"""What the checklist itself calls for, which the documentation has to tell."""


def criteria_sections(evidence: Evidence) -> Iterator[Section]:
    """Performance, technical and integration criteria."""
    yield Section("Success Criteria")
    yield Section(
        "Performance Metrics",
        3,
        lines=[
            judged(evidence, "Runtime: <140s (target: 35% reduction from 215s)", "runtime", "runtime reduction"),
            judged(evidence, "Token usage: <42,000 (maintain current 41,097)", "tokens", "tokens over baseline"),
            judged(evidence, "Success rate: 100% (maintain)", "success rate"),
            judged(evidence, "Quality grade: A+ (maintain)", "grade", "grade steps below baseline"),
        ],
    )
    yield Section(
        "Technical Verification",
        3,
        lines=[
            judged(evidence, "All async operations non-blocking", "blocking calls"),
            judged(evidence, "Single tokenizer instance verified", "tokenizer instances"),
            measured(evidence, "Parallel processing working", "parallel.peak_in_flight", 1, "prompts at once"),
            measured(evidence, "Performance monitoring active", "monitor.node.count", 0, "executions of nodes timed"),
            judged(evidence, "Cache hit rates >80%", "count cache hit rate", "tokenizer hit rate"),
        ],
    )
    yield Section("Integration Testing", 3, lines=list(_integration(evidence)))


def _integration(evidence: Evidence) -> Iterator[Line]:
    outcome = evidence.outcome
    yield all_phases("debug_local.sh full pass", evidence)
    yield Line("LangSmith trace improved", float(outcome.figures["speedup"]) > 1, _trace(evidence))
    difference = outcome.verdict.difference
    yield Line("No regression in functionality", difference is None, difference or "same answer as the baseline's")
    memory = [judged(evidence, "one run", "memory over baseline"), *evidence.phases["memory"][:1]]
    yield merged("Memory usage acceptable", memory)
    cpu = evidence.contribution(EVERY_TOGGLE).cpu
    before, after = statistics.median(cpu.without), statistics.median(cpu.with_toggle)
    shown = f"own CPU time of a run {before:.3f} s → {after:.3f} s, {cpu.reduction:.0%} less"
    yield Line("CPU usage optimized", cpu.reduction > 0, shown)


def _trace(evidence: Evidence) -> str:
    from langsmith.utils import tracing_is_enabled

    run, baseline = evidence.outcome.record, evidence.baseline
    compared = (
        f"{float(evidence.outcome.figures['speedup']):.2f} × as fast, {len(baseline.model_calls)} → "
        f"{len(run.model_calls)} model calls; compared are our own records `{baseline.record_id}` and `{run.record_id}`"
    )
    if tracing_is_enabled():
        return f"{compared}; LangSmith tracing is on, so both runs are traced there too, but nothing was read back"
    return f"{compared}; no LangSmith tracing is configured, so no trace there was made or read"


def rollback_section(evidence: Evidence) -> Section:
    """The checklist's three toggles rolled back, then all of them."""
    lines = evidence.phases["rollback"]
    return Section(
        "Rollback Verification, `./debug_local.sh --disable-async --disable-cache --disable-parallel`",
        lines=[
            merged("Original functionality maintained", [each for each in lines if "functionality" in each.text]),
            merged("Performance back to baseline", [each for each in lines if "Performance" in each.text]),
            merged("No errors or failures", [each for each in lines if "no errors" in each.text]),
        ],
    )


def final_section(evidence: Evidence, above: Sequence[Line]) -> Section:
    """The final sign-off over all boxes above it."""
    ticked, verdict = sum(line.passed for line in above), evidence.outcome.verdict
    failed = [result.name for result in verdict.criteria if result.passed is False]
    lost = int(evidence.outcome.figures.get("grade_steps_lost", 0))
    rolled_back = all(line.passed for line in evidence.phases["rollback"])
    lines = [
        Line("All checklist items completed", ticked == len(above), f"{ticked} of {len(above)} boxes above"),
        Line(
            "Performance targets achieved",
            verdict.outcome == "PASS",
            f"verdict {verdict.outcome}; criteria failed: {', '.join(failed) or 'none'}",
        ),
        Line(
            "No regressions identified",
            verdict.outputs_equal is True and not lost and rolled_back,
            f"answers {'equal' if verdict.outputs_equal else 'DIFFERENT'}, {lost} grades lost, "
            f"rollback {'works' if rolled_back else 'FAILED'}",
        ),
        _documentation_line(),
    ]
    waiting = [line.text for line in lines if not line.passed]
    shown = f"waits for: {', '.join(waiting)}" if waiting else "every box is ticked"
    return Section("Final Sign-off", lines=[*lines, Line("Ready for production", not waiting, shown)])


def _documentation_line() -> Line:
    """Whether the README, an installed package's description, tells what can be turned on and called."""
    readme = conf_dir().parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else str(metadata("optiflow").json["description"])
    toggles = [f"`{name}`" for name, toggle in available().items() if toggle.__module__.startswith("optiflow.")]
    missing = [each for each in (*toggles, *_TOOLS) if each not in text]
    shown = f"the README names {len(toggles)} toggles and {len(_TOOLS)} tools of the checklist"
    return Line("Documentation updated", not missing, f"not in the README: {', '.join(missing)}" if missing else shown)
