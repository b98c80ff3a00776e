"""What a record says of a run besides its measurements: quality, cost, declared effects, where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from optiflow.monitor.observation import ModelCall, NodeSpan
from optiflow.quality.measure import measure
from optiflow.record.parts import NodeEffects, QualityRecord, Tokens
from optiflow.tokens.prices import price_usd, priced_tokens

if TYPE_CHECKING:
    from optiflow.workflow.base import Workflow

__all__ = ["cost_of", "effects_of", "failed_node", "quality_of", "tokens_of"]


def cost_of(calls: Sequence[ModelCall]) -> float | None:
    """The list price of all calls, cached tokens at theirs; None where that of one is not known."""
    prices = [_price(call) for call in calls]
    return sum(price for price in prices if price is not None) if calls and None not in prices else None


def tokens_of(calls: Sequence[ModelCall], *, wasted: int = 0, free: bool = False) -> Tokens:
    """What all calls used.

    Args:
        calls: The calls.
        wasted: What toggles spent besides.
        free: Whether nothing is charged, so that nothing has to have a price.
    """
    prompt, completion = sum(call.prompt_tokens for call in calls), sum(call.completion_tokens for call in calls)
    charged = [] if free else [call for call in calls if call.prompt_tokens or call.completion_tokens]
    return Tokens(
        prompt=prompt,
        completion=completion,
        total=prompt + completion,
        wasted=wasted,
        cache_read=sum(call.cached.read for call in calls),
        cache_write=sum(call.cached.write for call in calls),
        cache_write_5m=sum(call.cached.write_5m for call in calls),
        cache_write_1h=sum(call.cached.write_1h for call in calls),
        priced=sum(_priced(call) for call in calls),
        unpriced=tuple(sorted({call.model for call in charged if _price(call) is None})),
    )


def _price(call: ModelCall) -> float | None:
    return price_usd(call.model, call.prompt_tokens, call.completion_tokens, **asdict(call.cached))


def _priced(call: ModelCall) -> float:
    tokens = call.prompt_tokens + call.completion_tokens
    if not call.cached:
        return tokens
    priced = priced_tokens(call.model, call.prompt_tokens, call.completion_tokens, **asdict(call.cached))
    return tokens if priced is None else priced


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
