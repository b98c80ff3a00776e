"""Every case that keeps checkpoints keeps the same ones in SQLite, however they are written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from conformance_cases.case import Case
from conformance_cases.everything import CASES
from conformance_cases.play import Way, construct, play
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph

from optiflow import api
from optiflow.analysis.equivalence import Mode, Observation, Recorder, first_difference

KEEPING = [name for name, case in CASES.items() if (construct(case, Recorder())[1]).get("checkpointer")]
"""The cases that keep checkpoints."""

RACING = frozenset({"channels_of_every_kind_with_a_checkpointer"})
"""Cases whose channels change a list in place while LangGraph encodes it in the background, now before and now after:
its own history differs from run to run, unless a run waits for each checkpoint."""

Compile = Callable[..., CompiledStateGraph]


@contextmanager
def saver(way: Way, file: Path) -> Iterator[Any]:
    """LangGraph's saver for a way of calling a graph."""
    if not way.mode.startswith("a"):
        with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
            yield SqliteSaver(connection)
        return
    connection = aiosqlite.connect(file)

    async def make() -> AsyncSqliteSaver:
        return AsyncSqliteSaver(await connection)

    async def close() -> None:
        await connection.close()

    made = asyncio.run(make())
    try:
        yield made
    finally:
        asyncio.run(close())


def observed(case: Case, way: Way, file: Path, compile_: Compile) -> Observation:
    """What a case does with checkpoints in a file."""
    recorder = Recorder()
    builder, options = construct(case, recorder)
    with saver(way, file) as checkpointer:
        compiled = compile_(builder, **{**options, "checkpointer": checkpointer})
        return play(case, way, compiled, recorder)


def plain(builder: Any, **options: Any) -> CompiledStateGraph:
    """Compile as LangGraph does."""
    return builder.compile(**options)


def optimized(mode: str) -> Compile:
    """Compile with the toggle in one of its modes."""
    return lambda builder, **options: api.compile(builder, {"durability": {"mode": mode}}, **options)


def played(*modes: Mode) -> list[Any]:
    """The cases by each of these methods, where they are played by it."""
    return [
        pytest.param(name, Way(mode), id=f"{name}-{mode}")
        for name in KEEPING
        for mode in modes
        if mode in CASES[name].modes
    ]


@pytest.mark.parametrize(("name", "way"), played("stream", "astream"))
def test_the_same_checkpoints_are_kept(name: str, way: Way, tmp_path: Path) -> None:
    """State, history, pending writes, answers and failures are plain LangGraph's."""
    case = CASES[name]
    if name in RACING:
        case = replace(case, keywords={**case.keywords, "durability": "sync"})
    expected = observed(case, way, tmp_path / "plain.sqlite", plain)
    assert first_difference(expected, observed(case, way, tmp_path / "ours.sqlite", optimized("same"))) is None


@pytest.mark.parametrize(("name", "way"), played("invoke", "ainvoke"))
def test_checkpoints_at_the_end_are_langgraphs_own(name: str, way: Way, tmp_path: Path) -> None:
    """The mode `exit` does what `durability="exit"` does, and nothing where a run says what it wants."""
    case = CASES[name]
    asked = replace(case, keywords={"durability": "exit", **case.keywords})
    ours = tmp_path / "ours.sqlite"
    try:
        expected = observed(asked, way, tmp_path / "plain.sqlite", plain)
    except LookupError:  # there is no step in between to go back to
        with pytest.raises(LookupError):
            observed(case, way, ours, optimized("exit"))
        return
    assert first_difference(expected, observed(case, way, ours, optimized("exit"))) is None
