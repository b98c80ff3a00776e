"""Streams compared, where the order of some events may be allowed to differ. Pure functions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.difference import Difference, sequence_difference
from optiflow.analysis.equivalence.observation import Event, Json

__all__ = ["event_differences"]

_EMITTED_BY_WORK = ("custom", "events", "messages")
"""Modes whose items come from the work of a node while it runs, and not from its turn."""

_NUMBERED_ID = re.compile(r'"#\d+"')

_Group = tuple[str, ...]


def event_differences(
    path: str, baseline: Sequence[Event], optimized: Sequence[Event], allow: Allowance, *, failed: bool
) -> Iterator[Difference | None]:
    """The differences of two streams; order counts among events that have one.

    Args:
        path: Names the stream in a difference.
        baseline: Plain LangGraph's.
        optimized: The optimized graph's.
        allow: The documented differences.
        failed: Whether the turn ended with an error: then work of overlapped nodes may have begun in vain.
    """
    if not (allow.overlapped or allow.concurrent):
        yield sequence_difference(path, [asdict(each) for each in baseline], [asdict(each) for each in optimized])
        return
    before, after = _groups(baseline, allow), _groups(optimized, allow)
    for group in dict.fromkeys([*before, *after]):
        order, *place = group
        named, ours, theirs = f"{path} {' '.join(place)}", before.get(group, []), after.get(group, [])
        if order == "unordered":
            yield _multiset_difference(named, ours, theirs)
        elif not (order == "ahead" and failed and theirs[: len(ours)] == ours):
            yield sequence_difference(named, ours, theirs)


def _groups(events: Iterable[Event], allow: Allowance) -> dict[_Group, list[Json]]:
    groups: dict[_Group, list[Json]] = {}
    for event in events:
        group, told = _group(event, allow)
        groups.setdefault(group, []).append({"told": told, "position": event.position})
    return groups


def _group(event: Event, allow: Allowance) -> tuple[_Group, Json]:
    """The events among which this one has its place, and what is compared of it."""
    place = (event.mode, "/".join(event.namespace))
    if allow.unordered(event.namespace, event.node):
        return ("unordered", *place, str(event.node)), event.body
    if event.mode not in _EMITTED_BY_WORK:
        return ("ordered", *place), event.body
    if allow.overlaps(event.namespace, event.node):
        return ("ahead", *place, str(event.node)), _without_input(event.body)
    return ("unordered" if event.node is None else "ordered", *place, str(event.node)), event.body


def _without_input(body: Json) -> Json:
    if isinstance(body, dict) and isinstance(data := body.get("data"), dict):
        return {**body, "data": {key: value for key, value in data.items() if key != "input"}}
    return body


def _multiset_difference(path: str, baseline: Sequence[Json], optimized: Sequence[Json]) -> Difference | None:
    before, after = (Counter(_unnumbered(each) for each in side) for side in (baseline, optimized))
    for told in [*before, *after]:
        if before[told] != after[told]:
            return Difference(f"{path} number of {told[:200]}", before[told], after[told])
    return None


def _unnumbered(told: Json) -> str:
    # Identifiers are numbered as met, which says nothing where there is no order.
    return _NUMBERED_ID.sub('"#"', json.dumps(told))
