"""The gates of one or more runs, and who is held to them: requests that a run sends through httpx or httpx2."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from optiflow.limits.gate import Gate
from optiflow.limits.model_request import GateKey, ModelRequest, read_model_request
from optiflow.limits.settings import LimitSettings
from optiflow.limits.tally import Tally
from optiflow.limits.turns import my_turn
from optiflow.offload.hooks import Hooks

__all__ = ["SENDING", "Gates", "govern", "load_libraries", "shared_gates"]

LIBRARIES = ("httpx", "httpx2")
"""The HTTP clients of the providers' own packages; both have the same classes."""

MOST_GATES = 1024


class Gates:
    """A gate for each model of each account, made when it is needed; safe to use from any thread.

    Args:
        settings: What every gate holds to.
    """

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._gates: OrderedDict[GateKey, Gate] = OrderedDict()

    def of(self, key: GateKey) -> Gate:
        """The gate of an account's model."""
        with self._lock:
            gate = self._gates.get(key)
            if gate is None:
                gate = self._gates[key] = Gate(self._settings)
                self._forget()
            self._gates.move_to_end(key)
            return gate

    def _forget(self) -> None:
        """Keep what was learned bounded in a program that serves many accounts: the longest unused go first."""
        for key in list(self._gates)[: max(0, len(self._gates) - MOST_GATES)]:
            if self._gates[key].idle:
                del self._gates[key]


@lru_cache(maxsize=64)
def shared_gates(settings: LimitSettings) -> Gates:
    """The gates that all runs of this process with these settings share: they share what the provider allows."""
    return Gates(settings)


_governed: ContextVar[tuple[Gates, Tally] | None] = ContextVar("optiflow_limits", default=None)
"""The gates that hold for the requests of the running context, and where they count."""


def load_libraries() -> None:
    """Import the HTTP clients that are installed: a provider's package may be imported as late as in a node."""
    for library in LIBRARIES:
        if library not in sys.modules and _is_installed(library):
            import_module(library)


@cache
def _is_installed(library: str) -> bool:
    return find_spec(library) is not None


@contextmanager
def govern(gates: Gates) -> Iterator[Tally]:
    """Send the model requests of the block, wherever its context goes, through gates.

    Yields:
        What was done, while it is done.
    """
    load_libraries()
    tally = Tally()
    with SENDING.held():
        token = _governed.set((gates, tally))
        try:
            yield tally
        finally:
            _governed.reset(token)


def _through_gates(plain: Callable[..., Any]) -> Callable[..., Any]:
    def send(client: Any, request: Any, **options: Any) -> Any:
        found = _found(request)
        if found is None:
            return plain(client, request, **options)
        from optiflow.limits.delivery import deliver_sync

        gate, tally, call = found
        # Whatever sending does in turn is part of it, such as passing another hook of ours.
        token = _governed.set(None)
        try:
            once = partial(plain, client, request, **options)
            return deliver_sync(gate, call, tally, once, stream=bool(options.get("stream")))
        finally:
            _governed.reset(token)

    return send


def _through_gates_async(plain: Callable[..., Any]) -> Callable[..., Any]:
    async def send(client: Any, request: Any, **options: Any) -> Any:
        found = _found(request)
        if found is None:
            return await plain(client, request, **options)
        from optiflow.limits.delivery import deliver_async

        gate, tally, call = found
        token = _governed.set(None)
        try:
            once = partial(plain, client, request, **options)
            return await deliver_async(gate, call, tally, once, stream=bool(options.get("stream")))
        finally:
            _governed.reset(token)

    return send


def _in_turn(plain: Callable[..., Any]) -> Callable[..., Any]:
    async def agenerate(*args: Any, **kwargs: Any) -> Any:
        if _governed.get() is not None:
            await my_turn()
        return await plain(*args, **kwargs)

    return agenerate


def _found(request: Any) -> tuple[Gate, Tally, ModelRequest] | None:
    """The gate of a request, where it is to be counted, and what it is; None: it is none of ours."""
    governed = _governed.get()
    call = None if governed is None else read_model_request(request)
    if governed is None or call is None:
        return None
    gates, tally = governed
    if call.is_retry:
        tally.count("client_retries")
    return gates.of(call.key), tally, call


SENDING = Hooks(
    {
        (library, f"{client}.send"): wrap
        for library in LIBRARIES
        for client, wrap in (("Client", _through_gates), ("AsyncClient", _through_gates_async))
    }
    | {("langchain_core.language_models.chat_models", "BaseChatModel.agenerate"): _in_turn}
)
"""What sends requests, and the turns of those that are asked for at once."""
