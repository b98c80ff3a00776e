"""What merging model calls saves and costs; ``python benchmarks/model_calls.py [--json FILE]``.

Requests are counted where the network would be, behind LangChain's client for OpenAI. Costs are of a call that is
merged with none, against a plain one, in arms that ran in turn in this process; the provider there answers at once, so
that a real call has the same cost beside hundreds of milliseconds of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

import httpx2
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from measure import interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

from optiflow.caching.calls import activate

QUESTION: list[BaseMessage] = [SystemMessage("You are an analyst. " * 100), HumanMessage("What changed? " * 100)]
"""About 800 tokens."""
WAIT_S = 0.5
"""How long the provider takes where requests are counted, s: enough for a hundred threads to start."""
CALLS = 5
"""Calls of one sample."""


class Provider(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Counts requests and answers each after a while, in one piece or in ten."""

    def __init__(self, wait_s: float) -> None:
        self.requests = 0
        self._wait_s = wait_s

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a thread."""
        self.requests += 1
        time.sleep(self._wait_s)
        return _answer(request.read())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a coroutine."""
        self.requests += 1
        await asyncio.sleep(self._wait_s)
        return _answer(await request.aread())

    def model(self, temperature: float) -> ChatOpenAI:
        """A model that asks here."""
        return ChatOpenAI(
            model="gpt-4o-mini",
            api_key="none",  # type: ignore[arg-type]
            temperature=temperature,
            http_client=httpx2.Client(transport=self),
            http_async_client=httpx2.AsyncClient(transport=self),
        )


def _answer(question: bytes) -> httpx2.Response:
    base = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-mini"}
    if not json.loads(question).get("stream"):
        message = {"role": "assistant", "content": "Nothing. " * 10}
        usage = {"prompt_tokens": 800, "completion_tokens": 20, "total_tokens": 820}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx2.Response(200, json={**base, "object": "chat.completion", "choices": [choice], "usage": usage})
    chunk = {"index": 0, "delta": {"content": "Nothing. "}, "finish_reason": None}
    line = f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', 'choices': [chunk]})}\n\n"
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, text=line * 10 + "data: [DONE]\n\n")


def ask_threads(model: ChatOpenAI, count: int) -> None:
    """Ask in many threads at once."""
    _in_threads(lambda: model.invoke(QUESTION), count)


def read_threads(model: ChatOpenAI, count: int) -> None:
    """Read streams in many threads at once."""
    _in_threads(lambda: list(model.stream(QUESTION)), count)


def ask_tasks(model: ChatOpenAI, count: int) -> None:
    """Ask in many tasks at once."""

    async def main() -> None:
        await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(count)))

    asyncio.run(main())


def read_tasks(model: ChatOpenAI, count: int) -> None:
    """Read streams in many tasks at once."""

    async def main() -> None:
        await asyncio.gather(*(_drain(model) for _ in range(count)))

    asyncio.run(main())


def _in_threads(call: Callable[[], object], count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(copy_context().run, call) for _ in range(count)]:
            future.result()


async def _drain(model: ChatOpenAI) -> None:
    async for _ in model.astream(QUESTION):
        pass


def counts() -> list[Figure]:
    """Requests of equal calls at once."""
    figures = []
    ways = {"ainvoke": ask_tasks, "astream": read_tasks, "invoke": ask_threads, "stream": read_threads}
    for count in (2, 100):
        for name, way in ways.items():
            provider = Provider(WAIT_S)
            with activate("deterministic"):
                way(provider.model(temperature=0), count)
            figures.append(Figure(f"requests of {count} equal calls at once, {name}", "", provider.requests, "<= 1"))
    return figures


def ask(model: ChatOpenAI) -> None:
    """Ask again and again."""
    for _ in range(CALLS):
        model.invoke(QUESTION)


def read(model: ChatOpenAI) -> None:
    """Read one stream after another."""
    for _ in range(CALLS):
        for _ in model.stream(QUESTION):
            pass


def ask_on_loop(model: ChatOpenAI) -> None:
    """Ask again and again on an event loop."""

    async def main() -> None:
        for _ in range(CALLS):
            await model.ainvoke(QUESTION)

    asyncio.run(main())


def read_on_loop(model: ChatOpenAI) -> None:
    """Read one stream after another on an event loop."""

    async def main() -> None:
        for _ in range(CALLS):
            await _drain(model)

    asyncio.run(main())


def activated(way: Callable[[ChatOpenAI], None], model: ChatOpenAI) -> None:
    """Do something in a run in which calls are merged."""
    with activate("deterministic"):
        way(model)


def costs(repetitions: int) -> list[Figure]:
    """A call that is merged with none, over a plain one."""
    figures = []
    sampled, fixed = (Provider(0).model(temperature) for temperature in (1.0, 0.0))
    for name, way in {"invoke": ask, "stream": read, "ainvoke": ask_on_loop, "astream": read_on_loop}.items():
        arms = {
            "plain": partial(way, fixed),
            "sampled": partial(activated, way, sampled),
            "deterministic": partial(activated, way, fixed),
        }
        samples = interleave(arms, repetitions)
        for arm, limit in (("sampled", "<= 1.05"), ("deterministic", "")):
            ratio = ratio_interval(samples[arm], samples["plain"])
            more = [1e6 * (a - b) / CALLS for a, b in zip(samples[arm], samples["plain"], strict=True)]
            figures.append(Figure(f"{name}, {arm} call over plain", "x", ratio, limit))
            figures.append(Figure(f"{name}, {arm} call more than plain", "us", median_interval(more)))
    return figures


def switching(repetitions: int) -> Figure:
    """Microseconds to begin and end a run in which calls are merged."""

    def switch() -> None:
        for _ in range(100):
            with activate("deterministic"):
                pass

    microseconds = median_interval([1e6 * sample / 100 for sample in interleave({"on": switch}, repetitions)["on"]])
    return Figure("beginning and ending a run", "us", microseconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=100).parse_args(argv)
    figures = [*counts(), *costs(options.repetitions), switching(options.repetitions)]
    publish(figures, options, calls_per_sample=CALLS)


if __name__ == "__main__":
    main()
