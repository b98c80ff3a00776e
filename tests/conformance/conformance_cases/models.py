"""A chat model whose answer depends on the request alone, and which notes every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from optiflow.analysis.equivalence import Recorder

__all__ = ["EchoModel"]


def echo(messages: Sequence[BaseMessage]) -> AIMessage:
    """Say what was said last."""
    return AIMessage(f"heard: {messages[-1].text}")


class EchoModel(BaseChatModel):
    """Answers by a function of the messages, whole or word by word."""

    temperature: float = 0.0
    """A setting, to tell requests apart."""

    _recorder: Recorder = PrivateAttr()
    _answer: Callable[[Sequence[BaseMessage]], AIMessage] = PrivateAttr()

    def __init__(
        self,
        recorder: Recorder,
        answer: Callable[[Sequence[BaseMessage]], AIMessage] = echo,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._recorder = recorder
        self._answer = answer

    @property
    def _llm_type(self) -> str:
        return "echo"

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
        self._recorder.model_request(messages, {"temperature": self.temperature, "stop": stop, **settings})
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._recorder.model_request(messages, {"temperature": self.temperature, "stop": stop, **settings})
        answer = self._answer(messages)
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
