"""What a toggle decided about a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Decision"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a toggle did about one node, or why it did not."""

    toggle: str
    node: str
    """The node's name, dotted through subgraphs; ``*`` for the whole graph."""
    action: Literal["applied", "refused"]
    reason: str
