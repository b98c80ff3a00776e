"""Graphs of other shapes: routers, loops, graphs in graphs, runnables as nodes, several runs, other streams."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from unittest import mock

from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.context import collect_runs, register_configure_hook
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy

from hiding.generator_parts import a_moving_place, a_shared_place, heard
from hiding.models import LLM, Echo
from hiding.scene import Lab, Pair, Scene, chain, scenario, state_of
from hiding.steps import asking, idle, resting, working


def scene(nodes: list[Pair], asynchronous: bool, **more: Any) -> Scene:
    built = chain(state_of(len(nodes)), [node[asynchronous] for node in nodes])
    return Scene(built, {"q": "question"}, **more)


@scenario
def a_router_that_looks(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    def route(s: Any) -> str:
        return "left" if len(str(look(None))) % 2 else "right"

    builder: Any = StateGraph(state_of(4))
    parts = {
        "n0": asking("k0", idle, lambda s: look(None)), "n1": asking("k1", lambda s: look(None)), "left": asking("k2", lambda s: look(None)),
        "right": resting("k3", lambda s: look(None)), "end": working("out", lambda s: look(None)),
    }  # fmt: skip
    for name, pair in parts.items():
        builder.add_node(name, pair[asynchronous])
    builder.add_edge(START, "n0")
    builder.add_edge("n0", "n1")
    builder.add_conditional_edges("n1", route, ["left", "right"])
    builder.add_edge("left", "end")
    builder.add_edge("right", "end")
    builder.add_edge("end", END)
    return Scene(builder, {"q": "question"}, during=shared.during, after=lambda: look(None))


@scenario
def a_loop_that_looks(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    rounds = itertools.count(1)

    def again(s: Any) -> str:
        return "n0" if next(rounds) < 3 else END

    builder: Any = StateGraph(state_of(3))
    nodes = [asking("k0", idle, lambda s: look(None)), asking("k1", lambda s: look(None)), resting("k2")]
    before = START
    for number, pair in enumerate(nodes):
        builder.add_node(f"n{number}", pair[asynchronous])
        builder.add_edge(before, f"n{number}")
        before = f"n{number}"
    builder.add_conditional_edges("n2", again, ["n0", END])
    return Scene(builder, {"q": "question"}, during=shared.during)


@scenario
def a_graph_in_a_graph(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    inner = chain(
        state_of(4), [pair[asynchronous] for pair in (asking("k1"), asking("k2", lambda s: look(None)))]
    ).compile()
    builder: Any = StateGraph(state_of(5))
    builder.add_node("n0", asking("k0", idle, lambda s: look(None))[asynchronous])
    builder.add_node("inner", inner)
    builder.add_node("n3", asking("k3", lambda s: look(None))[asynchronous])
    builder.add_node("n4", resting("k4", lambda s: look(None))[asynchronous])
    for one, other in itertools.pairwise((START, "n0", "inner", "n3", "n4", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, during=shared.during)


@scenario
def branches_that_join(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    builder: Any = StateGraph(state_of(6))
    parts = [asking("k0"), asking("k1"), resting("k2"), asking("k3", idle, lambda s: look(None)), asking("k4", lambda s: look(None)),
             resting("k5", lambda s: look(None))]  # fmt: skip
    for number, pair in enumerate(parts):
        builder.add_node(f"n{number}", pair[asynchronous])
    builder.add_edge(START, "n0")
    builder.add_edge("n0", "n1")
    builder.add_edge("n0", "n2")
    builder.add_edge(["n1", "n2"], "n3")
    builder.add_edge("n3", "n4")
    builder.add_edge("n4", "n5")
    # Which of two branches is told first is chance.
    streamed = ("values",)
    return Scene(builder, {"q": "question"}, during=shared.during, streamed=streamed, after=lambda: look(None))


@scenario
def objects_as_nodes(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    class Node:
        def __init__(self, key: str) -> None:
            self.key = key

        def __call__(self, s: Any) -> Any:
            return {self.key: [look(None), LLM.invoke("about it").content]}

        def work(self, s: Any) -> Any:
            return {self.key: [look(None), LLM.invoke("about it").content]}

    def bound(key: str, s: Any) -> Any:
        return {key: [look(None), LLM.invoke("about it").content]}

    def kinds(key: str) -> Any:
        return dice.choice((
            Node(key), Node(key).work, functools.partial(bound, key), RunnableLambda(functools.partial(bound, key)),
            RunnableLambda(lambda s: s["q"]) | RunnableLambda(lambda q: {key: [look(None), LLM.invoke(q).content]}),
        ))  # fmt: skip

    builder: Any = StateGraph(state_of(3))
    for number in range(3):
        builder.add_node(f"n{number}", kinds(f"k{number}"))
    for one, other in itertools.pairwise((START, "n0", "n1", "n2", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, during=shared.during)


def decorated(function: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(s: Any) -> Any:
        seen.append("before")
        made = function(s)
        return {**made, "held": len(seen)}

    return inner


@scenario
def nodes_with_a_decorator(dice: random.Random, asynchronous: bool) -> Scene:
    seen: list[str] = []
    builder = chain(state_of(3), [decorated(asking(f"k{number}")[0], seen) for number in range(3)])
    return Scene(builder, {"q": "question"}, after=lambda: seen, judged=lambda state: str(state))


@scenario
def a_node_cache_with_a_counting_key(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look

    def key(*args: Any, **named: Any) -> str:
        return str(look(None))

    builder: Any = StateGraph(state_of(3))
    pairs = (asking("k0", lambda s: look(None)), asking("k1"), asking("k2", lambda s: look(None)))
    for number, pair in enumerate(pairs):
        policy = CachePolicy(key_func=key) if number == 1 else None
        builder.add_node(f"n{number}", pair[asynchronous], cache_policy=policy)
    for one, other in itertools.pairwise((START, "n0", "n1", "n2", END)):
        builder.add_edge(one, other)
    return Scene(builder, {"q": "question"}, Lab(compiling={"cache": InMemoryCache()}), during=shared.during)


@scenario
def a_second_run(dice: random.Random, asynchronous: bool) -> Scene:
    """What the first run left behind is there for the second."""
    shared = a_shared_place(dice) if dice.random() < 0.5 else a_moving_place(dice)
    look, move = shared.look, shared.move
    nodes = [asking("k0", idle, lambda s: look(None)), asking("k1", lambda s: look(None)), resting("k2")]
    more: dict[str, Any] = {} if move is None else {"between": move}
    return scene(nodes, asynchronous, turns=2, during=shared.during, **more)


def helped(text: str) -> str:
    """Stands to be replaced."""
    return f"{text}!"


@scenario
def a_function_replaced_between_two_runs(dice: random.Random, asynchronous: bool) -> Scene:
    patch = mock.patch(f"{__name__}.helped", side_effect=map(str, range(99)))

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        try:
            yield
        finally:
            patch.stop()

    nodes = [asking("k0", idle, lambda s: helped("a")), asking("k1", lambda s: helped("b")), asking("k2")]
    return scene(nodes, asynchronous, turns=2, between=patch.start, during=during)


@scenario
def a_model_replaced_by_a_test(dice: random.Random, asynchronous: bool) -> Scene:
    results = [ChatResult(generations=[ChatGeneration(message=AIMessage(content=str(n)))]) for n in range(9)]
    name = "_agenerate" if asynchronous else "_generate"
    nodes = [asking("k0"), asking("k1"), asking("k2")]
    return scene(nodes, asynchronous, during=lambda: mock.patch.object(Echo, name, side_effect=results))


@scenario
def usage_that_a_node_reads(dice: random.Random, asynchronous: bool) -> Scene:
    usage = UsageMetadataCallbackHandler()

    class Priced(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            made = super()._generate(messages)
            message: Any = made.generations[0].message
            message.usage_metadata = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            message.response_metadata = {"model_name": "priced"}
            return made

    llm = Priced()

    class Total:
        @property
        def tokens(self) -> int:
            return int(usage.usage_metadata.get("priced", {}).get("total_tokens", 0))

    total = Total()
    nodes = [
        asking("k0", lambda s: total.tokens, llm=llm),
        asking("k1", lambda s: str(usage.usage_metadata), llm=llm),
        asking("k2", lambda s: str(usage.usage_metadata), llm=llm),
        working("k3", lambda s: str(usage.usage_metadata)),
    ]
    return scene(nodes, asynchronous, lab=Lab(callbacks=[usage]), after=lambda: usage.usage_metadata)


class Tally(BaseCallbackHandler):
    """Counts questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.number = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
        self.number += 1
        self.asked.append(str(messages[0][-1].content))


@scenario
def questions_that_a_node_counts(dice: random.Random, asynchronous: bool) -> Scene:
    tally = Tally()

    def count(s: Any) -> int:
        return tally.number

    ways: tuple[Callable[[Any], Any], ...] = (count, lambda s: tally.number > 1, lambda s: list(tally.asked))
    way = dice.choice(ways)
    nodes = [asking("k0"), dice.choice((asking, resting))("k1", way), asking("k2", idle, way), working("k3", way)]
    return scene(nodes, asynchronous, lab=Lab(callbacks=[tally]), after=lambda: tally.asked)


_hooked: ContextVar[Any] = ContextVar("hiding_hooked", default=None)
register_configure_hook(_hooked, inheritable=True)


@scenario
def a_handler_of_the_context(dice: random.Random, asynchronous: bool) -> Scene:
    """Heard by everything that runs in this context, named nowhere."""
    tally = Tally()

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        token = _hooked.set(tally)
        yield
        _hooked.reset(token)

    nodes = [asking("k0"), asking("k1", lambda s: tally.number), asking("k2", lambda s: tally.number)]
    return scene(nodes, asynchronous, during=during, after=lambda: tally.asked)


@scenario
def runs_that_are_collected(dice: random.Random, asynchronous: bool) -> Scene:
    names: list[str] = []

    def walk(run: Any) -> None:
        names.append(run.name)
        for child in run.child_runs:
            walk(child)

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        with collect_runs() as collected:
            yield
        for run in collected.traced_runs:
            walk(run)

    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous, during=during, after=lambda: names)


@scenario
def a_tracer(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    log = lab.log

    class Tracer(BaseTracer):
        def _persist_run(self, run: Any) -> None:
            log.append(f"persisted {run.name}: {[child.name for child in run.child_runs]}")

        def _on_llm_start(self, run: Any) -> None:
            log.append(f"asked {run.name}")

        def _on_chain_end(self, run: Any) -> None:
            log.append(f"ended {run.name}")

    lab.callbacks.append(Tracer())
    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous, lab=lab)


@scenario
def a_handler_and_a_model_with_one(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    lab.callbacks.append(heard(lab.log))
    llm = Echo(callbacks=[heard(lab.log)])
    return scene([asking("k0", llm=llm), asking("k1"), asking("k2", llm=llm)], asynchronous, lab=lab)


@scenario
def a_stream_of_messages(dice: random.Random, asynchronous: bool) -> Scene:
    def shown(item: Any) -> Any:
        return (item.content, "") if hasattr(item, "content") else item.get("langgraph_node", "")

    nodes = [asking(f"k{number}") for number in range(dice.randint(2, 4))]
    return scene(nodes, asynchronous, streamed=("messages",), judged=shown)


@scenario
def a_stream_of_events(dice: random.Random, asynchronous: bool) -> Scene:
    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous)


@scenario
def a_context_that_a_node_changes(dice: random.Random, asynchronous: bool) -> Scene:
    class Settings:
        def __init__(self) -> None:
            self.number = 0

        def count(self) -> int:
            self.number += 1
            return self.number

    def writes(s: Any, runtime: Runtime[Any]) -> Any:
        text = LLM.invoke("about k0").content
        runtime.context.number += 1
        return {"k0": text}

    def reads(s: Any, runtime: Runtime[Any]) -> Any:
        found = runtime.context.number
        return {"k1": [found, LLM.invoke("about k1").content]}

    def counts(s: Any, runtime: Runtime[Any]) -> Any:
        found = runtime.context.count()
        return {"k2": [found, LLM.invoke("about k2").content]}

    settings = Settings()
    nodes = [writes, reads, counts] if dice.random() < 0.5 else [counts, reads, counts]
    builder = chain(state_of(3), nodes, context_schema=Settings)
    return Scene(builder, {"q": "question"}, context=settings, after=lambda: settings.number)


@scenario
def a_context_that_a_handler_changes(dice: random.Random, asynchronous: bool) -> Scene:
    context = {"asked": 0}

    class Counting(BaseCallbackHandler):
        def on_llm_end(self, response: Any, **_: Any) -> None:
            context["asked"] += 1

    def reads(key: str) -> Any:
        def sync(s: Any, runtime: Runtime[Any]) -> Any:
            found = runtime.context["asked"]
            return {key: [found, LLM.invoke(f"about {key}").content]}

        return sync

    builder = chain(state_of(3), [reads("k0"), reads("k1"), reads("k2")], context_schema=dict)
    return Scene(builder, {"q": "question"}, Lab(callbacks=[Counting()]), context=context)


@scenario
def a_store_with_code(dice: random.Random, asynchronous: bool) -> Scene:
    numbers = itertools.count(1)

    class Counting(InMemoryStore):
        def get(self, *args: Any, **named: Any) -> Any:
            return next(numbers)

    def reads(key: str) -> Any:
        def sync(s: Any, runtime: Runtime[Any]) -> Any:
            assert runtime.store is not None
            found = runtime.store.get(("a",), "b")
            return {key: [found, LLM.invoke(f"about {key}").content]}

        return sync

    builder = chain(state_of(3), [reads("k0"), reads("k1"), reads("k2")])
    return Scene(builder, {"q": "question"}, Lab(compiling={"store": Counting()}))
