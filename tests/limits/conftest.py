"""What the tests of provider limits share: a provider on this machine that refuses and fails as it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from optiflow.limits.gate import Gate
from optiflow.limits.model_request import GateKey, ModelRequest
from optiflow.limits.settings import LimitSettings
from optiflow.limits.tally import Tally
from optiflow.limits.ticket import Ticket
from optiflow.optimizations.limits import LimitsOptions


def _provider_server() -> Any:
    """The server of the benchmarks, which are no package."""
    place = Path(__file__).parents[2] / "benchmarks" / "provider_server.py"
    spec = spec_from_file_location("provider_server", place)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Any, str]]]:
    """Starts providers that behave as the keywords say; gives the server, which tells what it saw, and its address."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = _provider_server()
    with ExitStack() as stack:
        yield lambda **told: stack.enter_context(server.running(server.Behaviour(**{"mean_s": 0.02, **told})))


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
