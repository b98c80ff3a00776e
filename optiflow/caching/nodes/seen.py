"""What one call of a node can see, as a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph._internal._constants import CONF, CONFIG_KEY_RUNTIME, CONFIG_KEY_SCRATCHPAD

from optiflow.caching.encoding import UncacheableError, canonical
from optiflow.caching.message_ids import InputIds

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["RUN_ENTRIES", "Seen", "Visible", "key_of", "see"]

RUN_ENTRIES = frozenset(
    {"callbacks", "max_concurrency", "metadata", "recursion_limit", "run_id", "run_name", "tags"}
)  # fmt: skip
"""Entries of a config that tell one run from another, and are no part of a key."""
_SAVED = frozenset({"checkpoint_id", "checkpoint_ns", "checkpoint_map"})
"""LangGraph's own entries; a node that is known to read them is refused."""
_PLACE = frozenset({"thread_id", "run_id", "thread_ts"})
"""Entries of ``configurable`` that say where a run is kept; part of a key only for a node that may read them."""


@dataclass(frozen=True)
class Visible:
    """What a node can see."""

    reads: frozenset[str] | None
    """State keys; None: its whole input."""

    schema: Any
    """The class of its input, where that is an object and no dict."""

    settings: frozenset[str] | None
    """Entries of the run's configuration that it reads; None: any."""


@dataclass(frozen=True)
class Seen:
    """What a node sees in one call."""

    state: Any
    configurable: Mapping[str, Any]
    context: Any
    streams_tokens: bool
    """Whether somebody listens to the tokens of models as they come."""
    scratchpad: Any
    """LangGraph's notes on the running task."""

    @property
    def resumes(self) -> bool:
        """Whether an interrupt of this very node has been answered: it then depends on more than it was given."""
        return bool(getattr(self.scratchpad, "resume", None))


def see(visible: Visible, state: Any) -> Seen:
    """Look at a node's input and at the configuration that it runs under."""
    config: RunnableConfig = var_child_runnable_config.get() or {}
    configurable = config.get(CONF, {})
    runtime = configurable.get(CONFIG_KEY_RUNTIME)
    callbacks = config.get("callbacks")
    handlers = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", None) or ()
    settings = visible.settings
    return Seen(
        state=_read(visible, state),
        configurable={
            name: value
            for name, value in configurable.items()
            if not name.startswith("__")
            and name not in _SAVED
            and (name not in _PLACE or settings is None or name in settings)
        },
        context=getattr(runtime, "context", None) if settings is None or "context" in settings else None,
        streams_tokens=any(isinstance(handler, _StreamingCallbackHandler) for handler in handlers),
        scratchpad=configurable.get(CONFIG_KEY_SCRATCHPAD),
    )


def _read(visible: Visible, state: Any) -> Any:
    if visible.reads is None:
        return state
    if isinstance(state, dict):
        return {key: state[key] for key in visible.reads if key in state}
    if isinstance(visible.schema, type) and isinstance(state, visible.schema):
        return {key: getattr(state, key) for key in visible.reads if hasattr(state, key)}
    # What a `Send` brings may be anything.
    return state


def key_of(seen: Seen, *parts: bytes) -> tuple[str, InputIds]:
    """The key of a call.

    Args:
        seen: What the node sees.
        parts: Which node this is, in which graph, and what its code is.

    Returns:
        The key, and the random ids of messages in it.

    Raises:
        UncacheableError: Something that the node sees can't be compared.
    """
    ids = InputIds()
    try:
        whole = canonical([*parts, seen.state, dict(seen.configurable), seen.context], ids)
    except UncacheableError:
        raise
    except Exception as error:
        # A state may hold anything, and looking at it may run anybody's code.
        raise UncacheableError(f"{type(error).__name__}: {error}") from error
    return sha256(whole).hexdigest(), ids
