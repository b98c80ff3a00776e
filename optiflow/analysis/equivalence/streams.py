"""Streams compared, where the order of some events may be allowed to differ. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from optiflow.analysis.differences.difference import same
from optiflow.analysis.differences.places import Places
from optiflow.analysis.equivalence.allowance import Allowance
from optiflow.analysis.equivalence.observation import Event, Json

__all__ = ["compare_events"]

_EMITTED_BY_WORK = ("custom", "events", "messages")
"""Modes whose items come from the work of a node while it runs, and not from its turn."""

_NUMBERED_ID = re.compile(r"#\d+")

_Group = tuple[str, ...]


def compare_events(
    places: Places,
    path: str,
    baselines: Sequence[Sequence[Event]],
    optimized: Sequence[Event],
    allow: Allowance,
    *,
    failed: bool,
) -> None:
    """Compare streams; order counts among events that have one.

    Args:
        places: Collects the differences.
        path: Names the stream in a difference.
        baselines: Plain LangGraph's, of each run.
        optimized: The optimized graph's.
        allow: The documented differences.
        failed: Whether the turn ended with an error: then work of overlapped nodes may have begun in vain.
    """
    if not (allow.overlapped or allow.concurrent):
        streams = [[_as_json(event) for event in each] for each in (*baselines, optimized)]
        places.value(path, streams[:-1], streams[-1])
        return
    before, after = [_groups(each, allow) for each in baselines], _groups(optimized, allow)
    for group in dict.fromkeys(group for each in (*before, after) for group in each):
        order, *place = group
        named, ours, theirs = (
            f"{path} {' '.join(place)}",
            [each.get(group, []) for each in before],
            after.get(group, []),
        )
        if order == "unordered":
            ours, theirs = [list(map(_unnumbered, each)) for each in ours], list(map(_unnumbered, theirs))
            places.multiset(named, ours, theirs)
        elif not (order == "ahead" and failed and any(same(theirs[: len(each)], each) for each in ours)):
            places.value(named, ours, theirs)


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


def _as_json(event: Event) -> Json:
    return {**asdict(event), "namespace": list(event.namespace)}


def _unnumbered(told: Json) -> Json:
    # Identifiers are numbered as met, which says nothing where there is no order.
    if isinstance(told, str):
        return "#" if _NUMBERED_ID.fullmatch(told) else told
    if isinstance(told, dict):
        return {key: _unnumbered(value) for key, value in told.items()}
    return list(map(_unnumbered, told)) if isinstance(told, list) else told
