"""How results are put into words, the same in every report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optiflow.analysis.experiment.power import MOST_BLOCKS, Outlook
from optiflow.analysis.experiment.results import ArmResult, Effect

__all__ = ["call_text", "effect_text", "outlook_text", "ratio_text"]


def ratio_text(result: ArmResult | Effect) -> str:
    """A ratio with its interval, where there is one: ``0.176 [0.175, 0.178]``."""
    if math.isinf(result.interval.high):
        return f"{result.ratio:.3f}"
    return f"{result.ratio:.3f} [{result.interval.low:.3f}, {result.interval.high:.3f}]"


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
    return f"inconclusive, {result.blocks_needed} more blocks would decide"


def outlook_text(outlooks: Sequence[Outlook], figure: str) -> str:
    """How many blocks find a change, and what that rests on."""
    if not outlooks:
        return ""
    first = outlooks[0]
    start = f"to detect a change of {first.change:.0%} in {figure} in 4 of 5 experiments: "
    if first.runs:
        return f"{start}{_blocks(first.blocks)} ({first.runs} earlier runs scatter by {first.spread:.1%})"
    assumed = ", ".join(f"{_blocks(each.blocks)} if runs scatter by {each.spread:.0%}" for each in outlooks)
    return f"{start}{assumed} (too few earlier runs of this workload to tell)"


def _blocks(count: int | None) -> str:
    return f"more than {MOST_BLOCKS:,} blocks" if count is None else f"{count} blocks"
