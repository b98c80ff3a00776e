"""``@optiflow.effects(...)``: the author of a node vouches for what it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from optiflow.plan.effects import Effects

__all__ = ["DECLARED_EFFECTS", "effects"]

DECLARED_EFFECTS = "__optiflow_effects__"
"""Attribute of a node's callable that holds its declared effects."""

NodeT = TypeVar("NodeT", bound=Callable[..., object])


def effects(*, reads: Collection[str], writes: Collection[str]) -> Callable[[NodeT], NodeT]:
    """Declare that a node reads and writes exactly these state keys, and touches nothing else.

    Asking a model is no touching. The node stays an ordinary callable; without OptiFlow this changes nothing.

    Args:
        reads: State keys whose values the node looks at.
        writes: State keys that the node's updates may hold.

    Returns:
        A decorator for a function, a method or a callable class.

    Raises:
        TypeError: If a single string is given where a collection of keys is meant.
    """
    for name, keys in (("reads", reads), ("writes", writes)):
        if isinstance(keys, str):
            raise TypeError(f"effects({name}={keys!r}): give a collection of keys, e.g. [{keys!r}]")
    declared = Effects.declared(frozenset(reads), frozenset(writes), "declared with @optiflow.effects")

    def declare(node: NodeT) -> NodeT:
        setattr(node, DECLARED_EFFECTS, declared)
        return node

    return declare
