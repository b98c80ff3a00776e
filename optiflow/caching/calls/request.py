"""One request to a model, as LangChain would make it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from optiflow.caching.calls.parts import AsyncRecorder, Part, Recorder, Token
from optiflow.caching.calls.sampling import has_own

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked; every method asks it, once its rate limiter lets it.

    ``recorded`` says whether the answer is for others too, so that what the model tells its callbacks has to be part of
    it. A stream that is recorded only notes it: whoever reads the stream tells his own callbacks.
    """

    model: BaseChatModel
    messages: list[BaseMessage]
    stop: list[str] | None
    manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None
    """Callbacks of the run, where LangChain hands them to the model."""
    arguments: Mapping[str, Any]
    """Everything else."""

    @property
    def model_name(self) -> str:
        """How LangChain's traces call the model that is asked; empty where they have no name for it."""
        if has_own(self.model, "_get_ls_params"):
            return ""
        return self.model._get_ls_params(stop=self.stop, **self.arguments).get("ls_model_name", "")

    def result(self, *, recorded: bool) -> Part:
        """The whole answer."""
        self._wait_for_turn()
        tokens: list[Token] = []
        generate = self.model._generate
        callbacks = self._callbacks(tokens if recorded else None, tells=True) if _takes_callbacks(generate) else {}
        return Part(generate(self.messages, stop=self.stop, **callbacks, **self.arguments), tokens)

    async def result_async(self, *, recorded: bool) -> Part:
        """The whole answer."""
        await self._wait_for_turn_async()
        tokens: list[Token] = []
        generate = self.model._agenerate
        callbacks = self._callbacks(tokens if recorded else None, tells=True) if _takes_callbacks(generate) else {}
        return Part(await generate(self.messages, stop=self.stop, **callbacks, **self.arguments), tokens)

    def chunks(self, *, recorded: bool) -> Generator[Part]:
        """The answer bit by bit."""
        self._wait_for_turn()
        tokens: list[Token] = []
        callbacks = {} if self.manager is None else self._callbacks(tokens if recorded else None, tells=False)
        for chunk in self.model._stream(self.messages, stop=self.stop, **callbacks, **self.arguments):
            yield Part(chunk, [*tokens])
            tokens.clear()
        if tokens:
            yield Part(None, tokens)

    async def chunks_async(self, *, recorded: bool) -> AsyncGenerator[Part]:
        """The answer bit by bit."""
        await self._wait_for_turn_async()
        tokens: list[Token] = []
        callbacks = {} if self.manager is None else self._callbacks(tokens if recorded else None, tells=False)
        async for chunk in self.model._astream(self.messages, stop=self.stop, **callbacks, **self.arguments):
            yield Part(chunk, [*tokens])
            tokens.clear()
        if tokens:
            yield Part(None, tokens)

    def _callbacks(self, tokens: list[Token] | None, *, tells: bool) -> dict[str, Any]:
        if self.manager is None or tokens is None:
            return {"run_manager": self.manager}
        if isinstance(self.manager, AsyncCallbackManagerForLLMRun):
            return {"run_manager": AsyncRecorder(self.manager, tokens, tells=tells)}
        return {"run_manager": Recorder(self.manager, tokens, tells=tells)}

    def _wait_for_turn(self) -> None:
        if self.model.rate_limiter is not None:
            self.model.rate_limiter.acquire(blocking=True)

    async def _wait_for_turn_async(self) -> None:
        if self.model.rate_limiter is not None:
            await self.model.rate_limiter.aacquire(blocking=True)


def _takes_callbacks(generate: Callable[..., Any]) -> bool:
    # LangChain looks in the same way.
    return _names_callbacks(getattr(generate, "__func__", generate))


@lru_cache(maxsize=256)
def _names_callbacks(function: Callable[..., Any]) -> bool:
    return "run_manager" in inspect.signature(function).parameters
