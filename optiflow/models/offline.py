"""A chat model without a provider: deterministic, extractive, its latency spent on a clock."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import tiktoken
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, SkipValidation

from optiflow.clock import Clock
from optiflow.config.model import LatencyConfig
from optiflow.models.answering import answer
from optiflow.models.latency import CallLatency, call_latency
from optiflow.tokens.encodings import encoded_length, encoding_name, use_shipped_rank_files

__all__ = ["OfflineChatModel"]

_CHUNK = re.compile(r"\S*\s+|\S+")


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    usage: UsageMetadata
    latency: CallLatency


class OfflineChatModel(BaseChatModel):
    """Answers from its prompt alone, as `optiflow.models.answering` describes; needs neither key nor network.

    It serves as the provider: it accounts its tokens itself, apart from the counting that the toggles speed up, and
    spends the time of the latency law on its clock.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    optiflow_never_samples: ClassVar[bool] = True
    """It answers the same prompt the same way."""

    model_name: str = "offline-extractive-1"
    """The name that it gives in the metadata of its answers."""

    tokenizer: str = "gpt-4o"
    """The model name whose tokenizer accounts the tokens."""

    latency: LatencyConfig | None = None
    """The latency law; None: it answers at once."""

    clock: SkipValidation[Clock] = Field(exclude=True, repr=False)
    """Where the latency is spent."""

    @property
    def _llm_type(self) -> str:
        return "optiflow-offline"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._reply(messages, stop)
        self.clock.sleep(reply.latency.total_s)
        return self._result(reply)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._reply(messages, stop)
        await self.clock.sleep_async(reply.latency.total_s)
        return self._result(reply)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self._reply(messages, stop)
        for seconds, chunk in self._chunks(reply):
            self.clock.sleep(seconds)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = self._reply(messages, stop)
        for seconds, chunk in self._chunks(reply):
            await self.clock.sleep_async(seconds)
            yield chunk

    def _reply(self, messages: list[BaseMessage], stop: list[str] | None) -> _Reply:
        prompt = "\n\n".join(message.text for message in messages)
        text = answer(prompt)
        for mark in stop or ():
            text = text.partition(mark)[0]
        encode = _encoder(self.tokenizer)
        read, written = encode(prompt), encode(text)
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
        return _Reply(text, usage, call_latency(self.latency, prompt, read, written))

    def _result(self, reply: _Reply) -> ChatResult:
        message = AIMessage(
            content=reply.text, usage_metadata=reply.usage, response_metadata={"model_name": self.model_name}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunks(self, reply: _Reply) -> Iterator[tuple[float, ChatGenerationChunk]]:
        """The answer word by word, each with the seconds that come before it; usage comes last."""
        words = _CHUNK.findall(reply.text)
        decode = reply.latency.total_s - reply.latency.first_token_s
        for index, word in enumerate(words):
            seconds = decode / len(words) + (reply.latency.first_token_s if index == 0 else 0.0)
            yield seconds, ChatGenerationChunk(message=AIMessageChunk(content=word))
        last = AIMessageChunk(
            content="",
            usage_metadata=reply.usage,
            response_metadata={"model_name": self.model_name},
            chunk_position="last",
        )
        yield (0.0 if words else reply.latency.total_s), ChatGenerationChunk(message=last)


@functools.cache
def _encoder(tokenizer: str) -> Callable[[str], int]:
    """The provider's own token count, which no toggle touches."""
    use_shipped_rank_files()
    return functools.partial(encoded_length, tiktoken.get_encoding(encoding_name(tokenizer)))
