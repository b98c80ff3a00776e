"""How results are put into words, the same in every report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optiflow.analysis.experiment.power import MOST_BLOCKS, Outlook
from optiflow.analysis.experiment.results import ArmResult, Effect, ExperimentAnalysis, ShapleyShare
from optiflow.analysis.figures import Figure
from optiflow.analysis.verdict import Verdict
from optiflow.experiment.plan import ExperimentPlan

__all__ = [
    "cached_tokens",
    "call_text",
    "difference_lines",
    "effect_text",
    "notes_of",
    "outlook_text",
    "plan_notes",
    "price_note",
    "ratio_text",
    "share_text",
    "size_text",
]


_DIFFERENCES = 10
"""Most differences, and most places, told in a report for people."""


def difference_lines(verdict: Verdict) -> list[str]:
    """How an answer differs, a line each: as runs of the baseline never did, then where these differ themselves."""
    if verdict.difference is None:
        return []
    differences = verdict.differences or (verdict.difference,)
    lines = list(differences[:_DIFFERENCES])
    if more := len(differences) - len(lines):
        lines.append(f"and {more} more differences")
    if verdict.varying:
        shown = ", ".join(verdict.varying[:_DIFFERENCES])
        more = len(verdict.varying) - _DIFFERENCES
        lines.append(f"runs of the baseline differ from each other at {shown}{f' and {more} more' if more > 0 else ''}")
    return lines


def cached_tokens(figures: Mapping[str, Figure]) -> int:
    """Tokens of a run that the provider's prompt cache had or took."""
    return int(figures.get("cache_read_tokens", 0)) + int(figures.get("cache_write_tokens", 0))


def price_note(figures: Mapping[str, Figure]) -> str:
    """Which prices are not known, and what follows; empty where all are."""
    models = figures.get("unpriced_models")
    if not models:
        return ""
    cached = ", and their cached tokens count in full" if cached_tokens(figures) else ""
    return f"prices are not known of {models}: there is no cost{cached}"


def size_text(plan: ExperimentPlan) -> str:
    """How much an experiment runs: ``8 arms × 2 blocks = 16 jobs``."""
    blocks = "1 block" if plan.blocks == 1 else f"{plan.blocks} blocks"
    return f"{len(plan.arms)} arms × {blocks} = {len(plan.jobs):,} jobs"


def ratio_text(result: ArmResult | Effect) -> str:
    """A ratio with its interval, where there is one: ``0.176 [0.175, 0.178]``."""
    if math.isinf(result.interval.high):
        return f"{result.ratio:.3f}"
    return f"{_number(result.ratio)} [{_number(result.interval.low)}, {_number(result.interval.high)}]"


def effect_text(effect: Effect) -> str:
    """The factors of an effect, and those that can't be told from it: ``a×b = c×d``."""
    return " = ".join("×".join(factors) for factors in (effect.factors, *effect.aliased_with))


def call_text(result: ArmResult) -> str:
    """What is concluded, or what it would take."""
    if result.call != "inconclusive":
        return result.call
    if result.blocks == 1:
        return "one block decides nothing"
    if result.blocks_needed is None:
        return "inconclusive, blocks alone won't decide"
    more = "1 more block" if result.blocks_needed == 1 else f"{result.blocks_needed:,} more blocks"
    return f"inconclusive, {more} would decide"


def share_text(share: ShapleyShare | None) -> str:
    """A part of the whole gain; a dash where there is no gain to share."""
    if share is None:
        return ""
    return "–" if math.isnan(share.share) else f"{share.share:.1%}{'' if share.exact else ' (modelled)'}"


def notes_of(plan: ExperimentPlan, analysis: ExperimentAnalysis) -> list[str]:
    """Warnings, reasons, exclusions and what is missing, a line each; the same of several figures once."""
    figures: dict[str, list[str]] = {}
    for metric in analysis.metrics:
        for warning in metric.warnings:
            figures.setdefault(warning, []).append(metric.figure)
    lines = [f"{', '.join(names)}: {warning}" for warning, names in figures.items()]
    lines += [f"{name}: {why}" for name, why in analysis.reasons.items()]
    lines += [f"{name}: {count} failed {'run' if count == 1 else 'runs'}" for name, count in analysis.failed.items()]
    lines += plan_notes(plan)
    if not analysis.complete:
        left = f"{analysis.missing} of {len(plan.jobs)} jobs have no run that ended"
        lines.append(f"{left}; go on with: python -m optiflow experiment resume {plan.name}")
    return lines


def plan_notes(plan: ExperimentPlan) -> list[str]:
    """What was left out of a design, and what it can't tell apart."""
    lines = [f"excluded: {name}: {why}" for name, why in plan.excluded.items()]
    lines += [f"left out: {name}: the same configuration as {other}" for name, other in plan.duplicates.items()]
    return lines + [f"can't be told apart: {line}" for line in plan.aliases]


def outlook_text(outlooks: Sequence[Outlook], figure: str) -> str:
    """How many blocks find a change, and what that rests on."""
    if not outlooks:
        return ""
    first = outlooks[0]
    start = f"to detect a change of {first.change:.0%} in {figure} of any arm in 4 of 5 experiments: "
    if first.runs:
        return f"{start}{_blocks(first.blocks)} ({first.runs} earlier runs scatter by {first.spread:.1%})"
    assumed = ", ".join(f"{_blocks(each.blocks)} if runs scatter by {each.spread:.0%}" for each in outlooks)
    return f"{start}{assumed} (too few earlier runs of this workload to tell)"


def _blocks(count: int | None) -> str:
    return f"more than {MOST_BLOCKS:,} blocks" if count is None else f"{count} blocks"


def _number(ratio: float) -> str:
    # Two blocks that scatter give intervals of many digits, which nobody reads.
    return f"{ratio:.3f}" if ratio < 1000 else f"{ratio:.0e}"
