"""What a run does besides changing its state: requests to models and effects outside."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage

from optiflow.analysis.equivalence.normalising import Normaliser
from optiflow.analysis.equivalence.observation import Effect, ModelRequest

__all__ = ["ModelRequestHandler", "Recorder", "audited", "outside_effect"]


class Recorder:
    """Collects effects and model requests in the order in which they happen; threads may share one."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._model_requests: list[ModelRequest] = []

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Everything done outside so far."""
        return tuple(self._effects)

    @property
    def model_requests(self) -> tuple[ModelRequest, ...]:
        """Every request to a model so far."""
        return tuple(self._model_requests)

    def effect(self, kind: str, detail: Any = None) -> None:
        """Note that something was done outside of the state.

        Args:
            kind: What was done.
            detail: To what; copied as it is at this moment.
        """
        self._effects.append(Effect(kind, Normaliser().value(detail)))

    def model_request(
        self, prompt: Sequence[BaseMessage] | str, settings: Mapping[str, Any], node: str | None = None
    ) -> None:
        """Note a request to a model.

        Args:
            prompt: The messages, or the text.
            settings: Everything else that decides the answer.
            node: The node that asks.
        """
        texts = [prompt] if isinstance(prompt, str) else [f"{type(m).__name__}: {m.text}" for m in prompt]
        # Every id of one request is numbered afresh: a request must not depend on the ones before it.
        content = Normaliser().value([prompt, dict(settings)])
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        self._model_requests.append(ModelRequest(node, digest, (texts[-1] if texts else "")[-80:]))


class ModelRequestHandler(BaseCallbackHandler):
    """A LangChain handler that gives every model request to a recorder."""

    run_inline = True

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record one request for each list of messages."""
        for prompt in messages:
            self._recorder.model_request(prompt, _settings(kwargs), (metadata or {}).get("langgraph_node"))

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record one request for each text."""
        for prompt in prompts:
            self._recorder.model_request(prompt, _settings(kwargs), (metadata or {}).get("langgraph_node"))


def _settings(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kwargs.get(name) for name in ("invocation_params", "options")}


_auditing: ContextVar[Recorder | None] = ContextVar("optiflow_auditing", default=None)
_hook_installed = False

_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_AUDITED = {
    "open": "file written",
    "os.mkdir": "directory made",
    "os.remove": "file removed",
    "os.rename": "file renamed",
    "os.rmdir": "directory removed",
    "os.system": "process started",
    "socket.connect": "connection opened",
    "subprocess.Popen": "process started",
}


@contextmanager
def audited(recorder: Recorder) -> Iterator[None]:
    """Record the files written, sockets connected and processes started in this context.

    Python's audit hooks can't be removed: the first use installs one for the life of the process, which does
    nothing outside of such a block.
    """
    global _hook_installed
    if not _hook_installed:
        sys.addaudithook(_audit)
        _hook_installed = True
    token = _auditing.set(recorder)
    try:
        yield
    finally:
        _auditing.reset(token)


def outside_effect(event: str, arguments: tuple[Any, ...]) -> Effect | None:
    """What an audit event of Python's says was done outside; None if nothing that counts.

    Args:
        event: The event's name.
        arguments: Its arguments, as the audit events table of Python lists them.
    """
    kind = _AUDITED.get(event)
    if kind is None or (event == "open" and not _writes(arguments[2])):
        return None
    # The first argument is the object of the act, but for a socket, which comes before its address.
    objects = arguments[1:2] if event == "socket.connect" else arguments[: 2 if event == "os.rename" else 1]
    return Effect(kind, [str(each) for each in objects])


def _writes(flags: Any) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITING_FLAGS)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    recorder = _auditing.get()
    if recorder is not None and (effect := outside_effect(event, arguments)) is not None:
        recorder.effect(effect.kind, effect.detail)
