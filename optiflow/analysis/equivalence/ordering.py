"""Comparisons in which the order or the number of things may be allowed to differ. Pure functions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.difference import ABSENT, Difference, difference, sequence_difference
from optiflow.analysis.equivalence.observation import CheckpointView, Event, Json

__all__ = ["checkpoint_difference", "event_differences", "write_differences"]

_NUMBERED_ID = re.compile(r'"#\d+"')


def write_differences(
    baseline: Sequence[CheckpointView], optimized: Sequence[CheckpointView], allow: Allowance
) -> Iterator[Difference | None]:
    """What was written to each key, in order.

    Overlapped nodes that write one key in one superstep may hand over the last value alone: then writes may
    be missing, but not the last, and what reducers made of them is compared with the state.
    """
    before, after = _writes_by_key(baseline), _writes_by_key(optimized)
    for key in dict.fromkeys([*before, *after]):
        path, ours, theirs = f"writes of {key!r}", before.get(key, []), after.get(key, [])
        yield _thinned(path, ours, theirs) if allow.overlapped else sequence_difference(path, ours, theirs)


def checkpoint_difference(
    baseline: Sequence[CheckpointView], optimized: Sequence[CheckpointView], allow: Allowance
) -> Difference | None:
    """The histories; checkpoints between overlapped nodes may be missing."""
    if not allow.overlapped:
        return sequence_difference("checkpoints", _as_json(baseline), _as_json(optimized))
    position = 0
    for number, checkpoint in enumerate(baseline):
        ours = _loosened(checkpoint, allow)
        theirs = _loosened(optimized[position], allow) if position < len(optimized) else ABSENT
        found = difference(f"checkpoints[{number}]", ours, theirs)
        if found is None:
            position += 1
        elif not (number and _within(checkpoint, allow) and _within(baseline[number - 1], allow)):
            return found
    return sequence_difference("further checkpoints", [], _as_json(optimized[position:]))


def event_differences(
    path: str, baseline: Sequence[Event], optimized: Sequence[Event], allow: Allowance
) -> Iterator[Difference | None]:
    """The streams; order is compared among events that have one."""
    if not (allow.overlapped or allow.concurrent):
        yield sequence_difference(path, _as_json(baseline), _as_json(optimized))
        return
    before, after = _groups(baseline, allow), _groups(optimized, allow)
    for group in dict.fromkeys([*before, *after]):
        kind, *names = group
        place = f"{path} {' '.join(str(name) for name in names)}"
        ours, theirs = before.get(group, []), after.get(group, [])
        if kind == "states" and allow.overlapped:
            yield _thinned(place, ours, theirs)
        elif kind == "unordered":
            yield _multiset_difference(place, ours, theirs)
        else:
            yield sequence_difference(place, ours, theirs)


def _groups(events: Iterable[Event], allow: Allowance) -> dict[tuple[str, ...], list[Json]]:
    groups: dict[tuple[str, ...], list[Json]] = {}
    for event in events:
        group, told = _group(event, allow)
        groups.setdefault(group, []).append(told)
    return groups


def _group(event: Event, allow: Allowance) -> tuple[tuple[str, ...], Json]:
    """The events among which this one has its place, and what is compared of it."""
    told: Json = event.body if allow.overlapped else {"body": event.body, "position": event.position}
    place = (event.mode, "/".join(event.namespace))
    if allow.unordered(event.namespace, event.node):
        return ("unordered", *place, str(event.node)), told
    if allow.overlaps(event.namespace, event.node):
        return ("ordered", *place, str(event.node)), told
    if event.node is None and event.mode in ("custom", "events"):
        return ("unordered", *place), told
    if event.node is None and isinstance(event.body, dict) and event.mode in ("checkpoints", "debug"):
        return ("states", *place), event.body["values"] if allow.overlapped else told
    if event.mode == "values":
        return ("states", *place), told
    return ("ordered", *place), told


def _thinned(path: str, baseline: Sequence[Json], optimized: Sequence[Json]) -> Difference | None:
    """Like `sequence_difference`, but all except the last of the baseline's may be missing."""
    if not (baseline and optimized):
        return sequence_difference(path, baseline, optimized)
    position = 0
    for value in baseline[:-1]:
        if position < len(optimized) - 1 and difference(path, value, optimized[position]) is None:
            position += 1
    return sequence_difference(f"{path} from the last", baseline[-1:], optimized[position:])


def _multiset_difference(path: str, baseline: Sequence[Json], optimized: Sequence[Json]) -> Difference | None:
    before, after = (Counter(_unnumbered(each) for each in side) for side in (baseline, optimized))
    for told in [*before, *after]:
        if before[told] != after[told]:
            return Difference(f"{path} number of {told[:200]}", before[told], after[told])
    return None


def _unnumbered(told: Json) -> str:
    # Identifiers are numbered as met, which says nothing where there is no order.
    return _NUMBERED_ID.sub('"#"', json.dumps(told))


def _writes_by_key(checkpoints: Iterable[CheckpointView]) -> dict[str, list[Json]]:
    writes: dict[str, list[Json]] = {}
    for checkpoint in checkpoints:
        for key, value in checkpoint.writes:
            writes.setdefault(key, []).append(value)
    return writes


def _within(checkpoint: CheckpointView, allow: Allowance) -> bool:
    """Whether only overlapped nodes run next."""
    return bool(checkpoint.next) and allow.overlapped.issuperset(checkpoint.next)


def _loosened(checkpoint: CheckpointView, allow: Allowance) -> Json:
    runs_next: list[Json] = ["(overlapped)" if node in allow.overlapped else node for node in checkpoint.next]
    return {"source": checkpoint.source, "values": checkpoint.values, "next": runs_next}


def _as_json(items: Iterable[CheckpointView | Event]) -> list[Json]:
    return [json.loads(json.dumps(asdict(item))) for item in items]
