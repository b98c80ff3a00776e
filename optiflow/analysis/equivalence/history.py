"""A thread's checkpoints as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from langgraph.types import PregelTask, StateSnapshot

from optiflow.analysis.equivalence.normalising import Normaliser
from optiflow.analysis.equivalence.observation import CheckpointView, Json

__all__ = ["checkpoint_views", "snapshot_value"]


def checkpoint_views(
    newest_first: Iterable[StateSnapshot], normaliser: Normaliser
) -> tuple[CheckpointView, ...]:
    """The history, oldest first.

    Args:
        newest_first: As LangGraph lists it.
        given: Identifiers that came in from outside and are kept.
    """
    normalisers = Normaliser(given), Normaliser(given, numbered=False)
    return tuple(_view(snapshot, *normalisers) for snapshot in reversed(list(newest_first)))


def snapshot_value(snapshot: StateSnapshot, given: frozenset[str]) -> Json:
    """One state: values, what runs next and what became of it, subgraphs' states included."""
    under_way = Normaliser(given, numbered=False)
    return {
        "values": Normaliser(given).value(snapshot.values),
        "next": list(snapshot.next),
        "tasks": [_task(task, under_way, given) for task in _in_order(snapshot.tasks)],
    }


def _view(snapshot: StateSnapshot, finished: Normaliser, under_way: Normaliser) -> CheckpointView:
    metadata = snapshot.metadata or {}
    return CheckpointView(
        source=str(metadata.get("source")),
        step=int(metadata.get("step", 0)),
        values=finished.value(snapshot.values),
        next=snapshot.next,
        tasks=[_task(task, under_way) for task in _in_order(snapshot.tasks)],
        writes=tuple((key, under_way.value(value)) for key, value in _writes(snapshot.tasks)),
    )


def _in_order(tasks: Iterable[PregelTask]) -> list[PregelTask]:
    # LangGraph applies the writes of a superstep in the order of the tasks' paths.
    return sorted(tasks, key=lambda task: [str(part) for part in task.path[:3]])


def _task(task: PregelTask, normaliser: Normaliser, given: frozenset[str] = frozenset()) -> Json:
    state = task.state
    return {
        "name": task.name,
        # An error read back from a checkpoint is text.
        "error": None if task.error is None else normaliser.text(str(task.error)),
        "interrupts": [normaliser.value(each.value) for each in task.interrupts],
        "result": normaliser.value(task.result),
        "state": snapshot_value(state, given) if isinstance(state, StateSnapshot) else state is not None,
    }


def _writes(tasks: Iterable[PregelTask]) -> Iterator[tuple[str, Any]]:
    for task in _in_order(tasks):
        if not isinstance(task.result, dict):
            continue
        for key, value in task.result.items():
            # LangGraph folds several writes of one task to one key into this mapping.
            several = isinstance(value, dict) and value.keys() == {"$writes"}
            for write in value["$writes"] if several else [value]:
                yield key, write
