"""Graphs with kept nodes do what they did, with less work: what LangGraph's own cache gets wrong, and more."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import operator
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

import ormsgpack
import pytest
import sqlalchemy as sa
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command, RetryPolicy, interrupt
from pydantic import BaseModel

from optiflow import api, log
from optiflow.caching.backends.base import Limits, open_backend
from optiflow.caching.entry import sealed
from optiflow.errors import ConfigurationError
from optiflow.plan.declare import effects

worked: Counter[str] = Counter()
"""How often the nodes that the tests answer for have worked."""


@pytest.fixture(autouse=True)
def _fresh() -> None:
    worked.clear()


class State(TypedDict, total=False):
    """A question on its way."""

    question: str
    answer: str
    other: Any


async def waits(state: State) -> dict[str, Any]:
    """Waits, as for a provider; safe as anybody can see."""
    await asyncio.sleep(0.001)
    return {"answer": state["question"] + "!"}


def sleeps(state: State) -> dict[str, Any]:
    """Waits in a thread."""
    time.sleep(0.001)
    return {"answer": state["question"] + "!"}


async def works(state: State) -> dict[str, Any]:
    """Counts itself, which only its author can answer for."""
    worked["works"] += 1
    await asyncio.sleep(0.001)
    return {"answer": state["question"] + "!"}


class Parrot(BaseChatModel):
    """A model that answers the same to the same, as its code shows."""

    temperature: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        answer = AIMessage(f"you said {messages[-1].content}", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=answer)])


parrot = Parrot()


def asks(state: MessagesState) -> dict[str, Any]:
    """Asks the model."""
    return {"messages": [parrot.invoke(state["messages"])]}


# What LangGraph's own cache gets wrong: routing in the cached writes (1).


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_after_rewiring_a_node_leads_to_its_new_successor(backend, cached, chain, figures) -> None:
    """Nothing of the old routing is kept, and nothing is shared between two topologies."""

    def old(state: State) -> dict[str, Any]:
        return {"other": "old"}

    def new(state: State) -> dict[str, Any]:
        return {"other": "new"}

    first = cached(chain(State, sleeps, old), backend=backend)
    assert [first.invoke({"question": "q"})["other"] for _ in range(2)] == ["old", "old"]
    assert figures(first) == {"hits": 1, "misses": 1}
    second = cached(chain(State, sleeps, new), backend=backend)
    assert second.invoke({"question": "q"})["other"] == "new"
    assert figures(second) == {"misses": 1}


def test_a_router_is_asked_on_every_hit(cached) -> None:
    """It may decide by more than the node that it follows."""
    ways = iter(["left", "right"])
    builder = StateGraph(State)
    builder.add_node(sleeps)
    for name in ("left", "right"):
        builder.add_node(name, lambda state, name=name: {"other": name})
    builder.add_edge(START, "sleeps")
    builder.add_conditional_edges("sleeps", lambda state: next(ways), ["left", "right"])
    graph = cached(builder)
    assert [graph.invoke({"question": "q"})["other"] for _ in range(2)] == ["left", "right"]


# Functions of one name, and closures of one factory, collide (2).


def test_two_functions_under_one_name_are_two(cached, tmp_path: Path) -> None:
    """Also async ones, also closures of one factory, also after a global was replaced."""

    def make(sign: str) -> Any:
        async def node(state: State) -> dict[str, Any]:
            await asyncio.sleep(0.001)
            return {"answer": state["question"] + sign}

        return node

    async def other(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.001)
        return {"answer": "other"}

    seen = []
    for function in (make("?"), make("!"), other, make("?")):
        builder = StateGraph(State).add_node("node", function).add_edge(START, "node")
        graph = cached(builder, backend="sqlite")
        seen.append(
            (asyncio.run(graph.ainvoke({"question": "q"}))["answer"], graph.run_toggles[0]._kept()["node_hits"])
        )
    assert seen == [("q?", 0), ("q!", 0), ("other", 0), ("q?", 1)]


PREFIX = "a "


def prefixes(state: State) -> dict[str, Any]:
    """Reads a global, through a helper."""
    time.sleep(0.001)
    return {"answer": _prefixed(state["question"])}


def _prefixed(text: str) -> str:
    return PREFIX + text


def test_a_replaced_global_is_seen_at_once(cached, chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same compiled graph, as deep as the code goes."""
    graph = cached(chain(State, prefixes))
    assert graph.invoke({"question": "q"})["answer"] == "a q"
    monkeypatch.setattr(sys.modules[__name__], "PREFIX", "b ")
    assert graph.invoke({"question": "q"})["answer"] == "b q"


# Config, context and store are not in the key (3).


def greets(state: State, config: RunnableConfig) -> dict[str, Any]:
    """Reads the user from the configuration."""
    time.sleep(0.001)
    return {"answer": config["configurable"].get("user", "nobody")}


def recalls(state: State, config: RunnableConfig) -> dict[str, Any]:
    """Reads the thread."""
    time.sleep(0.001)
    return {"answer": config["configurable"]["thread_id"]}


def looks_up(state: State) -> dict[str, Any]:
    """Asks LangGraph for the configuration."""
    time.sleep(0.001)
    return {"answer": get_config()["configurable"].get("user", "nobody")}


@dataclasses.dataclass
class Context:
    """Who asks."""

    user: str


def serves(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Reads the user from the context."""
    time.sleep(0.001)
    return {"answer": runtime.context.user}


@pytest.mark.parametrize("choice", ["auto", "named"])
@pytest.mark.parametrize(("node", "key"), [(greets, "user"), (looks_up, "user"), (recalls, "thread_id")])
def test_two_users_never_get_each_others_answer(node, key, choice, cached, chain, figures) -> None:
    """Whatever of the configuration a node reads."""
    graph = cached(chain(State, node), nodes="auto" if choice == "auto" else [node.__name__])
    answers = [graph.invoke({}, {"configurable": {key: user}})["answer"] for user in ("ada", "bob", "ada")]
    assert answers == ["ada", "bob", "ada"]
    assert figures(graph) == {"misses": 2, "hits": 1}


@pytest.mark.parametrize("choice", ["auto", "named"])
def test_nor_by_their_context(choice, cached, chain, figures) -> None:
    """A dataclass of the application."""
    graph = cached(chain(State, serves, context=Context), nodes="auto" if choice == "auto" else ["serves"])
    assert [graph.invoke({}, context=Context(user))["answer"] for user in ("ada", "bob", "ada")] == [
        "ada",
        "bob",
        "ada",
    ]
    assert figures(graph) == {"misses": 2, "hits": 1}


def test_a_thread_that_a_node_does_not_read_is_no_part_of_its_key(cached, chain, figures) -> None:
    """Two conversations share what is the same in both."""
    graph = cached(chain(State, sleeps), compiling={"checkpointer": InMemorySaver()})
    for thread in ("1", "2"):
        graph.invoke({"question": "q"}, {"configurable": {"thread_id": thread}})
    assert figures(graph) == {"misses": 1, "hits": 1}


@pytest.mark.parametrize("choice", ["auto", "named"])
def test_a_node_with_the_store_is_never_kept(choice, cached, chain, figures) -> None:
    """What lies there is another user's tomorrow."""

    def remembers(state: State, store: BaseStore) -> dict[str, Any]:
        time.sleep(0.001)
        item = store.get(("users",), "name")
        return {"answer": item.value["name"] if item else "nobody"}

    store = InMemoryStore()
    nodes = "auto" if choice == "auto" else ["remembers"]
    graph = cached(chain(State, remembers), nodes=nodes, compiling={"store": store})
    assert graph.invoke({})["answer"] == "nobody"
    store.put(("users",), "name", {"name": "ada"})
    assert graph.invoke({})["answer"] == "ada"
    assert figures(graph) == {}


# A message without an id never hits; any unrelated change misses (4).


def test_a_message_without_an_id_hits(cached, chain, figures) -> None:
    """LangGraph gives it another random one in each run."""
    graph = cached(chain(MessagesState, asks))
    for _ in range(3):
        messages = graph.invoke({"messages": [HumanMessage("hi")]})["messages"]
        assert [message.content for message in messages] == ["hi", "you said hi"]
    assert figures(graph) == {"misses": 1, "hits": 2, "tokens_saved": 14}


def test_what_a_node_does_not_read_is_no_part_of_its_key(cached, chain, figures) -> None:
    """Another value of another key changes nothing."""
    graph = cached(chain(State, sleeps))
    for other in (1, "two", object()):
        assert graph.invoke({"question": "q", "other": other})["other"] is other
    assert figures(graph) == {"misses": 1, "hits": 2}


def test_states_that_are_objects_are_read_by_attribute(cached, chain, figures) -> None:
    """Pydantic models and dataclasses."""

    class Model(BaseModel):
        question: str = ""
        answer: str = ""
        other: int = 0

    @dataclasses.dataclass
    class Data:
        question: str = ""
        answer: str = ""
        other: int = 0

    def attribute(state: Any) -> dict[str, Any]:
        time.sleep(0.001)
        return {"answer": state.question + "!"}

    for schema in (Model, Data):
        graph = cached(chain(schema, attribute))
        answers = [graph.invoke({"question": q, "other": n})["answer"] for n, q in enumerate(("a", "b", "a"))]
        assert answers == ["a!", "b!", "a!"]
        assert figures(graph) == {"misses": 2, "hits": 1}


# Keys depend on pickle's identities and on the hash seed (5).

PROGRAM = """
import sys, time
from typing import Any, TypedDict
from langgraph.graph import START, StateGraph
from optiflow import api, log

class State(TypedDict, total=False):
    words: Any
    options: Any
    answer: str

def reads(state: State) -> dict:
    time.sleep(0.001)
    return {"answer": ",".join(sorted(state["words"])) + str(len(state["options"]))}

builder = StateGraph(State).add_node("reads", reads).add_edge(START, "reads")
graph = api.compile(builder, {"cache": {"nodes": "auto", "backend": "sqlite", "url": sys.argv[1]}})
words = {"a", "b", "c", "deed", "feed"}
print(graph.invoke({"words": words, "options": dict.fromkeys(words, frozenset(words))})["answer"])
print(graph.run_toggles[0]._kept()["node_hits"])
"""


def test_processes_with_other_hash_seeds_share(tmp_path: Path) -> None:
    """Sets and dicts in any order have the same key, and code has the same identity."""
    (tmp_path / "program.py").write_text(PROGRAM)
    printed = [
        subprocess.run(
            [sys.executable, "program.py", f"sqlite:///{tmp_path / 'shared.sqlite'}"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert printed == [["a,b,c,deed,feed5", "0"], ["a,b,c,deed,feed5", "1"]]


# Unpicklable state raises (6).


@pytest.mark.parametrize("value", [object(), lambda: 1, {"deep": [object()]}], ids=["object", "function", "nested"])
def test_a_state_that_cannot_be_compared_is_worked_on_each_time(value, cached, chain, figures) -> None:
    """Nothing is raised, and it is counted."""

    def looks(state: State) -> dict[str, Any]:
        time.sleep(0.001)
        return {"answer": str(state["other"] is None)}

    graph = cached(chain(State, looks))
    assert [graph.invoke({"other": value})["answer"] for _ in range(2)] == ["False", "False"]
    assert figures(graph) == {"uncacheable": 2}


def test_an_outcome_that_cannot_be_kept_is_worked_out_each_time(cached, chain, figures) -> None:
    """And everybody who waited for it works for himself."""

    async def makes(state: State) -> dict[str, Any]:
        worked["makes"] += 1
        await asyncio.sleep(0.001)
        return {"other": object()}

    graph = cached(chain(State, makes), nodes=["makes"])

    async def three() -> list[Any]:
        return await asyncio.gather(*(graph.ainvoke({"question": "q"}) for _ in range(3)))

    assert len({id(result["other"]) for result in asyncio.run(three())}) == 3
    assert worked["makes"] == 3
    assert figures(graph) == {"misses": 3, "uncacheable": 3}


# No single flight (7).


def test_threads_that_cannot_be_given_the_outcome_work_for_themselves(cached, chain) -> None:
    """Once they know it."""

    def makes(state: State) -> dict[str, Any]:
        worked["makes"] += 1
        time.sleep(0.05)
        return {"other": object()}

    graph = cached(chain(State, makes), nodes=["makes"])
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: graph.invoke({"question": "q"}), range(3)))
    assert len({id(result["other"]) for result in results}) == 3
    assert worked["makes"] == 3


async def test_ten_runs_at_once_make_one_runs_calls(cached, chain, figures) -> None:
    """The others wait for the first and get its answer."""
    graph = cached(chain(State, works), nodes=["works"])
    results = await asyncio.gather(
        *(graph.ainvoke({"question": "q"}, {"configurable": {"thread_id": str(n)}}) for n in range(10))
    )
    assert [result["answer"] for result in results] == ["q!"] * 10
    assert worked["works"] == 1
    assert figures(graph) == {"misses": 1, "merged": 9}


def test_ten_threads_at_once_too(cached, chain) -> None:
    """By ``invoke`` and by ``batch``."""

    def counts(state: State) -> dict[str, Any]:
        worked["counts"] += 1
        time.sleep(0.01)
        return {"answer": state["question"] + "!"}

    graph = cached(chain(State, counts), nodes=["counts"])
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: graph.invoke({"question": "q"}), range(10)))
    results += graph.batch([{"question": "r"}] * 10)
    assert [result["answer"] for result in results] == ["q!"] * 10 + ["r!"] * 10
    assert worked["counts"] == 2


async def test_synchronous_and_asynchronous_runs_at_once(cached, chain) -> None:
    """In threads, on this loop and on another one."""

    def counts(state: State) -> dict[str, Any]:
        worked["counts"] += 1
        time.sleep(0.05)
        return {"answer": state["question"] + "!"}

    graph = cached(chain(State, counts), nodes=["counts"])
    question = {"question": "q"}
    results = await asyncio.gather(
        *(asyncio.to_thread(graph.invoke, question) for _ in range(3)),
        *(graph.ainvoke(question) for _ in range(3)),
        *(asyncio.to_thread(lambda: asyncio.run(graph.ainvoke(question))) for _ in range(3)),
    )
    assert [result["answer"] for result in results] == ["q!"] * 9
    assert worked["counts"] == 1


async def test_the_next_takes_over_when_the_first_fails(cached, chain, figures) -> None:
    """An error is never kept, and each run has its own."""

    async def fails_once(state: State) -> dict[str, Any]:
        worked["fails"] += 1
        await asyncio.sleep(0.001)
        if worked["fails"] == 1:
            raise ValueError("first")
        return {"answer": "fine"}

    graph = cached(chain(State, fails_once), nodes=["fails_once"])
    runs = [graph.ainvoke({"question": "q"}) for _ in range(4)]
    results = await asyncio.gather(*runs, return_exceptions=True)
    assert [str(each) for each in results if isinstance(each, ValueError)] == ["first"]
    assert [each["answer"] for each in results if isinstance(each, dict)] == ["fine"] * 3
    assert worked["fails"] == 2
    assert figures(graph)["merged"] == 2


async def test_the_next_takes_over_when_the_first_is_cancelled(cached, chain) -> None:
    """Somebody's impatience is nobody else's loss."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def lingers(state: State) -> dict[str, Any]:
        worked["lingers"] += 1
        begun.set()
        if worked["lingers"] == 1:
            await go_on.wait()
        return {"answer": "done"}

    graph = cached(chain(State, lingers), nodes=["lingers"])
    first = asyncio.create_task(graph.ainvoke({"question": "q"}))
    await begun.wait()
    second = asyncio.create_task(graph.ainvoke({"question": "q"}))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second)["answer"] == "done"
    assert worked["lingers"] == 2
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize("limit", [1, 2])
async def test_equal_nodes_of_one_run_do_not_lock_each_other_out(limit: int, cached) -> None:
    """However few may run at once, and though one runs the graph again within itself."""

    async def inner(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.001)
        return {"answer": "inner"}

    deep = cached(StateGraph(State).add_node("inner", inner).add_edge(START, "inner"), nodes=["inner"])

    async def node(state: State) -> dict[str, Any]:
        worked["node"] += 1
        return {"answer": (await deep.ainvoke({"question": "q"}))["answer"]}

    class Sums(TypedDict, total=False):
        question: str
        answer: Annotated[str, operator.add]

    builder = StateGraph(Sums)
    for number in range(4):
        builder.add_node(f"n{number}", node)
        builder.add_edge(START, f"n{number}")
    graph = cached(builder, nodes=[f"n{number}" for number in range(4)])
    config = {"max_concurrency": limit}
    results = await asyncio.wait_for(asyncio.gather(*(graph.ainvoke({"question": "q"}, config) for _ in range(5))), 30)
    assert [result["answer"] for result in results] == ["inner" * 4] * 5
    assert worked["node"] == 4


# Redis with an asynchronous client raises, memory is unbounded (8).


@pytest.mark.parametrize("backend", ["redis", "postgres", "sqlite"])
def test_every_backend_serves_both_kinds_of_run(
    backend: str, cached, chain, figures, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What a synchronous run has worked out, an asynchronous one of another graph object knows."""
    url = f"sqlite:///{tmp_path / 'c.sqlite'}"
    if backend != "sqlite":
        url = request.getfixturevalue("own_redis" if backend == "redis" else "postgres_url")
    first, second = (cached(chain(State, sleeps), backend=backend, url=url) for _ in range(2))
    assert first.invoke({"question": "q"}) == asyncio.run(second.ainvoke({"question": "q"}))
    assert (figures(first), figures(second)) == ({"misses": 1}, {"hits": 1})
    for graph in (first, second):
        graph.run_toggles[0]._store.backend.close()


def test_memory_is_bounded(cached, chain) -> None:
    """By bytes, whatever is asked."""
    graph = cached(chain(State, sleeps), max_mb=0.01)
    for number in range(200):
        graph.invoke({"question": f"{number:05}" * 20})
    (held,) = graph.run_toggles[0]._store.backend.statistics()
    assert held.bytes <= 0.01 * 2**20
    assert held.entries < 200


# What LangGraph does goes on.


def test_langgraphs_own_cache_policy_keeps_working(cached, chain, figures) -> None:
    """It is LangGraph's affair, and the events say so."""
    builder = chain(State, sleeps, cache_policy=CachePolicy())
    graph = cached(builder, compiling={"cache": InMemoryCache()}, nodes=["sleeps"])
    parts = [list(graph.stream({"question": "q"}, stream_mode="updates")) for _ in range(2)]
    assert parts[1] == [{"sleeps": {"answer": "q!"}, "__metadata__": {"cached": True}}]
    assert figures(graph) == {}


RANDOM = {"id", "timestamp", "checkpoint_id", "run_id", "checkpoint_ns", "langgraph_checkpoint_ns", "checkpoint",
          "parent_config", "config"}  # fmt: skip
"""Entries of a stream's parts that are others in each run."""
STREAMS = [["values", "updates", "tasks", "custom", "debug", "checkpoints"], ["messages", "updates"], "values"]


def normal(part: Any) -> Any:
    """A part of a stream without what is random in it."""
    if isinstance(part, BaseModel):
        return type(part), part.model_copy(update={"id": None})
    if isinstance(part, dict):
        return {key: normal(each) for key, each in part.items() if key not in RANDOM}
    if isinstance(part, list | tuple):
        return [normal(each) for each in part]
    return part


@pytest.mark.parametrize("mode", STREAMS, ids=str)
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_streams_are_those_of_plain_langgraph(way: str, mode: Any, cached, chain) -> None:
    """Cold and warm, tokens included."""

    async def collected(graph: Any) -> list[Any]:
        return [part async for part in graph.astream({"messages": [HumanMessage("hi", id="h")]}, stream_mode=mode)]

    def streamed(graph: Any) -> Any:
        if way == "astream":
            return normal(asyncio.run(collected(graph)))
        return normal(list(graph.stream({"messages": [HumanMessage("hi", id="h")]}, stream_mode=mode)))

    builder = chain(MessagesState, asks)
    plain, graph = streamed(builder.compile()), cached(builder)
    assert [streamed(graph) for _ in range(3)] == [plain] * 3


def test_a_run_that_streams_tokens_gets_them(cached, chain, figures) -> None:
    """It asks the model though the answer is known; an ordinary run does not."""
    graph = cached(chain(MessagesState, asks))
    question = {"messages": [HumanMessage("hi")]}
    graph.invoke(question)
    list(graph.stream(question, stream_mode="messages"))
    assert figures(graph) == {"misses": 2}
    graph.invoke(question)
    assert figures(graph) == {"misses": 2, "hits": 1, "tokens_saved": 7}


def test_answers_of_a_loop_do_not_replace_each_other(cached, figures) -> None:
    """Every hit has an id of its own, as every answer has."""

    def repeats(state: MessagesState) -> dict[str, Any]:
        return {"messages": [parrot.invoke("hello")]}

    builder = StateGraph(MessagesState).add_node("repeats", repeats).add_edge(START, "repeats")
    builder.add_conditional_edges("repeats", lambda state: END if len(state["messages"]) > 3 else "repeats")
    graph = cached(builder)
    messages = graph.invoke({"messages": [HumanMessage("hi")]})["messages"]
    assert [message.content for message in messages] == ["hi"] + ["you said hello"] * 3
    assert len({message.id for message in messages}) == 4
    assert figures(graph) == {"misses": 1, "hits": 2, "tokens_saved": 14}


def test_a_retried_node_is_kept_once_it_succeeds(cached, chain, figures) -> None:
    """The policy is LangGraph's, each attempt is the cache's."""

    def flaky(state: State) -> dict[str, Any]:
        worked["flaky"] += 1
        if worked["flaky"] < 3:
            raise ConnectionError
        return {"answer": "fine"}

    policy = RetryPolicy(initial_interval=0.001, max_attempts=3)
    graph = cached(chain(State, flaky, retry_policy=policy), nodes=["flaky"])
    assert [graph.invoke({"question": "q"})["answer"] for _ in range(2)] == ["fine"] * 2
    assert worked["flaky"] == 3
    assert figures(graph) == {"misses": 3, "hits": 1}


def test_what_an_interrupt_was_answered_is_not_kept(cached, figures) -> None:
    """Even where a user answers for a node that interrupts, out of sight."""
    asking = {"ask": interrupt}

    def asks_back(state: State) -> dict[str, Any]:
        return {"answer": asking["ask"]("sure?")}

    builder = StateGraph(State).add_node("asks_back", asks_back).add_edge(START, "asks_back")
    graph = cached(builder, nodes=["asks_back"], compiling={"checkpointer": InMemorySaver()})
    answers = []
    for thread, answer in (("1", "yes"), ("2", "no")):
        config = {"configurable": {"thread_id": thread}}
        assert "__interrupt__" in graph.invoke({"question": "q"}, config)
        answers.append(graph.invoke(Command(resume=answer), config)["answer"])
    assert answers == ["yes", "no"]


def test_a_command_is_never_kept(cached) -> None:
    """Where a run goes is decided each time, even where a user answers for the node."""
    ways = iter(["left", "right"])
    make = {"command": Command}

    def decides(state: State) -> Any:
        return make["command"](goto=next(ways), update={"answer": "x"})

    builder = StateGraph(State).add_node("decides", decides).add_edge(START, "decides")
    for name in ("left", "right"):
        builder.add_node(name, lambda state, name=name: {"other": name})
    graph = cached(builder, nodes=["decides"])
    assert [graph.invoke({"question": "q"})["other"] for _ in range(2)] == ["left", "right"]


def test_nodes_of_a_subgraph_are_kept_in_it(cached, chain, figures) -> None:
    """By their dotted names."""
    builder = StateGraph(State).add_node("sub", chain(State, sleeps).compile()).add_edge(START, "sub")
    for choice in ("auto", ["sub.sleeps"]):
        graph = cached(builder, nodes=choice)
        assert [graph.invoke({"question": "q"})["answer"] for _ in range(2)] == ["q!"] * 2
        assert figures(graph) == {"misses": 1, "hits": 1}


# Arms, versions and faults.


def test_arms_of_a_comparison_do_not_share(chain, tmp_path: Path) -> None:
    """Any other toggle or option is another arm, in the same place."""
    place = {"backend": "sqlite", "url": f"sqlite:///{tmp_path / 'c.sqlite'}", "nodes": "auto"}
    hits = []
    for opt in (
        {"cache": place},
        {"cache": place, "parallel": {}},
        {"cache": {**place, "max_mb": 3}},
        {"cache": place},
    ):
        graph = api.compile(chain(State, sleeps), opt)
        assert graph.invoke({"question": "q"})["answer"] == "q!"
        toggle = next(toggle for toggle in graph.run_toggles if toggle.name == "cache")
        hits.append(toggle._kept()["node_hits"])
    assert hits == [0, 0, 0, 1]


@pytest.mark.parametrize("damage", [b"garbage", b"", b"OFC1" + bytes(40)])
def test_a_corrupted_entry_is_ignored_and_counted(damage: bytes, cached, chain, figures) -> None:
    """And replaced by the right one."""
    graph = cached(chain(State, sleeps))
    graph.invoke({"question": "q"})
    backend = graph.run_toggles[0]._store.backend
    ((namespace, key),) = backend._entries
    backend.put(namespace, key, damage)
    assert [graph.invoke({"question": "q"})["answer"] for _ in range(2)] == ["q!"] * 2
    assert figures(graph) == {"misses": 2, "corrupt": 1, "hits": 1}


def test_an_entry_of_another_making_is_foreign(cached, chain, figures) -> None:
    """Sealed, but no value that can be read."""
    graph = cached(chain(State, sleeps))
    graph.invoke({"question": "q"})
    backend = graph.run_toggles[0]._store.backend
    ((namespace, key),) = backend._entries
    for payload in (b"\xc1", ormsgpack.packb([ormsgpack.packb(["model", "os:system", [], [], []]), []])):
        backend.put(namespace, key, sealed(payload, key))
        assert graph.invoke({"question": "q"})["answer"] == "q!"
    assert figures(graph) == {"misses": 3, "corrupt": 2}


def test_an_entry_of_another_key_is_foreign(cached, chain, figures) -> None:
    """It is whole, but not the answer to this."""
    graph = cached(chain(State, sleeps))
    graph.invoke({"question": "q"})
    graph.invoke({"question": "r"})
    backend = graph.run_toggles[0]._store.backend
    (namespace, one), (_, other) = backend._entries
    backend.put(namespace, one, backend.get(namespace, other))
    assert graph.invoke({"question": "q"})["answer"] == "q!"
    assert figures(graph)["corrupt"] == 1


@pytest.mark.parametrize("backend", ["redis", "postgres"])
def test_a_place_that_goes_away_is_done_without(
    backend: str, cached, chain, figures, line, request: pytest.FixtureRequest
) -> None:
    """In the middle of a program, and said once."""
    said = io.StringIO()
    service = line(request.getfixturevalue("own_redis" if backend == "redis" else "postgres_url"))
    graph = cached(chain(State, sleeps), backend=backend, url=service.url)
    assert graph.invoke({"question": "q"})["answer"] == "q!"
    service.cut()
    log.configure("WARNING", said)
    try:
        assert [graph.invoke({"question": "q"})["answer"] for _ in range(3)] == ["q!"] * 3
    finally:
        log.configure()
    assert figures(graph) == {"misses": 4, "backend_errors": 1}
    assert said.getvalue().count("the cache failed, the run goes on without it") == 1
    graph.run_toggles[0]._store.backend.close()


def test_a_full_disk_is_done_without(cached, chain, figures) -> None:
    """As SQLite says it."""
    graph = cached(chain(State, sleeps), backend="sqlite")
    graph.invoke({"question": "q"})
    backend = graph.run_toggles[0]._store.backend
    sa.event.listen(backend._engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count=1"))
    backend._engine.dispose()
    large = "large" * 10_000
    assert [graph.invoke({"question": large})["answer"] for _ in range(2)] == [large + "!"] * 2
    assert figures(graph) == {"misses": 3, "backend_errors": 1}
    backend.close()


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke"])
def test_a_place_that_is_away_at_the_start_stops_the_run(way: str, cached, chain) -> None:
    """With one line, before any node has worked; explaining needs no place."""
    builder = chain(State, works)
    options = {"nodes": ["works"], "backend": "redis", "url": "redis://127.0.0.1:1"}
    assert any(each.node == "works" and each.action == "applied" for each in api.explain(builder, {"cache": options}))
    graph = cached(builder, **options)
    with pytest.raises(ConfigurationError, match=r"^cache: redis://127.0.0.1:1 does not answer: [^\n]*$"):
        run(graph, way)
    assert worked == {}


def run(graph: Any, way: str) -> object:
    """Ask a graph in one of its ways."""
    if way == "ainvoke":
        return asyncio.run(graph.ainvoke({"question": "q"}))
    answer = getattr(graph, way)({"question": "q"})
    return list(answer) if way == "stream" else answer


@pytest.mark.parametrize("declares", [True, False])
def test_declared_effects_say_what_is_read(declares: bool, cached, chain, figures) -> None:
    """A node that its author has declared is kept by what it reads; its own counters are none of its code."""

    def counts(state: State) -> dict[str, Any]:
        worked["counts"] += 1
        return {"answer": state["question"] + "!"}

    node = effects(reads={"question"}, writes={"answer"})(counts) if declares else counts
    graph = cached(chain(State, node), nodes="auto" if declares else ["counts"])
    for other in (1, 2):
        assert graph.invoke({"question": "q", "other": other})["answer"] == "q!"
    assert worked["counts"] == (1 if declares else 2)
    assert figures(graph) == ({"misses": 1, "hits": 1} if declares else {"misses": 2})


def test_what_is_kept_outlives_the_process_only_where_asked(tmp_path: Path, cached, chain) -> None:
    """Memory belongs to one set of toggles; a file is a file."""
    cached(chain(State, sleeps)).invoke({"question": "q"})
    assert not (tmp_path / "optiflow-home").exists()
    cached(chain(State, sleeps), backend="sqlite").invoke({"question": "q"})
    backend = open_backend("sqlite", None, Limits())
    assert [(each.namespace, each.entries) for each in backend.statistics()] == [("node:sleeps", 1)]
    backend.close()
