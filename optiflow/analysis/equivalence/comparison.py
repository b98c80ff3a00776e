"""Two observations compared. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.difference import Difference, difference, first, sequence_difference
from optiflow.analysis.equivalence.observation import ModelRequest, Observation, Turn
from optiflow.analysis.equivalence.ordering import checkpoint_difference, event_differences, write_differences

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


def _differences(
    baseline: Observation, optimized: Observation, allow: Allowance
) -> Iterator[Difference | None]:
    yield difference("number of turns", len(baseline.turns), len(optimized.turns))
    turns = list(zip(baseline.turns, optimized.turns, strict=False))
    for number, (before, after) in enumerate(turns, start=1):
        yield from _answer_differences(f"turn {number}", before, after)
    yield difference("state", baseline.state, optimized.state)
    yield _request_difference(baseline.model_requests, optimized.model_requests)
    yield sequence_difference(
        "effects", [asdict(each) for each in baseline.effects], [asdict(each) for each in optimized.effects]
    )
    yield from write_differences(baseline.checkpoints, optimized.checkpoints, allow)
    yield checkpoint_difference(baseline.checkpoints, optimized.checkpoints, allow)
    for number, (before, after) in enumerate(turns, start=1):
        yield from event_differences(f"turn {number} events", before.events, after.events, allow)


def _answer_differences(path: str, baseline: Turn, optimized: Turn) -> Iterator[Difference | None]:
    before, after = (turn.failure and asdict(turn.failure) for turn in (baseline, optimized))
    yield difference(f"{path} failure", before, after)
    yield sequence_difference(f"{path} interrupts", baseline.interrupts, optimized.interrupts)
    yield difference(f"{path} output", baseline.output, optimized.output)


def _request_difference(
    baseline: Sequence[ModelRequest], optimized: Sequence[ModelRequest]
) -> Difference | None:
    before, after = Counter(baseline), Counter(optimized)
    for request in [*before, *after]:
        if before[request] != after[request]:
            path = f"number of model requests of node {request.node!r} ending {request.prompt!r}"
            return Difference(path, before[request], after[request])
    return None
