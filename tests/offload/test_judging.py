"""Which nodes leave the event loop free, and why others do not."""

from __future__ import annotations

import asyncio
import functools
import operator
import random
import threading
import time
from collections.abc import Callable
from time import sleep
from typing import Annotated, Any, TypedDict

import httpx
import pytest
import requests
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter, TimeoutPolicy, interrupt

from optiflow.offload.judging import free_the_loop
from optiflow.optimizations.base import Decision
from optiflow.plan.graph_plan import GraphPlan

STAYS = "stays on the loop, its blocking calls run in threads: "
THREAD = "never awaits, so all of it runs in a thread: "


class State(TypedDict, total=False):
    """The state of every graph here."""

    url: str
    done: Annotated[list[str], operator.add]


class Model(FakeListChatModel):
    """A model that keeps its place in a list."""


seen: list[str] = []
count = 0
session = requests.Session()
listing = Model(responses=["a", "b"])


def sync(state: State) -> State:
    """A node: sync."""
    time.sleep(0)
    return {"done": ["sync"]}


async def sleeps(state: State) -> State:
    """A node: sleeps."""
    await asyncio.sleep(0)
    time.sleep(0)
    return {"done": ["sleeps"]}


async def disguised(state: State) -> State:
    """A node: disguised."""
    time.sleep(0)
    print("disguised", end="")
    return {"done": ["disguised"]}


async def gathers(state: State) -> State:
    """A node: gathers."""
    await asyncio.gather(helper(), helper())
    return {"done": ["gathers"]}


async def helper() -> None:
    """Blocks."""
    time.sleep(0)


async def fetches(state: State) -> State:
    """A node: fetches."""
    answer = requests.get(state["url"], timeout=1, headers={"a": "b"})
    answer.raise_for_status()
    return {"done": [answer.json()["text"], answer.text]}


async def fetches_and_awaits(state: State) -> State:
    """A node: fetches and awaits."""
    await asyncio.sleep(0)
    return {"done": [httpx.get(state["url"], follow_redirects=True).text, httpx.head(state["url"]).text]}


async def posts(state: State) -> State:
    """A node: posts."""
    requests.post(state["url"], json={})
    return {"done": []}


async def hooks(state: State) -> State:
    """A node: hooks."""
    requests.get(state["url"], hooks={"response": print})
    return {"done": []}


async def shares_session(state: State) -> State:
    """A node: shares session."""
    session.get(state["url"])
    return {"done": []}


async def renamed(state: State) -> State:
    """A node: renamed."""
    await asyncio.sleep(0)
    sleep(0)
    return {"done": []}


async def renamed_disguised(state: State) -> State:
    """A node: renamed disguised."""
    sleep(0)
    return {"done": ["renamed"]}


async def never_blocks(state: State) -> State:
    """A node: never blocks."""
    await asyncio.sleep(0)
    return {"done": []}


async def waits_for(state: State) -> State:
    """A node: waits for."""
    await asyncio.wait_for(helper(), 1)
    return {"done": []}


async def limits(state: State) -> State:
    """A node: limits."""
    async with asyncio.timeout(1):
        time.sleep(0)
    return {"done": []}


async def appends(state: State) -> State:
    """A node: appends."""
    time.sleep(0)
    seen.append("x")
    return {"done": []}


async def counts(state: State) -> State:
    """A node: counts."""
    global count
    before = count
    time.sleep(0)
    count = before + 1
    return {"done": []}


async def draws(state: State) -> State:
    """A node: draws."""
    time.sleep(0)
    return {"done": [str(random.random())]}


async def mutates(state: State) -> State:
    """A node: mutates."""
    time.sleep(0)
    state["done"].append("x")
    return {"done": []}


async def writes_file(state: State) -> State:
    """A node: writes file."""
    time.sleep(0)
    with open("file", "w") as file:  # noqa: PTH123
        file.write("x")
    return {"done": []}


async def streams(state: State, writer: StreamWriter) -> State:
    """A node: streams."""
    time.sleep(0)
    return {"done": []}


async def runtimes(state: State, runtime: Runtime[None]) -> State:
    """A node: runtimes."""
    time.sleep(0)
    runtime.stream_writer("x")
    return {"done": []}


async def interrupts(state: State) -> State:
    """A node: interrupts."""
    time.sleep(0)
    return {"done": [interrupt("why")]}


async def in_threads(state: State) -> State:
    """A node: blocks in a thread of its own choice."""
    await asyncio.to_thread(time.sleep, 0)
    return {"done": []}


async def keeps_place(places: list[int]) -> None:
    """Blocks between looking and writing."""
    place = len(places)
    time.sleep(0)
    places.append(place)


async def shares_list(state: State) -> State:
    """A node: its tasks append to one list."""
    places: list[int] = []
    await asyncio.gather(keeps_place(places), keeps_place(places))
    return {"done": [str(place) for place in places]}


async def shares_closure(state: State) -> State:
    """A node: its tasks append to a list around them."""
    places: list[int] = []

    async def keep() -> None:
        place = len(places)
        time.sleep(0)
        places.append(place)

    await asyncio.gather(keep(), keep())
    return {"done": [str(place) for place in places]}


async def starts_task(state: State) -> State:
    """A node: starts task."""
    task = asyncio.create_task(helper())
    await task
    return {"done": []}


async def asks_list(state: State) -> State:
    """A node: asks list."""
    return {"done": [listing.invoke("hi").text]}


class Own(BaseChatModel):
    """A model of the application's own that keeps nothing."""

    @property
    def _llm_type(self) -> str:
        return "own"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("own"))])


MODEL = Own()
PROMPT = ChatPromptTemplate.from_template("{text}")


async def asks(state: State) -> State:
    """A node: asks a model and waits for the answer."""
    return {"done": [str(MODEL.invoke("hi").content)]}


async def asks_chain(state: State) -> State:
    """A node: asks a model through a prompt, and awaits something else."""
    await asyncio.sleep(0)
    return {"done": [str((PROMPT | MODEL).invoke({"text": "hi"}).content)]}


class Holder:
    """Its method is a node."""

    async def node(self, state: State) -> State:
        """A node: blocks."""
        time.sleep(0)
        return {"done": ["method"]}


async def trivial(state: State) -> State:
    """A node: only computes."""
    return {"done": ["trivial"]}


class Callable_:  # noqa: N801
    """A node that is an object."""

    async def __call__(self, state: State) -> State:
        await asyncio.sleep(0)
        time.sleep(0)
        return {"done": ["object"]}


async def configured(number: int, state: State) -> State:
    """A node: configured."""
    time.sleep(0)
    return {"done": [str(number)]}


def plan_of(**nodes: Any) -> GraphPlan:
    """A graph whose nodes all follow the start."""
    builder: StateGraph[Any] = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return GraphPlan.of(builder)


def judge(node: Any, *, offload: bool = True) -> Decision:
    """What is decided about a node."""
    (decision,) = free_the_loop(plan_of(node=node), toggle="async", threads=64, offload=offload).decisions
    assert (decision.toggle, decision.node) == ("async", "node")
    return decision


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (sync, "runs on a pool of 64 threads under ainvoke"),
        (sleeps, STAYS + "time.sleep"),
        (Callable_(), STAYS + "time.sleep"),
        (gathers, STAYS + "time.sleep"),
        (fetches_and_awaits, STAYS + "httpx.get, httpx.head"),
        (disguised, THREAD + "time.sleep"),
        (functools.partial(configured, 3), THREAD + "time.sleep"),
        (renamed_disguised, THREAD + "time.sleep"),
        (fetches, THREAD + "requests.get"),
        (asks, THREAD + "the model's invoke"),
        (asks_chain, STAYS + "the model's invoke"),
        (Holder().node, THREAD + "time.sleep"),
    ],
)
def test_what_is_applied(node: Any, reason: str) -> None:
    """Nodes whose blocking calls nobody can tell from other ones."""
    decision = judge(node)
    assert (decision.action, decision.reason) == ("applied", reason)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (trivial, "calls nothing that blocks"),
        (never_blocks, "calls nothing that blocks"),
        (in_threads, "calls nothing that blocks"),
        (renamed, "'sleep(0)' reaches time.sleep by a name of its own"),
        (posts, "requests.api.post"),
        (hooks, "requests.api.get"),
        (shares_session, "Session"),
        (waits_for, "limits the time of what it waits for"),
        (limits, "timeout"),
        (appends, "did not make"),
        (shares_list, "tasks within it may share values"),
        (shares_closure, "tasks within it may share values"),
        (counts, "count"),
        (draws, "random"),
        (mutates, "did not make"),
        (writes_file, "context manager"),
        (streams, "writer"),
        (runtimes, "stream_writer"),
        (interrupts, "interrupts the run"),
        (starts_task, "create_task"),
        (asks_list, "list of answers"),
        (RunnableLambda(sync), "a RunnableLambda is not followed"),
    ],
)
def test_what_is_refused(node: Any, reason: str) -> None:
    """Nodes that share something, or that nothing is known of, with the reason."""
    decision = judge(node)
    assert decision.action == "refused"
    assert reason in decision.reason


def test_a_failing_analysis_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the code looks like, the application compiles."""

    def fail(*args: Any) -> None:
        raise RuntimeError("strange code")

    monkeypatch.setattr("optiflow.offload.judging.find_blocking_calls", fail)
    assert "strange code" in judge(sleeps).reason


def test_without_offload_async_nodes_stay() -> None:
    """Sync nodes have their pool all the same."""
    assert judge(sleeps, offload=False).reason == "blocking calls of async nodes stay where they are: offload is off"
    assert judge(sync, offload=False).action == "applied"


def test_nodes_with_a_time_limit_stay() -> None:
    """A blocked loop finds out too late that a node takes too long: a free one would end it."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("limited", sleeps, timeout=TimeoutPolicy(run_timeout=1))
    builder.add_edge(START, "limited")
    (decision,) = free_the_loop(GraphPlan.of(builder), toggle="async", threads=64, offload=True).decisions
    assert "its time is limited" in decision.reason
    compiled = plan_of(node=sleeps).build()
    compiled.step_timeout = 1
    (decision,) = free_the_loop(GraphPlan.of(compiled), toggle="async", threads=64, offload=True).decisions
    assert "its time is limited" in decision.reason


def test_subgraphs_are_looked_at() -> None:
    """Nodes of a graph that is a node are changed there; one in which nothing changes stays the user's."""
    changed, same = plan_of(sleeps=sleeps).build(), plan_of(sync=sync).build()
    plan = free_the_loop(plan_of(changed=changed, same=same), toggle="async", threads=64, offload=True)
    assert [(each.node, each.action) for each in plan.decisions] == [
        ("changed.sleeps", "applied"),
        ("changed", "refused"),
        ("same.sync", "applied"),
        ("same", "refused"),
    ]
    assert plan.nodes["changed"].subgraph is not None
    assert plan.nodes["same"].subgraph is None


def test_the_users_nodes_are_never_changed() -> None:
    """The plan's own runnable is another one, of the same name."""
    before = plan_of(node=sleeps)
    after = free_the_loop(before, toggle="async", threads=64, offload=True)
    assert before.nodes["node"].runnable.afunc is sleeps
    assert after.nodes["node"].runnable.afunc is not sleeps
    assert after.nodes["node"].runnable.afunc.__name__ == "sleeps"
    assert after.nodes["node"].effects == before.nodes["node"].effects


@pytest.mark.parametrize("node", [sync, sleeps, disguised, gathers, Callable_(), renamed_disguised, asks, asks_chain])
async def test_optimized_graphs_end_in_the_same_state(node: Any) -> None:
    """The same node in several branches, plain and free of blocking."""
    plan = plan_of(a=node, b=node, c=node)
    free = free_the_loop(plan, toggle="async", threads=64, offload=True)
    given: Any = {"url": "", "done": []}
    assert await free.build().ainvoke(given) == await plan.build().ainvoke(given)


async def test_branches_block_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their calls meet, which they never do on a blocked loop."""
    met: Callable[..., Any] = threading.Barrier(4, timeout=20).wait
    plan = plan_of(**dict.fromkeys("ab", sleeps), **dict.fromkeys("cd", disguised))
    graph = free_the_loop(plan, toggle="async", threads=64, offload=True).build()
    monkeypatch.setattr(time, "sleep", lambda seconds: met())
    result = await graph.ainvoke({"done": []})
    assert sorted(result["done"]) == ["disguised"] * 2 + ["sleeps"] * 2
