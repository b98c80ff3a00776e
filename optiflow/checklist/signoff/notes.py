"""The checklist's notes, generated from the data: what was observed, the figures, what would be next."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from optiflow.checklist.lines import Paired
from optiflow.checklist.signoff.document import Section
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Contribution, Evidence
from optiflow.report.terminal import figure_text

__all__ = ["notes"]

_NOTHING = 0.01
"""A saving smaller than this share of a run is reported as none."""
_LONGEST = 3
_METRICS = {
    "runtime_s": "runtime, s",
    "provider_s": "provider, s (a call in flight)",
    "cpu_s": "own CPU, s",
    "waiting_s": "waiting, s",
    "critical_path_s": "critical path, s",
    "tokens": "tokens",
    "prompt_tokens": "prompt tokens",
    "completion_tokens": "completion tokens",
    "model_calls": "model calls",
    "grade": "grade",
    "score": "score",
    "success_rate": "success rate",
    "peak_rss_mb": "peak RSS, MB",
}


def notes(evidence: Evidence, sections: Sequence[Section]) -> list[Section]:
    """Observations, metrics and next steps."""
    return [
        Section("Notes Section"),
        Section("Observations", 3, text=_bullets(_observations(evidence, sections))),
        Section("Metrics", 3, text=f"{_metrics(evidence)}\n\n{_contributions(evidence)}"),
        Section("Next Steps", 3, text=_bullets(_next_steps(evidence, sections))),
    ]


def gains(saving: Paired) -> bool:
    """Whether a saving is one: more than nothing in every round, and enough in the median."""
    return min(saving.reductions) > 0 and saving.reduction >= _NOTHING


def _observations(evidence: Evidence, sections: Sequence[Section]) -> Iterator[str]:
    figures, record = evidence.outcome.figures, evidence.outcome.record
    runtime = float(figures["runtime_s"])
    yield (
        f"The run took {runtime:.1f} s where the baseline took {float(evidence.outcome.baseline_figures['runtime_s']):.1f} s "
        f"({evidence.clock}): {float(figures['provider_s']) / runtime:.1%} of it with a model call in flight, "
        f"{float(figures['cpu_s']) / runtime:.1%} as long as our own CPU time, "
        f"{float(figures['waiting_s']) / runtime:.1%} waiting."
    )
    if "critical_path_ratio" in figures:
        yield (
            f"The longest chain of calls that need each other's answers takes {float(figures['critical_path_s']):.1f} s; "
            f"the run is {float(figures['critical_path_ratio']):.3f} times that, which no schedule could undercut."
        )
    saved = int(figures["tokens_saved"])
    merged = int(figures.get("parallel.merged", 0))
    yield (
        f"{merged} of {figures.get('parallel.prompts', figures['model_calls'])} prompts equalled one in flight and were "
        f"not asked again: {saved:,} tokens saved."
        if merged
        else f"No prompt was asked twice at the same time; {saved:,} tokens saved."
    )
    for each in evidence.contributions:
        if each.toggle != EVERY_TOGGLE:
            yield _observed(each)
    for (toggle, reason), count in Counter(
        (each.toggle, each.reason) for each in record.decisions if each.action == "refused"
    ).items():
        yield f"`{toggle}` left {count} node(s) alone: {reason}."
    for section in sections:
        for line in section.lines:
            if not line.passed:
                yield f"Not ticked: {line.text} — {line.measured}"


def _observed(each: Contribution) -> str:
    runtime, cpu = gains(each.runtime), gains(each.cpu)
    shown = f"runtime {_change(each.runtime)}, own CPU time {_change(each.cpu)}"
    if runtime:
        return f"`{each.toggle}` alone shortens the run ({shown})."
    if cpu:
        return f"`{each.toggle}` alone gains nothing in runtime, but CPU time ({shown})."
    return f"`{each.toggle}` alone gains nothing in this workflow ({shown}); its own operation is in its phase above."


def _metrics(evidence: Evidence) -> str:
    before, after = evidence.outcome.baseline_figures, evidence.outcome.figures
    rows = [f"| {evidence.clock} | baseline | run | change |", "|---|---:|---:|---:|"]
    for name, label in _METRICS.items():
        if name not in before or name not in after:
            continue
        old, new = before[name], after[name]
        change = "" if isinstance(old, str) or not old else f"{float(new) / float(old) - 1:+.1%}"
        rows.append(f"| {label} | {figure_text(old)} | {figure_text(new)} | {change} |")
    return "\n".join(rows)


def _contributions(evidence: Evidence) -> str:
    rounds = len(evidence.contributions[0].runtime.without)
    rows = [f"| toggle alone, {rounds} rounds | runtime | own CPU time |", "|---|---|---|"]
    rows += [f"| {each.toggle} | {_change(each.runtime)} | {_change(each.cpu)} |" for each in evidence.contributions]
    return "\n".join(rows)


def _next_steps(evidence: Evidence, sections: Sequence[Section]) -> Iterator[str]:
    open_lines = [line.text for section in sections for line in section.lines if not line.passed]
    if open_lines:
        yield f"Settle what is not ticked: {'; '.join(open_lines)}."
    record = evidence.outcome.record
    runtime = float(evidence.outcome.figures["runtime_s"])
    longest = sorted(record.model_calls, key=lambda call: call.ended_s - call.started_s, reverse=True)[:_LONGEST]
    calls = ", ".join(
        f"`{call.node}` {call.ended_s - call.started_s:.1f} s for {call.completion_tokens:,} tokens" for call in longest
    )
    yield (
        f"What is left is provider time: the longest calls are {calls}, of {runtime:.1f} s in all. Shorter answers "
        "or a faster model there are what would shorten the run."
    )
    idle = [f"`{each.toggle}`" for each in evidence.contributions if not gains(each.runtime) and not gains(each.cpu)]
    if idle:
        yield (
            f"{', '.join(idle)} could be left out of this workflow without loss of speed; keep them for what they show, "
            "or for input with longer documents."
        )
    if record.clock == "virtual":
        yield "Run once more with `clock=real` and with the provider in question (`model=...`) before relying on the seconds."


def _change(saving: Paired) -> str:
    values = [f"{-value:+.1%}" for value in (max(saving.reductions), min(saving.reductions))]
    shown = f"{-saving.reduction:+.1%} ({values[0]} to {values[1]})"
    return f"{shown}, {statistics.median(saving.without):.3f} → {statistics.median(saving.with_toggle):.3f} s"


def _bullets(texts: Iterator[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
