"""A provider on this machine, and a model that waits until it is told to answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field

PATIENCE_S = 30.0
USAGE = {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.001)


async def until_async(condition: Callable[[], bool]) -> None:
    """Wait on the loop until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.001)


class Provider:
    """Speaks the protocols of two providers, counts the requests and can be told to hold its answers back."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failures: list[int] = []
        """Status codes of the next answers."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.requests.append(body)
                number = len(provider.requests)
                provider.gate.wait(PATIENCE_S)
                try:
                    if provider.failures:
                        self._send(provider.failures.pop(0), json.dumps({"error": {"message": f"failure {number}"}}))
                    elif self.path.endswith("/chat/completions"):
                        self._send(200, *_completion(number, stream=body.get("stream", False)))
                    else:
                        self._send(200, *_message(number, stream=body.get("stream", False)))
                except ConnectionError:
                    self.close_connection = True

            def _send(self, status: int, *parts: str) -> None:
                self.send_response(status)
                self.send_header("content-type", "text/event-stream" if len(parts) > 1 else "application/json")
                self.end_headers()
                for part in parts:
                    self.wfile.write(part.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def openai(self, **settings: Any) -> ChatOpenAI:
        return ChatOpenAI(
            **{"model": "gpt-4o-mini", "base_url": f"{self.url}/v1", "api_key": "k", "max_retries": 0, **settings}
        )

    def anthropic(self, **settings: Any) -> ChatAnthropic:
        return ChatAnthropic(
            **{"model": "claude-haiku-4-5", "base_url": self.url, "api_key": "k", "max_retries": 0, **settings}
        )

    def model(self, kind: str, **settings: Any) -> BaseChatModel:
        return getattr(self, kind)(**settings)

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _completion(number: int, *, stream: bool) -> Sequence[str]:
    base = {"id": f"chatcmpl-{number:024}", "created": 1, "model": "gpt-4o-mini"}
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    if not stream:
        message = {"role": "assistant", "content": f"answer {number}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return [json.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": usage})]
    base["object"] = "chat.completion.chunk"
    words = [{"role": "assistant", "content": ""}, {"content": "answer "}, {"content": f"{number}"}]
    chunks: list[dict[str, Any]] = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in words
    ]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**base, "choices": [], "usage": usage})
    return [*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]


def _message(number: int, *, stream: bool) -> Sequence[str]:
    base = {"id": f"msg_{number:024}", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    usage = {"input_tokens": 11, "output_tokens": 3}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    if not stream:
        return [json.dumps({**base, **end, "content": [{"type": "text", "text": f"answer {number}"}], "usage": usage})]
    start = {**base, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 0}}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "answer "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{number}"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of this test's own."""
    provider = Provider()
    yield provider
    provider.close()


class Answering:
    """What models that share it answer, and when."""

    def __init__(self) -> None:
        self.requests = 0
        self.given_up = 0
        """Streams that were left before their end."""
        self.allowed = 1_000_000
        """So many chunks of each stream, and any whole answer where this is not zero, may come."""
        self.failures: dict[int, BaseException] = {}
        """By number of the request."""
        self.fails_after = 0
        """A stream that fails does so after so many chunks."""
        self._lock = threading.Lock()

    def model(self, **settings: Any) -> Gated:
        return Gated(answering=self, **settings)

    def until(self, condition: Callable[[], bool]) -> None:
        until(condition)

    async def until_async(self, condition: Callable[[], bool]) -> None:
        await until_async(condition)

    def allows(self, index: int) -> bool:
        return self.allowed > index

    async def turns(self) -> None:
        """What a network takes at least: turns of the loop, enough for all who are there to get under way."""
        for _ in range(50):
            await asyncio.sleep(0)

    def ask(self) -> int:
        with self._lock:
            self.requests += 1
            return self.requests

    def chunk(self, number: int, index: int) -> ChatGenerationChunk | None:
        if number in self.failures and index == self.fails_after:
            raise self.failures[number]
        if index == 3:
            return None
        text = ("answer ", f"{number}", "")[index]
        more: dict[str, Any] = {"usage_metadata": USAGE, "chunk_position": "last"} if index == 2 else {}
        return ChatGenerationChunk(message=AIMessageChunk(content=text, id=f"chatcmpl-{number:024}", **more))

    def result(self, number: int) -> ChatResult:
        if number in self.failures:
            raise self.failures[number]
        message = AIMessage(content=f"answer {number}", usage_metadata=USAGE, response_metadata={"model_name": "gated"})
        return ChatResult(generations=[ChatGeneration(message=message)])


class Gated(BaseChatModel):
    """A model that counts its requests and answers each differently, when it is told to."""

    answering: Any = Field(default_factory=Answering, exclude=True)
    temperature: float | None = 0.0
    seed: int | None = None

    @property
    def _llm_type(self) -> str:
        return "gated"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        number = self.answering.ask()
        until(lambda: self.answering.allowed > 0)
        return self.answering.result(number)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        number = self.answering.ask()
        await self.answering.turns()
        await until_async(lambda: self.answering.allowed > 0)
        return self.answering.result(number)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        number, index = self.answering.ask(), 0
        try:
            while True:
                until(partial(self.answering.allows, index))
                chunk = self.answering.chunk(number, index)
                if chunk is None:
                    return
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
                index += 1
        except GeneratorExit:
            self.answering.given_up += 1
            raise

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        number, index = self.answering.ask(), 0
        try:
            await self.answering.turns()
            while True:
                await until_async(partial(self.answering.allows, index))
                chunk = self.answering.chunk(number, index)
                if chunk is None:
                    return
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
                index += 1
        except (GeneratorExit, asyncio.CancelledError):
            self.answering.given_up += 1
            raise


@pytest.fixture
def answering() -> Answering:
    """What the models of this test answer."""
    return Answering()
