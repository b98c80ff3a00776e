"""What the models that are asked in a block answer: how many tokens, and under which ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_core.tracers.context import register_configure_hook

__all__ = ["Answers", "collect_answers"]


class Answers(BaseCallbackHandler):
    """Hears every answer in its context, also in tasks and threads that were started there."""

    run_inline = True
    raise_error = False

    def __init__(self) -> None:
        self.calls = 0
        self.tokens = 0
        self.ids: set[str] = set()

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Note one answer."""
        self.calls += 1
        for generations in response.generations:
            for generation in generations:
                message = getattr(generation, "message", None)
                answer_id = getattr(message, "id", None)
                if answer_id is not None:
                    self.ids.add(answer_id)
                self.tokens += (getattr(message, "usage_metadata", None) or {}).get("total_tokens", 0)


_answers: ContextVar[Answers | None] = ContextVar("optiflow_answers", default=None)


@cache
def _register() -> None:
    register_configure_hook(_answers, inheritable=True)


@contextmanager
def collect_answers() -> Iterator[Answers]:
    """Hear what models answer in the block."""
    _register()
    answers = Answers()
    token = _answers.set(answers)
    try:
        yield answers
    finally:
        _answers.reset(token)
