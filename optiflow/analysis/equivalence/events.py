"""Items of LangGraph's streams as `Event`s: what they tell apart from where in the run they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from optiflow.analysis.equivalence.normalising import Normaliser
from optiflow.analysis.equivalence.observation import Event

__all__ = ["EventReader"]

_FINISHED = ("messages", "values")
_RESERVED = ("__interrupt__", "__metadata__")
_POSITION = ("langgraph_step", "langgraph_triggers", "langgraph_path")
_VOLATILE = ("checkpoint_ns", "langgraph_checkpoint_ns", "checkpoint_id", "run_id", "langgraph_request_id")


class EventReader:
    """Reads the items of one stream.

    Identifiers are numbered for each node apart, so that a node's events do not depend on what ran beside it, and
    only in modes that show finished messages.

    Args:
        given: Everything that came in from outside, as text: ids in it are kept.
    """

    def __init__(self, given: str) -> None:
        self._given = given
        self._normalisers: dict[tuple[str, tuple[str, ...], str | None], Normaliser] = {}

    def stream_item(self, namespace: Iterable[str], mode: str, data: Any) -> Event:
        """An item of ``stream`` or ``astream``.

        Args:
            namespace: As LangGraph gives it: ``node:task_id`` for each graph on the way.
            mode: The stream mode.
            data: The item.
        """
        names = tuple(step.partition(":")[0] for step in namespace)
        node, body, position = _READERS[mode](data)
        return self._event(mode, names, node, body, position)

    def event_item(self, event: Mapping[str, Any]) -> Event:
        """An item of ``astream_events`` (version 2)."""
        metadata = event.get("metadata", {})
        namespace = metadata.get("langgraph_checkpoint_ns", "")
        names = tuple(step.partition(":")[0] for step in namespace.split("|"))[:-1]
        body = {
            "event": event["event"],
            "name": event["name"],
            "tags": sorted(tag for tag in event.get("tags", ()) if not tag.startswith("seq:")),
            "data": event["data"],
            "metadata": _without(metadata, *_POSITION, *_VOLATILE),
        }
        position = {**_only(metadata, *_POSITION), "depth": len(event.get("parent_ids", ()))}
        return self._event("events", names, metadata.get("langgraph_node"), body, position)

    def _event(self, mode: str, names: tuple[str, ...], node: str | None, body: Any, position: Any) -> Event:
        fresh = Normaliser(self._given, numbered=mode in _FINISHED)
        normaliser = self._normalisers.setdefault((mode, names, node), fresh)
        return Event(mode, names, node, normaliser.value(body), normaliser.value(position))


_Read = tuple[str | None, Any, Any]


def _updates(data: Mapping[str, Any]) -> _Read:
    return next((name for name in data if name not in _RESERVED), None), data, None


def _messages(data: tuple[Any, Mapping[str, Any]]) -> _Read:
    message, metadata = data
    body = {"message": message, "metadata": _without(metadata, *_POSITION, *_VOLATILE)}
    return metadata.get("langgraph_node"), body, _only(metadata, *_POSITION)


def _task(payload: Mapping[str, Any]) -> _Read:
    told = {**_without(payload, "id", "triggers", "interrupts")}
    told["interrupts"] = [_without(each, "id") for each in payload.get("interrupts", ())]
    return payload["name"], told, _only(payload, "triggers")


def _checkpoint(payload: Mapping[str, Any]) -> _Read:
    told = {
        "values": payload["values"],
        "next": payload["next"],
        "tasks": [{**_task(task)[1], "state": task.get("state") is not None} for task in payload["tasks"]],
    }
    return None, told, _only(payload["metadata"], "source", "step")


def _debug(data: Mapping[str, Any]) -> _Read:
    node, body, position = (_checkpoint if data["type"] == "checkpoint" else _task)(data["payload"])
    return node, {"type": data["type"], **body}, {"step": data["step"], **position}


_READERS: dict[str, Callable[[Any], _Read]] = {
    "checkpoints": _checkpoint,
    "custom": lambda data: (None, data, None),
    "debug": _debug,
    "messages": _messages,
    "tasks": _task,
    "updates": _updates,
    "values": lambda data: (None, data, None),
}


def _without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _only(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if key in mapping}
