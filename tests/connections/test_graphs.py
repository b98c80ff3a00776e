"""Graphs whose nodes build clients for every call, against a provider on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import anthropic
import httpx2
import openai
import pytest
import requests
from langchain_anthropic import ChatAnthropic
from langchain_anthropic import _client_utils as anthropic_clients
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models import _client_utils as openai_clients
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

import optiflow


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[Any], add_messages]
    url: str


@pytest.fixture(autouse=True)
def _own_clients() -> Iterator[None]:
    """The providers' packages keep clients for the whole process: each test starts and ends without."""
    cached = [
        getattr(module, name)
        for module in (openai_clients, anthropic_clients)
        for name in dir(module)
        if hasattr(getattr(module, name), "cache_clear")
    ]
    assert cached
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def openai_model(url: str, **options: Any) -> ChatOpenAI:
    """A model with a timeout object: then its package makes a client for each."""
    return ChatOpenAI(model="gpt-4o", api_key="k", base_url=f"{url}/v1", timeout=openai.Timeout(30), **options)


def anthropic_model(url: str) -> ChatAnthropic:
    """The other provider's."""
    return ChatAnthropic(model="claude", api_key="k", base_url=url)


@tool
def look_up(url: str) -> int:
    """Ask the web."""
    return requests.get(url, timeout=10).status_code


def ask_openai(state: State) -> State:
    """One call through a model made for it."""
    with httpx2.Client() as client:
        return {"messages": [openai_model(state["url"], http_client=client).invoke("hi")]}


async def aask_openai(state: State) -> State:
    """The same, asynchronously."""
    async with httpx2.AsyncClient() as client:
        return {"messages": [await openai_model(state["url"], http_async_client=client).ainvoke("hi")]}


def ask_anthropic(state: State) -> State:
    """One call to the other provider, through the SDK's own client as well."""
    with anthropic.Anthropic(api_key="k", base_url=state["url"]) as client:
        client.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    return {"messages": [anthropic_model(state["url"]).invoke("hi")]}


async def aask_anthropic(state: State) -> State:
    """The same, asynchronously."""
    async with anthropic.AsyncAnthropic(api_key="k", base_url=state["url"]) as client:
        answer = await client.messages.create(
            model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )
    return {"messages": [answer.content[0].text]}


async def aask_cached(state: State) -> State:
    """A model whose package keeps one client for the whole process."""
    return {"messages": [await anthropic_model(state["url"]).ainvoke("hi")]}


def use_tool(state: State) -> State:
    """A tool that calls ``requests.get``."""
    return {"messages": [str(look_up.invoke({"url": state["url"]}))]}


def chain(*nodes: Any) -> StateGraph[Any]:
    """Nodes one after another."""
    builder: StateGraph[Any] = StateGraph(State)
    before = START
    for number, node in enumerate(nodes):
        builder.add_node(f"{node.__name__}_{number}", node)
        builder.add_edge(before, f"{node.__name__}_{number}")
        before = f"{node.__name__}_{number}"
    builder.add_edge(before, END)
    return builder


def texts(state: Any) -> list[tuple[str, str]]:
    """What was said, by whom."""
    return [(message.type, message.content) for message in state["messages"]]


def paths(server: Any) -> list[str]:
    """What was asked, in order; the list starts anew."""
    asked = [each.path for each in server.requests]
    server.requests.clear()
    return asked


SYNC = (ask_openai, use_tool, ask_anthropic) * 3
ASYNC = (aask_openai, use_tool, aask_anthropic) * 3


def test_sync_nodes_make_the_same_calls_over_fewer_connections(server: Any) -> None:
    """Answers and requests are those of plain LangGraph."""
    plain = texts(chain(*SYNC).compile().invoke({"url": server.url}))
    asked, before = paths(server), server.connections
    assert texts(optiflow.compile(chain(*SYNC), opt=["clients"]).invoke({"url": server.url})) == plain
    assert paths(server) == asked
    assert server.connections - before <= 3 < before
    anthropic_model(server.url)._client.close()


def test_async_nodes_do_too_in_several_loops(server: Any) -> None:
    """Each loop has connections of its own."""

    async def run(graph: Any) -> list[tuple[str, str]]:
        return texts(await graph.ainvoke({"url": server.url}))

    plain = asyncio.run(run(chain(*ASYNC).compile()))
    asked, before = paths(server), server.connections
    shared = optiflow.compile(chain(*ASYNC), opt=["clients"])
    for _ in range(2):
        now = server.connections
        assert asyncio.run(run(shared)) == plain
        assert paths(server) == asked
        assert server.connections - now <= 3 < before


async def test_concurrent_runs_share(server: Any) -> None:
    """Runs side by side in one loop, with streams, give the same answers."""
    shared = optiflow.compile(chain(aask_cached, aask_openai), opt=["clients"])
    runs = await asyncio.gather(*(shared.ainvoke({"url": server.url}) for _ in range(4)))
    assert [texts(each) for each in runs] == [[("ai", "hello")] * 2] * 4
    parts = [part async for part in shared.astream({"url": server.url}, stream_mode="values")]
    assert texts(parts[-1]) == [("ai", "hello")] * 2
    await anthropic_model(server.url)._async_client.close()
