"""Tests of the toggle ``limits``, with the providers' real clients."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
import yaml
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from pydantic import ValidationError

import optiflow
from optiflow.limits.governor import shared_gates
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.limits import Limits, LimitsOptions

pytest.importorskip("langchain_openai", reason="needs the extra 'providers'")

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

ROOT = Path(__file__).parents[2]
Provider = Callable[..., tuple[Any, str]]


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    configured = yaml.safe_load((ROOT / "conf" / "opt" / "limits.yaml").read_text(encoding="utf-8"))
    assert configured == {"limits": LimitsOptions().model_dump()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial_concurrency": 0},
        {"max_concurrency": 0},
        {"requests_per_minute": 0},
        {"tokens_per_minute": "many"},
        {"max_wait_s": 0},
        {"max_wait_s": float("inf")},
        {"hedge_budget": 0},
        {"hedge_budget": 0.6},
        {"other": 1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Values out of range and unknown keys are errors."""
    with pytest.raises(ValidationError):
        LimitsOptions.model_validate(wrong)


def test_it_says_what_it_acts_on(decision_of: Callable[[Optimization[Any]], Decision]) -> None:
    """One decision, about the whole graph."""
    decision = decision_of(Limits(LimitsOptions()))
    assert (decision.node, decision.action) == ("*", "applied")
    assert "httpx" in decision.reason


@pytest.fixture(autouse=True)
def _nothing_learned() -> None:
    """Gates know nothing of the providers of other tests."""
    shared_gates.cache_clear()


def openai(url: str, **settings: Any) -> Any:
    """OpenAI's client."""
    return ChatOpenAI(model="m", base_url=f"{url}/v1", api_key="key", **settings)  # type: ignore[arg-type]


def anthropic(url: str, **settings: Any) -> Any:
    """Anthropic's client."""
    return ChatAnthropic(model="m", base_url=url, api_key="key", **settings)  # type: ignore[call-arg,arg-type]


class State(TypedDict, total=False):
    """The state of the graphs."""

    prompts: list[str]
    answers: Annotated[list[str], operator.add]


class Answers(TypedDict, total=False):
    """What a subgraph gives back."""

    answers: list[str]


def fan_out(model: Any, *, nested: bool = False) -> StateGraph[Any]:
    """A graph that asks each prompt in a task of its own, or in a subgraph of its own."""

    async def ask_async(state: State) -> State:
        return {"answers": [str((await model.ainvoke(prompt)).content) for prompt in state["prompts"]]}

    def ask(state: State) -> State:
        return {"answers": [str(model.invoke(prompt).content) for prompt in state["prompts"]]}

    node: Any = RunnableLambda(ask, ask_async)
    if nested:
        inner: StateGraph[Any] = StateGraph(State, output_schema=Answers)
        inner.add_node("ask", node)
        inner.add_edge(START, "ask")
        node = inner.compile()
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("ask", node)
    builder.add_conditional_edges(
        START, lambda state: [Send("ask", {"prompts": [prompt]}) for prompt in state["prompts"]], ["ask"]
    )
    return builder


def run(graph: Any, how: str, prompts: list[str], **config: Any) -> list[str]:
    """The answers, sorted: the tasks of one step have no order."""
    if how == "ainvoke":
        return sorted(asyncio.run(graph.ainvoke({"prompts": prompts}, config))["answers"])
    return sorted(graph.invoke({"prompts": prompts}, config)["answers"])


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("client", [openai, anthropic])
def test_no_prompt_is_lost(model_provider: Provider, client: Any, how: str, nested: bool) -> None:
    """A provider that takes four at once, and clients that never repeat anything: each prompt has its answer."""
    server, url = model_provider(most_in_flight=4, retry_after="seconds")
    prompts = [f"p{number}" for number in range(30)]
    graph = optiflow.compile(fan_out(client(url, max_retries=0), nested=nested), ["limits"])
    assert run(graph, how, prompts) == sorted(f"answer to {prompt}" for prompt in prompts)
    assert server.seen.peak_in_flight <= 4
    assert sorted(server.seen.prompts) == sorted(prompts)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_every_fault_at_once(model_provider: Provider, how: str) -> None:
    """Refusals, overload, outages, resets: what the gate does not repeat, the client still does."""
    faults = ("refuse", "overload", "error", "reset", "unavailable", "") * 2
    server, url = model_provider(faults=faults, retry_after="milliseconds", retry_after_s=0.02)
    prompts = [f"p{number}" for number in range(12)]
    with Limits(LimitsOptions()).activate() as statistics:
        assert run(fan_out(openai(url, max_retries=4)).compile(), how, prompts) == sorted(
            f"answer to {prompt}" for prompt in prompts
        )
        seen = statistics()
    assert (seen["refused"], seen["resent"], seen["client_retries"]) == (4, 4, 6)
    assert seen["requests"] == server.seen.requests == 12 + 10


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
@pytest.mark.parametrize("retry_after", ["none", "seconds"])
def test_a_provider_that_refuses_for_ever(model_provider: Provider, how: str, retry_after: str) -> None:
    """The run ends with the provider's own error, and not much later than configured."""
    _, url = model_provider(last_fault="refuse", retry_after=retry_after)
    options = {"limits": {"max_wait_s": 0.2}}
    graph = optiflow.compile(fan_out(openai(url, max_retries=0)), options)
    with pytest.raises(Exception, match="429") as caught:
        run(graph, how, ["a", "b", "c"])
    assert "RateLimitError" in type(caught.value).__name__
    assert "told to refuse" in str(caught.value)


def test_no_credit_is_told_at_once(model_provider: Provider) -> None:
    """No waiting, no repeating: as without the toggle."""
    server, url = model_provider(last_fault="quota")
    graph = optiflow.compile(fan_out(openai(url, max_retries=0)), ["limits"])
    with pytest.raises(Exception, match="insufficient_quota"):
        run(graph, "invoke", ["a"])
    assert server.seen.requests == 1


class Calls(BaseCallbackHandler):
    """Keeps what models are asked."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """Keep it."""
        self.prompts += [str(message.content) for batch in messages for message in batch]


def test_hedging_is_not_seen(model_provider: Provider) -> None:
    """Slow requests are sent twice; LangChain sees each call once, and the answers are the same."""
    server, url = model_provider(faults=("",) * 40 + ("stall",))
    prompts = [f"p{number}" for number in range(60)]
    calls = Calls()
    with Limits(LimitsOptions(hedge=True, hedge_budget=0.1)).activate() as statistics:
        answers = run(fan_out(openai(url)).compile(), "ainvoke", prompts, callbacks=[calls], max_concurrency=4)
        seen = statistics()
    assert answers == sorted(f"answer to {prompt}" for prompt in prompts)
    assert sorted(calls.prompts) == sorted(prompts)
    assert int(seen["hedges_won"]) >= 1
    # A hedge that is cancelled in its first moments never reaches the server.
    assert 60 < server.seen.requests <= 60 + int(seen["hedges_sent"]) <= 66
    assert seen["hedge_tokens_wasted"] == 110 * int(seen["hedges_sent"])


@pytest.mark.parametrize("sync", [True, False])
def test_streamed_answers(model_provider: Provider, sync: bool) -> None:
    """The chunks come as ever, behind a refusal that nobody sees."""
    _, url = model_provider(faults=("refuse",), retry_after="milliseconds", retry_after_s=0.02)
    model = openai(url, max_retries=0)

    def ask() -> list[list[str]]:
        return [[str(chunk.content) for chunk in model.stream("hello")] for _ in range(2)]

    async def ask_async() -> list[list[str]]:
        return [[str(chunk.content) async for chunk in model.astream("hello")] for _ in range(2)]

    with Limits(LimitsOptions(max_concurrency=1)).attach():
        for chunks in ask() if sync else asyncio.run(ask_async()):
            assert "".join(chunks) == "answer to hello"
            assert len(chunks) > 2
