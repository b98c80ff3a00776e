"""What ``limits`` does under a provider's limits; ``python benchmarks/providers.py [--json FILE]``.

The provider is a process of its own on the loopback interface (``provider_server.py``) and takes 20 requests at a
time. It is asked by the providers' own clients. The ideal is what 20 workers without any overhead would take for the
very same answers; nothing can be faster. Every round has a fresh provider and nothing learned before.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import operator
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TypedDict

from httpx2 import AsyncClient
from langchain_anthropic import ChatAnthropic
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from measure import Interval, median_interval, ratio_interval
from provider_server import Behaviour, service_s
from results import Figure, options_parser, publish

from optiflow.limits.governor import Gates, govern
from optiflow.optimizations.limits import LimitsOptions

MOST_IN_FLIGHT = 20

HEDGED_AT_ONCE = 20
"""Calls in progress at a time where slow ones are hedged."""

PARTS = ("limit", "others", "hedging", "burst", "told-burst", "overhead")
"""What can be measured alone: all of it takes a quarter of an hour."""


class State(TypedDict, total=False):
    """The state of the graphs."""

    prompts: list[str]
    answers: Annotated[list[str], operator.add]
    seconds: Annotated[list[float], operator.add]


class Answers(TypedDict, total=False):
    """What a subgraph gives back."""

    answers: list[str]
    seconds: list[float]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a graph against a fresh provider."""

    seconds: float
    """How long the run took."""

    lost: int
    """Prompts without an answer of their own."""

    seen: Mapping[str, Any]
    """What the provider saw."""

    calls: Sequence[float]
    """How long each call took, sorted, s."""

    @property
    def refused_percent(self) -> float:
        """Refused requests, of all."""
        return 100 * float(self.seen["refused"]) / float(self.seen["requests"])

    @property
    def p99(self) -> float:
        """The 99th percentile of the calls, s."""
        return self.calls[int(0.99 * len(self.calls))]


def openai(url: str) -> Any:
    """OpenAI's client as LangChain makes it."""
    return ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="key")  # type: ignore[arg-type]


def anthropic(url: str) -> Any:
    """Anthropic's client as LangChain makes it."""
    return ChatAnthropic(model="m", base_url=url, api_key="key")  # type: ignore[call-arg,arg-type]


def graph_of(model: Any, *, nested: bool, tasks: int) -> Any:
    """A graph whose tasks ask the prompts, each its share in turn; nested: every other task two subgraphs down."""

    def told(started: float, prompt: str, text: str) -> tuple[str, float]:
        return f"{prompt}: {text}", perf_counter() - started

    def ask_one(prompt: str) -> tuple[str, float]:
        started = perf_counter()
        try:
            return told(started, prompt, str(model.invoke(prompt).content))
        except Exception as error:  # noqa: BLE001  a prompt that is lost is what is counted
            return told(started, prompt, type(error).__name__)

    async def ask_one_async(prompt: str) -> tuple[str, float]:
        started = perf_counter()
        try:
            return told(started, prompt, str((await model.ainvoke(prompt)).content))
        except Exception as error:  # noqa: BLE001  a prompt that is lost is what is counted
            return told(started, prompt, type(error).__name__)

    def state_of(asked: Sequence[tuple[str, float]]) -> State:
        return {"answers": [text for text, _ in asked], "seconds": [seconds for _, seconds in asked]}

    def ask(state: State) -> State:
        return state_of([ask_one(prompt) for prompt in state["prompts"]])

    async def ask_async(state: State) -> State:
        return state_of([await ask_one_async(prompt) for prompt in state["prompts"]])

    node: Any = RunnableLambda(ask, ask_async)
    deep = node
    for _ in range(2 if nested else 0):
        inner: StateGraph[Any] = StateGraph(State, output_schema=Answers)
        inner.add_node("ask", deep)
        inner.add_edge(START, "ask")
        deep = inner.compile()
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("ask", node)
    builder.add_node("deep", deep)
    builder.add_conditional_edges(
        START,
        lambda state: [
            Send("deep" if nested and task % 2 else "ask", {"prompts": state["prompts"][task::tasks]})
            for task in range(tasks)
        ],
        ["ask", "deep"],
    )
    return builder.compile()


@contextmanager
def provider(behaviour: Behaviour) -> Iterator[tuple[str, dict[str, Any]]]:
    """A provider in a process of its own: its address, and what it saw, once it has ended."""
    command = [sys.executable, str(Path(__file__).with_name("provider_server.py")), json.dumps(asdict(behaviour))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        seen: dict[str, Any] = {}
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", seen
        finally:
            process.stdin.close()
            seen |= json.loads(process.stdout.readline())


def measured(
    behaviour: Behaviour,
    prompts: int,
    held: Callable[[], AbstractContextManager[object]],
    *,
    client: Callable[[str], Any] = openai,
    nested: bool = False,
    sync: bool = False,
    at_once: int | None = None,
    tasks: int | None = None,
) -> Measured:
    """Run a graph under a toggle, or plain.

    Args:
        behaviour: How the provider behaves.
        prompts: How many prompts are asked.
        held: Makes what is held around the run.
        client: Makes the model for an address.
        nested: Whether half of the prompts are asked in subgraphs of subgraphs.
        sync: Whether the graph is run from a thread.
        at_once: Most tasks at a time, as the run's configuration says; None: all.
        tasks: How many tasks share the prompts; None: one each.
    """
    config: Any = {"max_concurrency": at_once} if at_once else {}
    given = {"prompts": [f"p{number}" for number in range(prompts)]}

    async def run(graph: Any) -> tuple[Any, float]:
        started = perf_counter()
        final = graph.invoke(given, config) if sync else await graph.ainvoke(given, config)
        return final, perf_counter() - started

    with provider(behaviour) as (url, seen), held():
        final, seconds = asyncio.run(run(graph_of(client(url), nested=nested, tasks=tasks or prompts)))
    right = {f"{prompt}: answer to {prompt}" for prompt in given["prompts"]}
    return Measured(seconds, len(right - set(final["answers"])), seen, sorted(final["seconds"]))


def limited(**options: Any) -> AbstractContextManager[object]:
    """The toggle, with nothing learned yet."""
    return govern(Gates(LimitsOptions(**options).settings()))


def ideal_s(behaviour: Behaviour, prompts: int) -> float:
    """What workers take that are as many as the provider takes requests and always busy."""
    free = [0.0] * MOST_IN_FLIGHT
    for number in range(1, prompts + 1):
        heapq.heapreplace(free, free[0] + service_s(behaviour, number))
    return max(free)


def under_a_limit(repetitions: int, prompts: int, mean_s: float) -> list[Figure]:
    """A provider that takes 20 requests at a time, in all its dialects, asked in all ways."""
    cases: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "no Retry-After": ({}, {}),
        "Retry-After: 1": ({"retry_after": "seconds"}, {}),
        "Retry-After: date": ({"retry_after": "date"}, {}),
        "retry-after-ms: 200": ({"retry_after": "milliseconds", "retry_after_s": 0.2}, {}),
        "Retry-After: 1, nested": ({"retry_after": "seconds"}, {"nested": True}),
        "Retry-After: 1, nested, Anthropic": ({"retry_after": "seconds"}, {"nested": True, "client": anthropic}),
        "Retry-After: 1, threads": ({"retry_after": "seconds"}, {"sync": True, "at_once": 64}),
    }
    figures = []
    for name, (told, how) in cases.items():
        over, refused, lost = [], [], 0
        for seed in range(repetitions):
            behaviour = Behaviour(most_in_flight=MOST_IN_FLIGHT, mean_s=mean_s, seed=seed, **told)
            run = measured(behaviour, prompts, limited, **how)
            over.append(run.seconds / ideal_s(behaviour, prompts))
            refused.append(run.refused_percent)
            lost += run.lost
        figures += [
            Figure(f"{prompts} prompts, {name}: over the ideal", "x", median_interval(over), "<= 1.15"),
            Figure(f"{prompts} prompts, {name}: requests refused", "%", median_interval(refused), "<= 5"),
            Figure(f"{prompts} prompts, {name}: lost in all rounds", "", float(lost), "<= 0"),
        ]
    return figures


def others_under_a_limit(repetitions: int, prompts: int, mean_s: float) -> list[Figure]:
    """The same without the toggle, where the clients repeat for themselves, and told the limit in advance.

    Plain LangGraph that is told the limit (``max_concurrency``, as long as nobody else asks) is as good as it gets
    with these clients and this processor: what it takes over the ideal is theirs, the rest is the toggle's.
    """
    figures = []
    for shape, nested in (("", False), (", nested", True)):
        plain: list[Measured] = []
        toggled: list[Measured] = []
        told: list[Measured] = []
        over: list[float] = []
        for seed in range(repetitions):
            behaviour = Behaviour(most_in_flight=MOST_IN_FLIGHT, mean_s=mean_s, seed=seed, retry_after="seconds")
            plain.append(measured(behaviour, prompts, nullcontext, nested=nested))
            toggled.append(measured(behaviour, prompts, limited, nested=nested))
            told.append(measured(behaviour, prompts, nullcontext, nested=nested, at_once=MOST_IN_FLIGHT))
            over.append(told[-1].seconds / ideal_s(behaviour, prompts))
        lost, refused = [float(run.lost) for run in plain], [run.refused_percent for run in plain]
        figures += [
            Figure(f"plain LangGraph{shape}: prompts lost", "", median_interval(lost)),
            Figure(f"plain LangGraph{shape}: requests refused", "%", median_interval(refused)),
            Figure(f"plain LangGraph{shape}, most lost, over limits", "x", _over(plain, toggled)),
            Figure(f"plain LangGraph{shape}, told the limit: over the ideal", "x", median_interval(over)),
            Figure(f"limits{shape}, over plain LangGraph told the limit", "x", _over(toggled, told)),
        ]
    return figures


def _over(a: Sequence[Measured], b: Sequence[Measured]) -> Interval:
    return ratio_interval([run.seconds for run in a], [run.seconds for run in b])


def hedging(repetitions: int, prompts: int, mean_s: float, at_once: int, **told: Any) -> list[Figure]:
    """One call in a hundred takes ten times as long; so many are in progress at a time.

    Args:
        repetitions: Rounds.
        prompts: Calls of a round.
        mean_s: Seconds of an answer.
        at_once: Calls in progress at a time.
        told: Options of the toggle beside ``hedge``.
    """
    plain: list[Measured] = []
    hedged: list[Measured] = []
    for seed in range(repetitions):
        behaviour = Behaviour(mean_s=mean_s, slow_share=0.01, seed=seed)
        plain.append(measured(behaviour, prompts, nullcontext, tasks=at_once))
        hedged.append(measured(behaviour, prompts, lambda: limited(hedge=True, **told), tasks=at_once))
    lower = [100 * (1 - b.p99 / a.p99) for a, b in zip(plain, hedged, strict=True)]
    more = [100 * (b.seen["tokens"] / a.seen["tokens"] - 1) for a, b in zip(plain, hedged, strict=True)]
    slow = ", ".join([f"1 % slow calls, {at_once} at a time", *(f"{name}={value}" for name, value in told.items())])
    return [
        Figure(f"hedging, {slow}: 99th percentile lower by", "%", median_interval(lower), ">= 40"),
        Figure(f"hedging, {slow}: more tokens", "%", median_interval(more), "<= 3"),
        Figure(f"plain, {slow}: 99th percentile", "s", median_interval([run.p99 for run in plain])),
        Figure(f"hedging, {slow}: lost in all rounds", "", float(sum(run.lost for run in hedged)), "<= 0"),
    ]


async def overhead(repetitions: int) -> list[Figure]:
    """Requests that nothing limits, plain and through a gate in turn, to a provider that answers at once."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hello " * 200}]}
    plain: list[float] = []
    gated: list[float] = []
    holding: list[float] = []
    gates = Gates(LimitsOptions().settings())
    with provider(Behaviour(mean_s=0.0)) as (url, _):
        async with AsyncClient() as client:

            async def asked_s() -> float:
                started = perf_counter()
                await client.post(url, json=body)
                return perf_counter() - started

            for _ in range(100 * repetitions):
                plain.append(await asked_s())
                started = perf_counter()
                with govern(gates):
                    entered = perf_counter()
                    gated.append(await asked_s())
                    left = perf_counter()
                holding.append(entered - started + perf_counter() - left)
    added = median_interval([1e6 * (b - a) for a, b in zip(plain, gated, strict=True)])
    return [
        Figure("a request that nothing limits: added", "µs", added),
        Figure("holding the toggle around a run", "µs", median_interval([1e6 * each for each in holding])),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=5)
    parser.add_argument(
        "--prompts", type=int, default=200, help="prompts of a run under a limit (default: %(default)s)"
    )
    parser.add_argument("--calls", type=int, default=1000, help="calls of a run that is hedged (default: %(default)s)")
    parser.add_argument("--mean-s", type=float, default=1.0, help="seconds of an answer (default: %(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    options = parser.parse_args(argv)
    # Clients are slow to make the first time.
    measured(Behaviour(mean_s=0.0), 2, limited)
    measured(Behaviour(mean_s=0.0), 2, limited, client=anthropic, sync=True)
    limit = (options.repetitions, options.prompts, options.mean_s)
    burst = (options.repetitions, options.calls, 2 * options.mean_s, options.calls)
    parts: Mapping[str, Callable[[], list[Figure]]] = {
        "limit": lambda: under_a_limit(*limit),
        "others": lambda: others_under_a_limit(*limit),
        "hedging": lambda: hedging(options.repetitions, options.calls, options.mean_s / 2, HEDGED_AT_ONCE),
        "burst": lambda: hedging(*burst),
        "told-burst": lambda: hedging(*burst, initial_concurrency=options.calls),
        "overhead": lambda: asyncio.run(overhead(options.repetitions)),
    }
    figures = [figure for part in options.parts for figure in parts[part]()]
    how = {"prompts": options.prompts, "calls": options.calls, "mean_s": options.mean_s}
    publish(figures, options, most_in_flight=MOST_IN_FLIGHT, **how)


if __name__ == "__main__":
    main()
