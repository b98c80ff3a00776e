"""A chat model whose answer depends on the request alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from conformance_cases.case import INSTANT
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

__all__ = ["EchoModel", "StreamingEchoModel"]


class EchoModel(BaseChatModel):
    """Answers by a function of the messages after a moment.

    It keeps nothing, so the analysis may take it for what it is; requests are seen through callbacks.
    """

    temperature: float = 0.0
    """A setting, to tell requests apart."""

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        """Say what was said last."""
        return AIMessage(f"heard: {messages[-1].text}")

    @property
    def _llm_type(self) -> str:
        return "echo"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def bind_tools(self, tools: Sequence[Any], **settings: Any) -> Any:
        """Take the tools' names as a setting."""
        return self.bind(tools=[tool.name for tool in tools], **settings)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> ChatResult:
        time.sleep(INSTANT)
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])


class StreamingEchoModel(EchoModel):
    """Answers word by word where it is asked to."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(INSTANT)
        answer = self.answer(messages)
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=place)
            for place, call in enumerate(answer.tool_calls)
        ]
        words = answer.text.split(" ")
        for place, word in enumerate(words):
            last = place == len(words) - 1
            message = AIMessageChunk(
                word if place == 0 else f" {word}",
                tool_call_chunks=calls if last else [],
                chunk_position="last" if last else None,
            )
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk
