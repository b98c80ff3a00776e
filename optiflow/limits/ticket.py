"""One request on its way through a gate."""

from __future__ import annotations

from typing import Protocol

from optiflow.limits.allowance import Spent
from optiflow.limits.model_request import ModelRequest
from optiflow.limits.tally import Tally

__all__ = ["Bell", "Ticket"]


class Bell(Protocol):
    """Wakes whoever waits."""

    def ring(self) -> bool:
        """Wake it, from any thread; False if there is nobody to wake any more."""
        ...

    def clear(self) -> None:
        """Be silent until the next ring."""
        ...


class Ticket:
    """One request on its way through a gate: waiting, in flight, or gone.

    Args:
        request: What is to be sent.
        bell: Rung when it may be its turn.
        tally: Where it counts.
        hedge: Whether it is asked while the same is in flight already; it goes before those that wait.
    """

    def __init__(self, request: ModelRequest, bell: Bell, tally: Tally, *, hedge: bool = False) -> None:
        self.request = request
        self.bell = bell
        self.tally = tally
        self.hedge = hedge
        self.first = hedge
        """Whether it goes before those that wait."""
        self.held = False
        """Whether it stays in flight when its delivery is over, as a streamed answer does."""
        self.withdrawn = False
        """Whether it must not be sent any more."""
        self.number = 0
        """The how-manieth request sent it was; 0: not yet."""
        self.waiting_since: float | None = None
        self.sent_at = 0.0
        self.level = 0
        self.ended_before = 0
        self.refusals = 0
        self.spent = Spent()
