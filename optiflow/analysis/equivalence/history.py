"""A thread's checkpoints as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from langgraph.types import PregelTask, StateSnapshot

from optiflow.analysis.equivalence.normalising import Normaliser
from optiflow.analysis.equivalence.observation import CheckpointView, Json

__all__ = ["checkpoint_views", "snapshot_value"]


def checkpoint_views(newest_first: Iterable[StateSnapshot], given: str) -> tuple[CheckpointView, ...]:
    """The history, oldest first.

    Args:
        newest_first: As LangGraph lists it.
        given: Everything that came in from outside, as text: ids in it are kept.
    """
    normaliser = Normaliser(given)
    return tuple(_view(snapshot, normaliser) for snapshot in reversed(list(newest_first)))


def snapshot_value(snapshot: StateSnapshot, given: str) -> Json:
    """One state: values, what runs next and what became of it, subgraphs' states included.

    Args:
        snapshot: The state.
        given: Everything that came in from outside, as text: ids in it are kept.
    """
    return {
        "values": Normaliser(given).value(snapshot.values),
        "next": list(snapshot.next),
        "tasks": [_task(task, given) for task in _in_order(snapshot.tasks)],
    }


def _view(snapshot: StateSnapshot, normaliser: Normaliser) -> CheckpointView:
    metadata = snapshot.metadata or {}
    under_way = Normaliser(normaliser.given, numbered=False)
    return CheckpointView(
        source=str(metadata.get("source")),
        step=int(metadata.get("step", 0)),
        values=normaliser.value(snapshot.values),
        next=snapshot.next,
        tasks=[_task(task, normaliser.given) for task in _in_order(snapshot.tasks)],
        writes=tuple((key, under_way.value(value)) for key, value in _writes(snapshot.tasks)),
    )


def _in_order(tasks: Iterable[PregelTask]) -> list[PregelTask]:
    # LangGraph applies the writes of a superstep in the order of the tasks' paths.
    return sorted(tasks, key=lambda task: [str(part) for part in task.path[:3]])


def _task(task: PregelTask, given: str) -> Json:
    state, normaliser = task.state, Normaliser(given, numbered=False)
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
