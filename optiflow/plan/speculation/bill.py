"""What the model calls of one piece of work cost."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage, get_buffer_string
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import LLMResult

from optiflow.monitor.run_observer import tokens_of
from optiflow.plan.dataflow.output import Witness

__all__ = ["Bill"]

_EVENTS = frozenset({"on_chat_model_start", "on_llm_start", "on_llm_new_token", "on_llm_end"})


class Bill(Witness):
    """Adds up the tokens of the model calls that it is told of, from any number of threads.

    A call that did not end, or whose provider reports no tokens, is estimated from its texts, as
    ``langchain_core.messages.utils.count_tokens_approximately`` does: a provider charges for what it was sent and for
    what it had answered when the connection was closed.
    """

    run_inline = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[UUID, str] = {}
        self._reported: dict[UUID, int] = {}
        self._ended: set[UUID] = set()

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers so far."""
        with self._lock:
            estimated = [text for call, text in self._texts.items() if call not in self._reported]
            return sum(self._reported.values()) + sum(count_tokens_approximately([text]) for text in estimated)

    @property
    def calls(self) -> int:
        """How many calls were begun."""
        with self._lock:
            return len(self._texts)

    @property
    def cut(self) -> int:
        """How many calls got no whole answer."""
        with self._lock:
            return len(self._texts.keys() - self._ended)

    def told(self, told: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Take note of an event: its name, the condition to ignore it, its arguments, and the keywords."""
        name, _, *arguments = told
        if name in _EVENTS:
            getattr(self, name)(*arguments, **keywords)

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: Sequence[Sequence[BaseMessage]], *, run_id: UUID, **kw: Any
    ) -> None:
        """A call begins."""
        self._add(run_id, *(get_buffer_string(list(batch)) for batch in messages))

    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: Sequence[str], *, run_id: UUID, **kw: Any
    ) -> None:
        """A call of a model that completes text begins."""
        self._add(run_id, *prompts)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kw: Any) -> None:
        """A part of the answer has come."""
        if isinstance(token, str):
            self._add(run_id, token)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kw: Any) -> None:
        """A call has ended."""
        reported = sum(tokens_of(response))
        answers = "".join(answer.text for answers in response.generations for answer in answers)
        with self._lock:
            self._ended.add(run_id)
            if reported:
                self._reported[run_id] = reported
            elif answers not in self._texts.get(run_id, ""):
                self._texts[run_id] += answers

    def _add(self, call: UUID, *texts: str) -> None:
        with self._lock:
            self._texts[call] = self._texts.get(call, "") + "".join(texts)
