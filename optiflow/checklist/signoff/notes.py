"""The checklist's notes, generated from the data: what was observed, the figures, what would be next."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from optiflow.checklist.lines import Line, Paired
from optiflow.checklist.signoff.backing import statistics_of
from optiflow.checklist.signoff.document import Section
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Contribution, Evidence
from optiflow.report.terminal import figure_text

__all__ = ["gains", "notes"]

_NOTHING = 0.01
"""A saving of less than this share is reported as none."""
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


def notes(evidence: Evidence, lines: Sequence[Line]) -> list[Section]:
    """Observations, metrics and next steps.

    Args:
        evidence: What was measured.
        lines: Every box of the checklist.
    """
    unticked = [line for line in lines if not line.passed]
    return [
        Section("Notes Section"),
        Section("Observations", 3, text=_bullets(_observations(evidence, unticked))),
        Section("Metrics", 3, text=f"{_metrics(evidence)}\n\n{_contributions(evidence)}"),
        Section("Next Steps", 3, text=_bullets(_next_steps(evidence, unticked))),
    ]


def gains(saving: Paired) -> bool:
    """Whether a saving is one: something in every round, and enough in the median."""
    return min(saving.reductions) > 0 and saving.reduction >= _NOTHING


def _observations(evidence: Evidence, unticked: Sequence[Line]) -> Iterator[str]:
    before, after = evidence.outcome.baseline_figures, evidence.outcome.figures
    runtime = float(after["runtime_s"])
    share = {name: float(after[name]) / runtime for name in ("provider_s", "cpu_s", "waiting_s")}
    yield (
        f"The run took {runtime:.1f} s instead of {float(before['runtime_s']):.1f} s, {evidence.clock}. A model call "
        f"was in flight for {share['provider_s']:.1%} of it; own CPU time comes to {share['cpu_s']:.1%} of it, "
        f"waiting for neither to {share['waiting_s']:.1%}."
    )
    if "critical_path_ratio" in after:
        yield (
            f"The longest chain of calls that need each other's answers takes {float(after['critical_path_s']):.1f} s. "
            f"The run took {float(after['critical_path_ratio']):.3f} times that, and no schedule could take less."
        )
    merged, saved = int(statistics_of(evidence, "parallel").get("merged", 0)), int(after["tokens_saved"])
    yield f"{merged} prompts equalled one in flight and were not asked again: {saved:,} tokens saved."
    yield from (_observed(each) for each in evidence.contributions if each.toggle != EVERY_TOGGLE)
    refused = [each for each in evidence.outcome.record.decisions if each.action == "refused"]
    for (toggle, reason), count in Counter((each.toggle, each.reason) for each in refused).items():
        yield f"`{toggle}` left {count} node{'s' if count > 1 else ''} alone: {reason}."
    yield from (f"Not ticked: {line.text} — {line.measured}" for line in unticked)


def _observed(each: Contribution) -> str:
    shown = f"runtime {_change(each.runtime)}; own CPU time {_change(each.cpu)}"
    if gains(each.runtime):
        return f"`{each.toggle}` alone shortens the run: {shown}."
    if gains(each.cpu):
        return f"`{each.toggle}` alone gains nothing in runtime worth the name, but CPU time: {shown}."
    return f"`{each.toggle}` alone gains nothing in this workflow: {shown}. What it does is measured in its phase."


def _metrics(evidence: Evidence) -> str:
    before, after = evidence.outcome.baseline_figures, evidence.outcome.figures
    rows = [f"| {evidence.clock} | baseline | run | change |", "|---|---:|---:|---:|"]
    for name, label in _METRICS.items():
        if name in before and name in after:
            old, new = before[name], after[name]
            change = "" if isinstance(old, str) or not old else f"{float(new) / old - 1:+.1%}"
            rows.append(f"| {label} | {figure_text(old)} | {figure_text(new)} | {change} |")
    return "\n".join(rows)


def _contributions(evidence: Evidence) -> str:
    rounds = len(evidence.contributions[0].runtime.without)
    rows = [f"| toggle alone, {rounds} rounds | runtime, {evidence.clock} | own CPU time |", "|---|---|---|"]
    rows += [f"| {each.toggle} | {_change(each.runtime)} | {_change(each.cpu)} |" for each in evidence.contributions]
    return "\n".join(rows)


def _next_steps(evidence: Evidence, unticked: Sequence[Line]) -> Iterator[str]:
    if unticked:
        yield f"Settle what is not ticked: {'; '.join(line.text for line in unticked)}."
    record = evidence.outcome.record
    longest = sorted(record.model_calls, key=lambda call: call.started_s - call.ended_s)[:_LONGEST]
    calls = ", ".join(
        f"`{call.node}` {call.ended_s - call.started_s:.1f} s for {call.completion_tokens:,} tokens" for call in longest
    )
    yield (
        f"What is left is provider time. The longest calls are {calls}: shorter answers or a faster model there, where "
        "they are on the longest chain, are what would shorten the run."
    )
    idle = [f"`{each.toggle}`" for each in evidence.contributions if not gains(each.runtime) and not gains(each.cpu)]
    if idle:
        yield f"{', '.join(idle)} gain no time here: keep them for what they show, or leave them out without loss."
    if record.clock == "virtual":
        yield "Before relying on the seconds, run once with the provider in question (`model=... clock=real`)."


def _change(saving: Paired) -> str:
    """A saving as the change that it is, its range, and the medians."""
    low, high = -max(saving.reductions), -min(saving.reductions)
    before, after = statistics.median(saving.without), statistics.median(saving.with_toggle)
    return f"{-saving.reduction:+.1%} ({low:+.1%} to {high:+.1%}), {before:.3f} → {after:.3f} s"


def _bullets(texts: Iterator[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
