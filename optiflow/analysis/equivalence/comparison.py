"""Observations compared. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from optiflow.analysis.differences.difference import Difference
from optiflow.analysis.differences.places import Places
from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.observation import LOG_RECORD, CheckpointView, Effect, Json, Observation
from optiflow.analysis.equivalence.streams import compare_events

__all__ = ["compare", "first_difference"]

_NOTHING_ALLOWED = Allowance()


def first_difference(
    baseline: Observation, optimized: Observation, *, allow: Allowance = _NOTHING_ALLOWED
) -> Difference | None:
    """The first difference that is not allowed, the gravest kind first; see `compare`.

    Args:
        baseline: What plain LangGraph did.
        optimized: What the optimized graph did.
        allow: The documented differences.
    """
    return next(iter(compare([baseline], optimized, allow=allow).differences), None)


def compare(baselines: Sequence[Observation], optimized: Observation, *, allow: Allowance = _NOTHING_ALLOWED) -> Places:
    """Every difference that is not allowed, the gravest kinds first, and the places where the baseline varies.

    In this order: errors, interrupts and outputs of each turn; the state at the end; requests to models;
    effects outside; writes of each key; checkpoints; streams.

    Args:
        baselines: What plain LangGraph did, in each of its runs.
        optimized: What the optimized graph did.
        allow: The documented differences.
    """
    places = Places()
    places.value("number of turns", [len(each.turns) for each in baselines], len(optimized.turns))
    turns = [
        (f"turn {number + 1}", [each.turns[number] for each in baselines if number < len(each.turns)], turn)
        for number, turn in enumerate(optimized.turns)
    ]
    # One more turn than any run of the baseline has is a difference by its number.
    turns = [each for each in turns if each[1]]
    for path, before, after in turns:
        places.value(f"{path} failure", [_or_none(each.failure) for each in before], _or_none(after.failure))
        places.value(f"{path} interrupts", [list(each.interrupts) for each in before], list(after.interrupts))
        places.value(f"{path} output", [each.output for each in before], after.output)
    places.value("state", [each.state for each in baselines], optimized.state)
    _compare_requests(places, baselines, optimized, allow)
    effects = [_effects(each.effects, allow) for each in (*baselines, optimized)]
    places.value("effects", effects[:-1], effects[-1])
    writes = [_writes(each.checkpoints) for each in (*baselines, optimized)]
    places.value("writes", writes[:-1], writes[-1])
    checkpoints = [_as_json(each.checkpoints) for each in (*baselines, optimized)]
    places.value("checkpoints", checkpoints[:-1], checkpoints[-1])
    for path, before, after in turns:
        failed = any(each.failure is not None for each in before)
        compare_events(places, f"{path} events", [each.events for each in before], after.events, allow, failed=failed)
    return places


def _compare_requests(
    places: Places, baselines: Sequence[Observation], optimized: Observation, allow: Allowance
) -> None:
    failed = any(turn.failure for each in baselines for turn in each.turns)
    requests = [_as_json(each.model_requests) for each in (*baselines, optimized)]
    begun_in_vain = failed and bool(allow.overlapped)
    places.multiset("model requests", requests[:-1], requests[-1], called=_called, more=begun_in_vain)


def _called(request: dict[str, Any]) -> str:
    return f"number of model requests of node {request['node']!r} ending {request['prompt']!r}"


def _effects(effects: Sequence[Effect], allow: Allowance) -> list[Any]:
    listed = _as_json(effects)
    if allow.overlapped:
        # Stable: log records come last, in an order of their own; everything else keeps its place.
        listed.sort(key=lambda each: (each["kind"] == LOG_RECORD, _log_text(each)))
    return listed


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
    return [_listed(asdict(item)) for item in items]


def _listed(value: Any) -> Any:
    """Tuples of an observation's own as the lists that JSON has."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
