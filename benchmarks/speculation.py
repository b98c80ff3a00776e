"""What ``speculate`` gains and costs, against plain LangGraph; ``python benchmarks/speculation.py [--json FILE]``.

Every ratio is of arms that ran in turn in this process. A node asks a model, and a router behind it takes one of two
branches, which asks the model too. Waiting is real: the model sleeps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, StateGraph
from measure import interleave, ratio_interval
from results import Figure, options_parser, publish

from optiflow import api
from optiflow.optimizations.speculate import Speculate, SpeculateOptions
from optiflow.plan.graph_plan import GraphPlan

TOKENS = (30, 70)
"""What every model call reports: of its prompt, of its answer."""
ROUNDS = 50
"""How often the node in front of a router runs where nothing can start early."""


class State(TypedDict, total=False):
    """The state of every graph here."""

    question: str
    kind: str
    answer: str
    rounds: int


class SlowModel(BaseChatModel):
    """Says what it was asked, after a while."""

    wait_s: float = 1.0

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _answer(self, messages: list[BaseMessage]) -> ChatResult:
        prompt, answer = TOKENS
        usage: Any = {"input_tokens": prompt, "output_tokens": answer, "total_tokens": prompt + answer}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].text, usage_metadata=usage))])

    def _generate(self, messages: list[BaseMessage], *args: Any, **settings: Any) -> ChatResult:
        time.sleep(self.wait_s)
        return self._answer(messages)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **settings: Any) -> ChatResult:
        await asyncio.sleep(self.wait_s)
        return self._answer(messages)


MODEL = SlowModel()


def classify(state: State) -> dict[str, Any]:
    """Ask what kind of question it is."""
    return {"kind": MODEL.invoke(state["question"]).text}


def short(state: State) -> dict[str, Any]:
    """Answer in short."""
    return {"answer": MODEL.invoke("short: " + state["question"]).text}


def long(state: State) -> dict[str, Any]:
    """Answer at length."""
    return {"answer": MODEL.invoke("long: " + state["question"]).text}


async def classify_async(state: State) -> dict[str, Any]:
    """Ask what kind of question it is."""
    return {"kind": (await MODEL.ainvoke(state["question"])).text}


async def short_async(state: State) -> dict[str, Any]:
    """Answer in short."""
    return {"answer": (await MODEL.ainvoke("short: " + state["question"])).text}


async def long_async(state: State) -> dict[str, Any]:
    """Answer at length."""
    return {"answer": (await MODEL.ainvoke("long: " + state["question"])).text}


def by_kind(state: State) -> str:
    """Go where the question asks to."""
    return state["kind"]


def routed(*nodes: Callable[..., Any]) -> StateGraph[Any]:
    """A node with a router behind it, and its two branches."""
    builder: StateGraph[Any] = StateGraph(State)
    for name, node in zip(("classify", "short", "long"), nodes, strict=True):
        builder.add_node(name, node)
    builder.add_edge(START, "classify")
    builder.add_conditional_edges("classify", by_kind, ["short", "long"])
    return builder


def runs(graph: Any, question: str, *, sync: bool) -> Callable[[], None]:
    """One run of a graph, to be timed."""
    if sync:
        return lambda: graph.invoke({"question": question})
    return lambda: asyncio.run(graph.ainvoke({"question": question}))


def counted(builder: StateGraph[Any], question: str, *, sync: bool) -> Mapping[str, Any]:
    """What one run is counted to waste."""
    toggle = Speculate(SpeculateOptions(branch={"classify": "short"}))
    graph = toggle.rewrite(GraphPlan.of(builder)).build()
    with toggle.activate() as statistics:
        runs(graph, question, sync=sync)()
    return statistics()


def guesses(repetitions: int) -> list[Figure]:
    """The time of a run whose guess is right, and of one whose guess is wrong, over plain LangGraph's."""
    figures = []
    for form, sync, builder in (
        ("async", False, routed(classify_async, short_async, long_async)),
        ("sync", True, routed(classify, short, long)),
    ):
        plain = builder.compile()
        guessing = api.compile(builder, {"speculate": {"branch": {"classify": "short"}}})
        for guess, question, limit in (("right", "short", "<= 0.55"), ("wrong", "long", "<= 1.02")):
            arms = {"plain": runs(plain, question, sync=sync), "speculate": runs(guessing, question, sync=sync)}
            samples = interleave(arms, repetitions)
            ratio = ratio_interval(samples["speculate"], samples["plain"])
            figures.append(Figure(f"the guess is {guess}, {form}: time over plain", "x", ratio, limit))
            wasted = counted(builder, question, sync=sync)
            figures.append(Figure(f"the guess is {guess}, {form}: tokens wasted", "", float(wasted["tokens_wasted"])))
    return figures


def refused(repetitions: int) -> list[Figure]:
    """A loop over a router behind which nothing may start early, and one that only learns."""

    def tick(state: State) -> dict[str, Any]:
        time.sleep(0)
        return {"rounds": state.get("rounds", 0) + 1}

    def again(state: State) -> str:
        return "tick" if state["rounds"] < ROUNDS else "long"

    figures = []
    for name, last, limit in (
        ("all is refused", lambda state: {}, "<= 1.05"),
        ("branches are only watched", short, ""),
    ):
        builder: StateGraph[Any] = StateGraph(State)
        builder.add_node("tick", tick)
        builder.add_node("long", last)
        builder.add_edge(START, "tick")
        builder.add_conditional_edges("tick", again, ["tick", "long"])
        config: Any = {"recursion_limit": ROUNDS + 9}

        def loop(graph: Any, config: Any = config) -> Callable[[], None]:
            def run() -> None:
                # The branch itself is never reached: only the bookkeeping counts.
                for _ in graph.stream({"question": "q"}, config, interrupt_before=["long"]):
                    pass

            return run

        arms = {"plain": loop(builder.compile()), "speculate": loop(api.compile(builder, "speculate"))}
        samples = interleave(arms, repetitions * 10)
        ratio = ratio_interval(samples["speculate"], samples["plain"])
        figures.append(Figure(f"{ROUNDS} rounds in which {name}: time over plain", "x", ratio, limit))
    return figures


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of every model call (default: %(default)s)")
    options = parser.parse_args(argv)
    MODEL.wait_s = options.seconds
    publish(
        [*guesses(options.repetitions), *refused(options.repetitions)], options, call_s=options.seconds, tokens=TOKENS
    )


if __name__ == "__main__":
    main()
