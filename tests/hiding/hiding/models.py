"""Models that answer after a wait."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

__all__ = ["LLM", "Echo", "answered"]


def answered(text: str) -> ChatResult:
    """A model's answer."""
    return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text, id="m"))])


class Echo(BaseChatModel):
    """Says the question in capitals."""

    pause: float = 0.006

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        time.sleep(self.pause)
        return answered(str(messages[-1].content).upper())

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        await asyncio.sleep(self.pause)
        return answered(str(messages[-1].content).upper())


LLM = Echo()
