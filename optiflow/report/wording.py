"""How results are put into words, the same in every report."""

from __future__ import annotations

import math

from optiflow.analysis.experiment.results import ArmResult, Effect

__all__ = ["call_text", "ratio_text"]


def ratio_text(result: ArmResult | Effect) -> str:
    """A ratio with its interval, where there is one: ``0.176 [0.175, 0.178]``."""
    if math.isinf(result.interval.high):
        return f"{result.ratio:.3f}"
    return f"{result.ratio:.3f} [{result.interval.low:.3f}, {result.interval.high:.3f}]"


def call_text(result: ArmResult) -> str:
    """What is concluded, or what it would take."""
    if result.call != "inconclusive":
        return result.call
    if result.blocks == 1:
        return "one block decides nothing"
    if result.blocks_needed is None:
        return "inconclusive, blocks alone won't decide"
    return f"inconclusive, {result.blocks_needed} more blocks would decide"
