"""What the tests of provider limits share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.limits.gate import Gate
from optiflow.limits.model_request import GateKey, ModelRequest
from optiflow.limits.settings import LimitSettings
from optiflow.limits.tally import Tally
from optiflow.limits.ticket import Ticket
from optiflow.optimizations.limits import LimitsOptions


@pytest.fixture
def settings() -> Callable[..., LimitSettings]:
    """Makes settings: the defaults but for the keywords."""
    return lambda **fields: LimitsOptions(**fields).settings()


class Clock:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Silent:
    """A bell that counts its rings."""

    def __init__(self, *, alive: bool = True) -> None:
        self.rings = 0
        self.alive = alive

    def ring(self) -> bool:
        """Count."""
        self.rings += 1
        return self.alive

    def clear(self) -> None:
        """Keep counting."""


class Entrance:
    """A gate on a clock of its own, and tickets for it."""

    def __init__(self, settings: LimitSettings) -> None:
        self.clock = Clock()
        self.gate = Gate(settings, self.clock)
        self.tally = Tally()

    def ticket(self, *, tokens: int = 10, alive: bool = True, hedge: bool = False, repeatable: bool = True) -> Ticket:
        """A ticket that has not entered."""
        request = ModelRequest(GateKey("host", "model", b""), tokens, is_retry=False, repeatable=repeatable)
        return Ticket(request, Silent(alive=alive), self.tally, hedge=hedge)

    def waiting(self, **about: Any) -> Ticket:
        """A ticket in the queue."""
        ticket = self.ticket(**about)
        self.gate.enter(ticket)
        return ticket

    def sent(self, **about: Any) -> Ticket:
        """A ticket in flight."""
        ticket = self.waiting(**about)
        assert self.gate.admit(ticket) is None
        return ticket


@pytest.fixture
def entrance(settings: Callable[..., LimitSettings]) -> Callable[..., Entrance]:
    """Makes a gate with the options given by keywords."""
    return lambda **fields: Entrance(settings(**fields))
