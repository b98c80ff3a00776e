"""What keeping outcomes of nodes costs and gains; ``python benchmarks/node_cache.py [--json FILE]``.

Every ratio is of arms that ran in turn in this process. Waiting is real: nodes sleep, as for a provider.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, MessagesState, StateGraph
from measure import interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

import optiflow

WAIT = 0.1
"""Seconds that a node takes whose outcome is worth keeping."""
CHAIN = 20
"""Nodes of the chain in which every lookup is in vain, or none is."""
AT_ONCE = 10
RUNS = 5

_new = count()


class State(TypedDict, total=False):
    """The state of the chain."""

    question: str
    text: str


class Model(BaseChatModel):
    """Answers the same to the same, after a while."""

    @property
    def _llm_type(self) -> str:
        return "benchmark"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        time.sleep(WAIT)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("yes"))])


model = Model()


def yielding(state: State) -> dict[str, Any]:
    """Wait for nothing, as if for something: what is left is what looking up costs."""
    time.sleep(0)
    return {"text": state["question"]}


def asking(state: MessagesState) -> dict[str, Any]:
    """Ask the model."""
    return {"messages": [model.invoke(state["messages"])]}


def chain() -> StateGraph[Any, Any, Any, Any]:
    """A chain of nodes that do next to nothing."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    before = START
    for number in range(CHAIN):
        builder.add_node(f"n{number}", yielding)
        builder.add_edge(before, f"n{number}")
        before = f"n{number}"
    return builder


def conversation() -> StateGraph[Any, Any, Any, Any]:
    """Three questions to the model, one after another."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    before = START
    for name in ("draft", "review", "publish"):
        builder.add_node(name, asking)
        builder.add_edge(before, name)
        before = name
    return builder


def repeated(graph: Any, question: Callable[[], str]) -> Callable[[], None]:
    """Some runs of the chain."""

    def run() -> None:
        for _ in range(RUNS):
            graph.invoke({"question": question()})

    return run


def lookups(repetitions: int, folder: Path) -> list[Figure]:
    """What a node pays for a miss and for a hit, over plain LangGraph's bookkeeping."""
    figures = []
    for backend in ("memory", "sqlite"):
        options: dict[str, Any] = {"nodes": "auto", "backend": backend}
        if backend == "sqlite":
            options["url"] = f"sqlite:///{folder / 'chain.sqlite'}"
        kept = optiflow.compile(chain(), {"cache": options})
        arms = {
            "plain": repeated(chain().compile(), lambda: "always the same"),
            "hit": repeated(kept, lambda: "always the same"),
            "miss": repeated(kept, lambda: f"never the same {next(_new)}"),
        }
        samples = interleave(arms, repetitions * 3)
        for arm in ("miss", "hit"):
            added = [
                (sample - plain) / (CHAIN * RUNS) * 1e6
                for sample, plain in zip(samples[arm], samples["plain"], strict=True)
            ]
            figures.append(Figure(f"a {arm} in {backend}, added to a node", "us", median_interval(added)))
    return figures


def gain(repetitions: int) -> list[Figure]:
    """Three model calls of 100 ms, asked again."""
    plain, kept = conversation().compile(), optiflow.compile(conversation(), {"cache": {"nodes": "auto"}})
    question = {"messages": [HumanMessage("go")]}
    arms = {"plain": partial(_asked, plain, question), "kept": partial(_asked, kept, question)}
    samples = interleave(arms, repetitions)
    return [
        Figure(
            "three calls of 100 ms asked again, plain / kept", "x", ratio_interval(samples["plain"], samples["kept"])
        )
    ]


def _asked(graph: Any, question: dict[str, Any]) -> None:
    graph.invoke(question)


def at_once(repetitions: int) -> list[Figure]:
    """Ten identical runs at once, each time with a new question: their calls, and their time over one run's."""
    asked: list[int] = []
    plain = Model._generate

    def counted(self: Model, *args: Any, **kwargs: Any) -> ChatResult:
        asked.append(1)
        return plain(self, *args, **kwargs)

    builder = conversation()
    # What counts in the model is no part of the key only where somebody answers for the nodes.
    kept = optiflow.compile(builder, {"cache": {"nodes": list(builder.nodes)}})

    def runs(number: int) -> None:
        async def together() -> None:
            question = {"messages": [HumanMessage(f"go {next(_new)}")]}
            await asyncio.gather(*(kept.ainvoke(question) for _ in range(number)))

        asyncio.run(together())

    Model._generate = counted  # type: ignore[method-assign]
    try:
        samples = interleave({"one": lambda: runs(1), "ten": lambda: runs(AT_ONCE)}, repetitions)
        asked.clear()
        runs(AT_ONCE)
    finally:
        Model._generate = plain  # type: ignore[method-assign]
    return [
        Figure(
            f"calls of {AT_ONCE} identical runs at once, over one run's", "x", len(asked) / len(builder.nodes), "<= 1"
        ),
        Figure(
            f"time of {AT_ONCE} identical runs at once, over one run's",
            "x",
            ratio_interval(samples["ten"], samples["one"]),
        ),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=11).parse_args(argv)
    with TemporaryDirectory() as folder:
        figures = [
            *lookups(options.repetitions, Path(folder)),
            *gain(options.repetitions),
            *at_once(options.repetitions),
        ]
    publish(figures, options)


if __name__ == "__main__":
    main()
