"""Callback managers without handlers, put together at once.

LangChain starts and ends a run for every runnable and makes a manager for each child, handlers or not. Without any,
all that remains is what the managers hold: an id for the parent, tags and metadata. Nested calls inherit those, and
handlers that a node attaches itself get to see them, so they are the same here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.utils.uuid import uuid7

__all__ = ["child", "is_flat", "is_idle", "is_known_langchain", "joined_tags", "new_id"]

ManagerT = TypeVar("ManagerT", CallbackManager, AsyncCallbackManager)

new_id = uuid7

_PLAIN = frozenset({str, int, float, bool, tuple, type(None)})


def is_idle(manager: Any, kind: type[Any]) -> bool:
    """Whether a manager is just what LangChain makes, and nobody listens to it or to its children."""
    return type(manager) is kind and not manager.handlers and not manager.inheritable_handlers


def is_flat(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata holds nothing that LangChain would copy or merge more deeply."""
    return all(type(value) in _PLAIN for value in metadata.values())


def joined_tags(inherited: Sequence[str], own: Sequence[str]) -> list[str]:
    """The tags that a manager passes on once its config's own were added: a repeated tag moves to the end."""
    tags = [*inherited]
    for tag in own:
        if tag in tags:
            tags.remove(tag)
    return [*tags, *own]


def child(
    kind: type[ManagerT], parent: UUID, tags: Sequence[str], metadata: Mapping[str, Any], tag: str | None = None
) -> ManagerT:
    """What ``get_child(tag)`` of a run without handlers returns.

    Args:
        kind: The manager for sync or async code.
        parent: The run's id.
        tags: What the run passes on.
        metadata: What the run passes on; flat.
        tag: A tag for this child alone.
    """
    passed: list[str] = [*tags]
    if tag is not None and tag in passed:
        passed.remove(tag)
    return kind(
        [],
        [],
        parent,
        tags=passed if tag is None else [*passed, tag],
        inheritable_tags=[*passed],
        metadata={**metadata},
        inheritable_metadata={**metadata},
    )


def is_known_langchain() -> bool:
    """Whether LangChain's managers still hold what `child` gives them."""
    tags, metadata = ["a", "b"], {"key": 1}
    try:
        for kind, run in (
            (CallbackManager, CallbackManagerForChainRun),
            (AsyncCallbackManager, AsyncCallbackManagerForChainRun),
        ):
            parent = run(
                run_id=new_id(),
                handlers=[],
                inheritable_handlers=[],
                inheritable_tags=joined_tags(["b", "a"], tags[1:]),
                inheritable_metadata=metadata,
            )
            for tag in (None, "a", "step"):
                if vars(parent.get_child(tag)) != vars(child(kind, parent.run_id, tags, metadata, tag)):  # type: ignore[type-var]
                    return False
    except TypeError:
        return False
    return True
