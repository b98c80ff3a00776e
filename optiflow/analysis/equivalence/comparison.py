"""Two observations compared. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.difference import Difference, difference, first, sequence_difference
from optiflow.analysis.equivalence.observation import LOG_RECORD, CheckpointView, Effect, Json, Observation
from optiflow.analysis.equivalence.streams import event_differences

__all__ = ["first_difference"]

_NOTHING_ALLOWED = Allowance()


def first_difference(
    baseline: Observation, optimized: Observation, *, allow: Allowance = _NOTHING_ALLOWED
) -> Difference | None:
    """The first difference that is not allowed, the gravest kind first.

    In this order: errors, interrupts and outputs of each turn; the state at the end; requests to models;
    effects outside; writes of each key; checkpoints; streams.

    Args:
        baseline: What plain LangGraph did.
        optimized: What the optimized graph did.
        allow: The documented differences.
    """
    return first(_differences(baseline, optimized, allow))


def _differences(baseline: Observation, optimized: Observation, allow: Allowance) -> Iterator[Difference | None]:
    yield difference("number of turns", len(baseline.turns), len(optimized.turns))
    turns = list(enumerate(zip(baseline.turns, optimized.turns, strict=True), start=1))
    for number, (before, after) in turns:
        path = f"turn {number}"
        yield difference(f"{path} failure", _or_none(before.failure), _or_none(after.failure))
        yield sequence_difference(f"{path} interrupts", before.interrupts, after.interrupts)
        yield difference(f"{path} output", before.output, after.output)
    yield difference("state", baseline.state, optimized.state)
    yield _request_difference(baseline, optimized, allow)
    yield _effect_difference(baseline.effects, optimized.effects, allow)
    yield difference("writes", _writes(baseline.checkpoints), _writes(optimized.checkpoints))
    yield sequence_difference("checkpoints", _as_json(baseline.checkpoints), _as_json(optimized.checkpoints))
    for number, (before, after) in turns:
        failed = before.failure is not None
        yield from event_differences(f"turn {number} events", before.events, after.events, allow, failed=failed)


def _request_difference(baseline: Observation, optimized: Observation, allow: Allowance) -> Difference | None:
    before, after = Counter(baseline.model_requests), Counter(optimized.model_requests)
    failed = any(turn.failure for turn in baseline.turns)
    for request in [*before, *after]:
        begun_in_vain = failed and before[request] < after[request] and bool(allow.overlapped)
        if before[request] != after[request] and not begun_in_vain:
            path = f"number of model requests of node {request.node!r} ending {request.prompt!r}"
            return Difference(path, before[request], after[request])
    return None


def _effect_difference(baseline: Sequence[Effect], optimized: Sequence[Effect], allow: Allowance) -> Difference | None:
    sides = [_as_json(baseline), _as_json(optimized)]
    if allow.overlapped:
        # Stable: log records come last, in an order of their own; everything else keeps its place.
        sides = [sorted(side, key=lambda each: (each["kind"] == LOG_RECORD, _log_text(each))) for side in sides]
    return sequence_difference("effects", *sides)


def _log_text(effect: dict[str, Any]) -> str:
    return repr(effect["detail"]) if effect["kind"] == LOG_RECORD else ""


def _writes(checkpoints: Sequence[CheckpointView]) -> Json:
    """Key -> what was written to it, in order, over all checkpoints."""
    writes: dict[str, list[Json]] = {}
    for checkpoint in checkpoints:
        for key, value in checkpoint.writes:
            writes.setdefault(key, []).append(value)
    return {key: list(values) for key, values in writes.items()}


def _or_none(failure: Any) -> Json:
    return None if failure is None else asdict(failure)


def _as_json(items: Iterable[Any]) -> list[Any]:
    return [asdict(item) for item in items]
