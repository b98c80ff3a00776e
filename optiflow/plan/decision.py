"""What a toggle decided about a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Decision"]


_FAILED = "failed: "


@dataclass(frozen=True, slots=True)
class Decision:
    """What a toggle did about one node, or why it did not."""

    toggle: str
    node: str
    """The node's name, dotted through subgraphs; ``*`` for the whole graph."""
    action: Literal["applied", "refused"]
    reason: str

    @classmethod
    def failure(cls, toggle: str, error: str) -> Decision:
        """A toggle failed, and the graph does without it."""
        return cls(toggle, "*", "refused", f"{_FAILED}{error}")

    @property
    def is_failure(self) -> bool:
        """Whether the toggle failed, so that it takes no part at all."""
        return self.action == "refused" and self.reason.startswith(_FAILED)
