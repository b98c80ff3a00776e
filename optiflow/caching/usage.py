"""What the models that are asked in a block answer: how many tokens, and under which ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_core.tracers.context import register_configure_hook

from optiflow.tokens.prices import price_usd

__all__ = ["Answers", "Usage", "collect_answers", "cost"]

Usage = tuple[str, int, int]
"""Model, tokens read and tokens written of one answer."""


class Answers(BaseCallbackHandler):
    """Hears every answer in its context, also in tasks and threads that were started there."""

    run_inline = True
    raise_error = False

    def __init__(self) -> None:
        self.usages: list[Usage] = []
        self.ids: set[str] = set()

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Note one request's answers."""
        for generations in response.generations:
            for generation in generations:
                message = getattr(generation, "message", None)
                answer_id = getattr(message, "id", None)
                if answer_id is not None:
                    self.ids.add(answer_id)
                usage: Mapping[str, int] = getattr(message, "usage_metadata", None) or {}
                told: Mapping[str, Any] = getattr(message, "response_metadata", None) or {}
                name = str(told.get("model_name") or told.get("model") or "")
                self.usages.append((name, usage.get("input_tokens", 0), usage.get("output_tokens", 0)))


def cost(usages: Iterable[Usage]) -> tuple[int, float]:
    """Tokens of some answers, and what they cost in US dollars as far as prices are known."""
    tokens, dollars = 0, 0.0
    for model, read, written in usages:
        tokens += read + written
        dollars += (price_usd(model, read, written) if model else None) or 0.0
    return tokens, dollars


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
