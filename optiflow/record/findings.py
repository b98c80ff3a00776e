"""What a record says of a run besides its measurements: quality, cost, declared effects, where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optiflow.monitor.observation import ModelCall, NodeSpan
from optiflow.quality.measure import measure
from optiflow.record.parts import NodeEffects, QualityRecord
from optiflow.tokens.prices import price_usd

if TYPE_CHECKING:
    from optiflow.workflow.base import Workflow

__all__ = ["cost_of", "effects_of", "failed_node", "quality_of"]


def cost_of(calls: Sequence[ModelCall]) -> float | None:
    """The list price of all calls; None where that of one is not known."""
    prices = [price_usd(call.model, call.prompt_tokens, call.completion_tokens) for call in calls]
    return sum(price for price in prices if price is not None) if calls and None not in prices else None


def effects_of(workflow: Workflow) -> dict[str, NodeEffects] | None:
    """What each node was declared to read and write; None unless those of every node are known."""
    known = {
        name: NodeEffects(reads=tuple(sorted(each.reads)), writes=tuple(sorted(each.writes)))
        for name, each in workflow.effects.items()
        if each.reads is not None and each.writes is not None
    }
    return known if workflow.builder is not None and known.keys() == workflow.builder.nodes.keys() else None


def quality_of(text: str, workflow: Workflow) -> QualityRecord | None:
    """How right the final text is; None where the workflow has nothing to hold it against."""
    quality = measure(text, truth=workflow.truth, reference=workflow.reference)
    if quality is None:
        return None
    counted = quality.kind == "truth"
    return QualityRecord(
        kind=quality.kind,
        score=quality.score,
        grade=quality.grade,
        right=quality.right if counted else None,
        missing=quality.missing if counted else None,
        wrong=quality.wrong if counted else None,
    )


def failed_node(spans: Sequence[NodeSpan], error: Exception) -> str | None:
    """The node that the error ended: not one that failed before and went well when it was repeated."""
    ended = [span.node for span in spans if span.error and span.error.startswith(type(error).__name__)]
    return ended[-1] if ended else None
