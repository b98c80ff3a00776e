"""An application with clients of three providers, run once in a fresh process; started by ``benchmarks/clients.py``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    """What the graph works on."""

    url: str
    answer: str


def ask(state: State) -> State:
    """Make the clients, as an application's factory does, and ask each."""
    import openai
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI

    url: Any = state["url"]
    first: Any = ChatAnthropic(model="claude", api_key="k", base_url=url)  # type: ignore[call-arg, arg-type]
    second: Any = ChatOpenAI(model="gpt-4o", api_key="k", base_url=f"{url}/v1")  # type: ignore[arg-type]
    third = openai.OpenAI(api_key="k", base_url=f"{url}/compatible/v1")
    first.invoke("hi")
    second.invoke("hi")
    third.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    return {"answer": "done"}


def compiled_with(toggle: str, builder: StateGraph[Any]) -> Any:
    """Only an application that uses it pays for this package."""
    import optiflow

    return optiflow.compile(builder, opt=[toggle])


def main(arm: str, url: str) -> None:
    """Compile and run; print when, on the system's monotonic clock.

    Args:
        arm: ``plain``, or the toggle.
        url: Where the providers are.
    """
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", END)
    begun = time.monotonic()
    graph: Any = builder.compile() if arm == "plain" else compiled_with(arm, builder)
    compiled = time.monotonic()
    graph.invoke({"url": url})
    print(json.dumps({"begun": begun, "compiled": compiled}))


if __name__ == "__main__":
    main(*sys.argv[1:])
