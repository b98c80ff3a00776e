"""Makes chat models merge and keep calls while somebody wants it, in his context and nowhere else.

What is patched are LangChain's own functions that surround a request, and only while at least one run wants it; which
run a call belongs to, if any, a context variable says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel

from optiflow.caching.calls.model_calls import Merge, ModelCalls
from optiflow.caching.calls.responses import ResponseStore
from optiflow.caching.calls.stand_in import stand_in

if TYPE_CHECKING:
    from optiflow.caching.calls.statistics import CallStatistics

__all__ = ["activate"]

_SURROUNDING = ("_generate_with_cache", "_agenerate_with_cache", "stream", "astream")

_current: ContextVar[ModelCalls | None] = ContextVar("optiflow_model_calls", default=None)


@contextmanager
def activate(merge: Merge, responses: ResponseStore | None = None) -> Iterator[CallStatistics]:
    """Merge and keep the calls of chat models that are made in this block and in what is started from it.

    An inner block stands for itself: its calls have nothing to do with those of the outer one.

    Args:
        merge: Which calls in flight share one request with equal ones; ``deterministic``: those with temperature 0 or
            a seed in effect.
        responses: Where answers are kept for later runs, of the calls that may be merged, or, with ``none``, of those
            that are deterministic; None: nowhere.
    """
    calls = ModelCalls(merge, responses)
    token = _current.set(None if merge == "none" and responses is None else calls)
    _patches.hold()
    try:
        yield calls.statistics
    finally:
        _patches.let_go()
        _current.reset(token)


class _Patches:
    """Patches that are there while somebody holds them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._plain: dict[str, tuple[Any, Any]] = {}

    def hold(self) -> None:
        """Patch, unless somebody has."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                for name in _SURROUNDING:
                    plain = getattr(BaseChatModel, name)
                    patched = _patched(plain)
                    self._plain[name] = plain, patched
                    setattr(BaseChatModel, name, patched)

    def let_go(self) -> None:
        """Take the patches away, unless somebody else needs them."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for name, (plain, patched) in self._plain.items():
                    # What somebody else put over it meanwhile stays, and what is under it lets every call pass.
                    if getattr(BaseChatModel, name) is patched:
                        setattr(BaseChatModel, name, plain)


_patches = _Patches()


def _patched(plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def surrounding(model: Any, *args: Any, **kwargs: Any) -> Any:
        calls = _current.get()
        return plain(model if calls is None else stand_in(model, calls), *args, **kwargs)

    return surrounding
