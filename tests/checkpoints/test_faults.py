"""Disks and servers that fail in mid-run fail a run as they do under LangGraph alone."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

import optiflow

CONFIG: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 100}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_full_disk(kind: str, tmp_path: Path) -> None:
    """The error is the same, no checkpoint is there without those before it, and a run with room again goes on."""
    limited = Path(__file__).parent / "limited.py"
    failures = []
    for opt in ("none", "durability", "all"):
        command = [sys.executable, str(limited), str(tmp_path / opt), kind, opt]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        failure, steps, messages = done.stdout.splitlines()
        failures.append(failure)
        assert json.loads(steps) == list(range(-1, len(json.loads(steps)) - 1))
        assert len(json.loads(steps)) > 1
        assert messages == "40"
    assert failures == [failures[0]] * 3


def talk(url: str) -> StateGraph:
    """A conversation in whose midst the server ends the connections of everybody else."""

    def speak(state: MessagesState) -> dict[str, Any]:
        if len(state["messages"]) == 5:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        return {"messages": [AIMessage("word")]}

    builder = StateGraph(MessagesState)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges("speak", lambda s: "speak" if len(s["messages"]) < 10 else "__end__")
    return builder


def steps(url: str) -> list[int]:
    """The steps that are saved."""
    with PostgresSaver.from_conn_string(url) as saver:
        return [each.metadata["step"] for each in saver.list(CONFIG)][::-1]


@pytest.mark.parametrize("opt", ["none", "durability", {"durability": {}, "dispatch": {}}], ids=str)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_postgresql_goes_away_in_mid_run(opt: Any, asynchronous: bool, postgres_url: str) -> None:
    """The run fails with the driver's error, and what was saved is whole; a new connection goes on with it."""
    with PostgresSaver.from_conn_string(postgres_url) as saver:
        saver.setup()

    def run() -> None:
        with PostgresSaver.from_conn_string(postgres_url) as saver:
            optiflow.compile(talk(postgres_url), opt, checkpointer=saver).invoke({"messages": []}, CONFIG)

    async def arun() -> None:
        async with AsyncPostgresSaver.from_conn_string(postgres_url) as saver:
            graph: Any = optiflow.compile(talk(postgres_url), opt, checkpointer=saver)
            await graph.ainvoke({"messages": []}, CONFIG)

    with pytest.raises(psycopg.OperationalError):
        asyncio.run(arun()) if asynchronous else run()
    saved = steps(postgres_url)
    assert saved == list(range(-1, len(saved) - 1))
    assert len(saved) < 10


@pytest.mark.parametrize("opt", ["none", "durability"])
def test_postgresql_is_away_at_the_start(opt: str) -> None:
    """Nothing has run, and the error is the pool's."""
    ran: list[bool] = []
    builder = StateGraph(MessagesState)
    builder.add_node("speak", lambda state: ran.append(True))
    builder.add_edge(START, "speak")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        options = {"autocommit": True, "row_factory": dict_row}
        with ConnectionPool(url, min_size=0, max_size=1, open=True, timeout=0.2, kwargs=options) as pool:
            graph: Any = optiflow.compile(builder, opt, checkpointer=PostgresSaver(pool))  # type: ignore[arg-type]
            with pytest.raises(PoolTimeout):
                graph.invoke({"messages": []}, CONFIG)
    assert not ran
