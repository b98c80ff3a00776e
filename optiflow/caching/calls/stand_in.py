"""Stands in for a chat model in LangChain's own functions, so that all that they do around a request stays theirs.

LangChain's functions get it as ``self``. They look up their cache, choose between a whole answer and a stream, tell
callbacks and handlers, give ids and metadata; only the request itself, and the wait of the rate limiter before it, are
answered by `ModelCalls`. So a call that follows another one has the events, the ids and the form of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from optiflow.caching.calls.model_calls import ModelCalls
from optiflow.caching.calls.request import Request

__all__ = ["StandIn", "stand_in"]

_OTHER_WAYS = ("_iter_v2_events", "_aiter_v2_events", "_stream_chat_model_events", "_astream_chat_model_events")
"""What classes may define to make requests past `StandIn`."""


_OWN = {way: getattr(BaseChatModel, way, None) for way in _OTHER_WAYS}


class StandIn:
    """Everything of a model but its requests.

    Args:
        model: The model.
        calls: Who answers.
    """

    rate_limiter = None
    """Only who really asks waits for the model's."""

    # These make requests too: with the model as ``self`` they would make them past this one.
    _iter_v2_events = BaseChatModel._iter_v2_events
    _aiter_v2_events = BaseChatModel._aiter_v2_events

    def __init__(self, model: BaseChatModel, calls: ModelCalls) -> None:
        self._model = model
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        part = self._calls.result(Request(self._model, messages, stop, run_manager, kwargs))
        for token, more in part.tokens:
            cast(CallbackManagerForLLMRun, run_manager).on_llm_new_token(token, **more)
        return cast(ChatResult, part.content)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        part = await self._calls.result_async(Request(self._model, messages, stop, run_manager, kwargs))
        for token, more in part.tokens:
            await cast(AsyncCallbackManagerForLLMRun, run_manager).on_llm_new_token(token, **more)
        return cast(ChatResult, part.content)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for part in self._calls.chunks(Request(self._model, messages, stop, run_manager, kwargs)):
            for token, more in part.tokens:
                cast(CallbackManagerForLLMRun, run_manager).on_llm_new_token(token, **more)
            if part.content is not None:
                yield cast(ChatGenerationChunk, part.content)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for part in self._calls.chunks_async(Request(self._model, messages, stop, run_manager, kwargs)):
            for token, more in part.tokens:
                await cast(AsyncCallbackManagerForLLMRun, run_manager).on_llm_new_token(token, **more)
            if part.content is not None:
                yield cast(ChatGenerationChunk, part.content)


def stand_in(model: BaseChatModel | StandIn, calls: ModelCalls) -> BaseChatModel | StandIn:
    """A stand-in for a model; the model itself where its class makes requests in ways of its own."""
    cls = type(model)
    if isinstance(model, StandIn) or any(getattr(cls, way, None) is not _OWN[way] for way in _OTHER_WAYS):
        return model
    return StandIn(model, calls)
