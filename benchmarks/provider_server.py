"""A provider of models on the loopback interface that refuses, fails and dawdles as it is told.

It speaks the protocols of OpenAI (chat completions, streamed or not) and Anthropic (messages). Started as
``python benchmarks/provider_server.py '{"most_in_flight": 20}'`` it prints its port and serves until its standard input
is closed, when it prints what it saw.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from time import monotonic, time
from typing import Any, Literal

__all__ = ["Behaviour", "Seen", "Server", "running", "service_s"]

Fault = Literal["", "refuse", "overload", "unavailable", "error", "reset", "stall", "quota"]

PROMPT_TOKENS, COMPLETION_TOKENS = 100, 10


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the provider behaves."""

    most_in_flight: int | None = None
    """Requests beyond so many in flight get a 429; None: it takes all."""

    retry_after: Literal["none", "seconds", "date", "milliseconds"] = "none"
    """How a refusal says when to come back."""

    retry_after_s: float = 1.0
    """When that is."""

    per_minute: int | None = None
    """Requests beyond so many a minute get a 429, and the headers say what is left; one second's worth at once."""

    mean_s: float = 0.2
    """How long an answer takes on average; each takes half to one and a half of that."""

    slow_share: float = 0.0
    """The share of requests that take `slow_factor` times as long."""

    slow_factor: float = 10.0
    """How many times as long."""

    faults: tuple[Fault, ...] = ()
    """What befalls the first requests, in turn; an empty one is answered."""

    last_fault: Fault = ""
    """What befalls all after them."""

    seed: int = 0
    """Seed of all that is drawn."""


@dataclass(slots=True)
class Seen:
    """What the provider saw."""

    requests: int = 0
    refused: int = 0
    answered: int = 0
    cancelled: int = 0
    tokens: int = 0
    """Tokens of all answers that were begun, whether or not anybody read them."""
    peak_in_flight: int = 0
    prompts: list[str] = field(default_factory=list)
    """The prompts that were taken, in order."""


def service_s(behaviour: Behaviour, number: int) -> float:
    """How long the answer to the ``number``-th request taken takes, s."""
    draw = random.Random(f"{behaviour.seed}/{number}")
    slow = draw.random() < behaviour.slow_share
    return behaviour.mean_s * draw.uniform(0.5, 1.5) * (behaviour.slow_factor if slow else 1.0)


class Server:
    """Serves connections of one event loop."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._loop = asyncio.get_running_loop()
        self.seen = Seen()
        self.closing = asyncio.Event()
        self._stalls_over = asyncio.Event()
        self._in_flight = 0
        self._taken = 0
        self._left = 0.0
        self._left_at = monotonic()
        if behaviour.per_minute:
            self._left = max(1.0, behaviour.per_minute / 60)

    async def serve(self, started: Any) -> None:
        """Serve on a free port, told to ``started``, until `closing` is set."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        started(server.sockets[0].getsockname()[1])
        await self.closing.wait()
        self._stalls_over.set()
        server.close()

    def end_stalls(self) -> None:
        """Reset the connections that stall; from any thread."""
        self._loop.call_soon_threadsafe(self._stalls_over.set)

    def close(self) -> None:
        """Serve no more; from any thread."""
        self._loop.call_soon_threadsafe(self.closing.set)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                length = next(int(line[15:]) for line in head if line.lower().startswith("content-length:"))
                body = json.loads(await reader.readexactly(length))
                answer = asyncio.ensure_future(self._answer(head[0].split()[1], body, writer))
                # Whoever hangs up wants no answer any more; nobody sends a second request before the first answer.
                hang_up = asyncio.ensure_future(reader.read(1))
                # How a connection was lost that has ended is of no interest.
                hang_up.add_done_callback(lambda read: read.cancelled() or read.exception())
                await asyncio.wait({answer, hang_up}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    answer.cancel()
                    self.seen.cancelled += 1
                    break
                if not answer.result():
                    break
                if not hang_up.done():
                    hang_up.cancel()
                    await asyncio.wait({hang_up})
                elif not hang_up.result():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, body: Mapping[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection is of no use any more."""
        seen, told = self.seen, self.behaviour
        fault = told.faults[seen.requests] if seen.requests < len(told.faults) else told.last_fault
        seen.requests += 1
        if fault in ("reset", "stall"):
            if fault == "stall":
                await self._stalls_over.wait()
            writer.transport.abort()
            return False
        if fault in ("unavailable", "error"):
            self._write(writer, 503 if fault == "unavailable" else 500, _error("told to fail"))
            return True
        refused = told.most_in_flight is not None and self._in_flight >= told.most_in_flight
        if fault or refused or not self._within_rate():
            seen.refused += 1
            status = 529 if fault == "overload" else 429
            reason = "insufficient_quota" if fault == "quota" else "rate_limit_exceeded"
            self._write(writer, status, _error(reason), self._retry_after() | self._quota())
            return True
        self._in_flight += 1
        seen.peak_in_flight = max(seen.peak_in_flight, self._in_flight)
        seen.tokens += PROMPT_TOKENS + COMPLETION_TOKENS
        prompt = str(body["messages"][-1]["content"])
        seen.prompts.append(prompt)
        self._taken += 1
        try:
            await asyncio.sleep(service_s(told, self._taken))
        finally:
            self._in_flight -= 1
        seen.answered += 1
        if body.get("stream"):
            await self._stream(writer, prompt)
        else:
            made = _message(prompt) if path.endswith("/messages") else _completion(prompt)
            self._write(writer, 200, made, self._quota())
        return True

    def _within_rate(self) -> bool:
        if not self.behaviour.per_minute:
            return True
        now = monotonic()
        rate = self.behaviour.per_minute / 60
        self._left = min(max(1.0, rate), self._left + rate * (now - self._left_at))
        self._left_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _quota(self) -> dict[str, str]:
        if not self.behaviour.per_minute:
            return {}
        rate = self.behaviour.per_minute / 60
        capacity = max(1.0, rate)
        return {
            "x-ratelimit-limit-requests": str(int(capacity)),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{int((capacity - self._left) / rate * 1000)}ms",
        }

    def _retry_after(self) -> dict[str, str]:
        seconds = self.behaviour.retry_after_s
        return {
            "none": {},
            "seconds": {"retry-after": f"{seconds:g}"},
            "date": {"retry-after": formatdate(time() + seconds, usegmt=True)},
            "milliseconds": {"retry-after-ms": f"{seconds * 1000:g}"},
        }[self.behaviour.retry_after]

    @staticmethod
    def _write(
        writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps(body).encode()
        told = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"HTTP/1.1 {status} told\r\n{lines}\r\n".encode() + content)

    @staticmethod
    async def _stream(writer: asyncio.StreamWriter, prompt: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        chunks = [*(_chunk(word) for word in ("answer", " to ", prompt)), "[DONE]"]
        for chunk in chunks:
            data = f"data: {chunk}\n\n".encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")


def _error(reason: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": reason, "code": reason, "message": f"told to refuse: {reason}"}}


def _completion(prompt: str) -> dict[str, Any]:
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"answer to {prompt}"}}
        ],
        "usage": usage | {"total_tokens": sum(usage.values())},
    }


def _message(prompt: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": f"answer to {prompt}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS},
    }


def _chunk(text: str) -> str:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]})


@contextmanager
def running(behaviour: Behaviour) -> Iterator[tuple[Server, str]]:
    """Serve from a thread of this process.

    Yields:
        The server and its address.
    """
    started: Future[tuple[Server, int]] = Future()

    async def main() -> None:
        server = Server(behaviour)
        await server.serve(lambda port: started.set_result((server, port)))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    server, port = started.result(10)
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.close()
        thread.join()


async def _main(told: Mapping[str, Any]) -> None:
    server = Server(Behaviour(**told))
    served = asyncio.ensure_future(server.serve(lambda port: print(port, flush=True)))
    await asyncio.to_thread(sys.stdin.read)
    server.closing.set()
    await served
    print(json.dumps(asdict(server.seen)))


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1])))
