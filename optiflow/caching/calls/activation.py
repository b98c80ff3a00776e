"""Makes chat models merge and keep calls while somebody wants it, in his context and nowhere else.

What is patched are LangChain's own functions that surround a request, and only while at least one run wants it; which
run a call belongs to, if any, a context variable says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from optiflow.caching.calls.model_calls import Merge, ModelCalls
from optiflow.caching.calls.responses import ResponseStore
from optiflow.caching.calls.stand_in import stand_in
from optiflow.offload.hooks import Hooks

if TYPE_CHECKING:
    from optiflow.caching.calls.statistics import CallStatistics

__all__ = ["HOOKS", "activate"]

_SURROUNDING = ("_generate_with_cache", "_agenerate_with_cache", "stream", "astream")
"""LangChain's functions around a request."""


_current: ContextVar[ModelCalls | None] = ContextVar("optiflow_model_calls", default=None)
"""The run whose calls those of this context are."""


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
    try:
        with HOOKS.held():
            yield calls.statistics
    finally:
        _current.reset(token)


def _patched(plain: Callable[..., Any]) -> Callable[..., Any]:
    def surrounding(model: Any, *args: Any, **kwargs: Any) -> Any:
        calls = _current.get()
        return plain(model if calls is None else stand_in(model, calls), *args, **kwargs)

    return surrounding


HOOKS = Hooks({("langchain_core.language_models", f"BaseChatModel.{name}"): _patched for name in _SURROUNDING})
"""What stands in for models within these functions."""
