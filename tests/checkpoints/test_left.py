"""Processes whose streams are left in some way end, as they do plainly, and have saved what they have plainly."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver

CONFIG: Any = {"configurable": {"thread_id": "t"}}

LIMIT_S = 60
"""What the slowest of them takes two seconds for, on a machine that does much else."""


def ended(scenario: str, database: str, opt: str) -> tuple[int, str]:
    """How a process ended, and the last line of what it said."""
    command = [sys.executable, str(Path(__file__).parent / "left.py"), scenario, database, opt]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    said = done.stderr.strip().splitlines()
    return done.returncode, said[-1] if said else ""


def saved(database: str) -> list[Any]:
    """The steps of a thread, and who has written to each."""
    if "://" in database:
        with PostgresSaver.from_conn_string(database) as saver:
            history = list(saver.list(CONFIG))
            saver.delete_thread("t")
    else:
        with closing(sqlite3.connect(database, check_same_thread=False)) as connection:
            history = list(SqliteSaver(connection).list(CONFIG))
    return [(each.metadata["step"], [write[1:] for write in each.pending_writes or ()]) for each in history]


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Gives a database for a name."""
    if request.param == "sqlite":
        return lambda name: str(tmp_path / name)
    url = request.getfixturevalue("postgres_url")
    return lambda name: url


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("abandoned", 0),
        ("abandoned_exit", 0),
        ("consumer_fails", 1),
        ("node_exits", 3),
        ("ctrl_c", -2),
        ("in_a_thread", 0),
        ("in_a_daemon", 0),
        ("closed_by_another", 0),
        ("thrown", 1),
        ("at_exit", 0),
    ],
)
def test_a_process_that_leaves_a_stream_ends(scenario: str, code: int, databases: Any) -> None:
    """With the same code and the same last word, and the same checkpoints are there."""
    plain = ended(scenario, databases("plain"), "none"), saved(databases("plain"))
    assert plain[0][0] == code
    for opt in ("durability", "all"):
        ours = ended(scenario, databases(opt), opt), saved(databases(opt))
        if scenario == "abandoned_exit":
            # What is to be saved then is lost plainly, for no thread can be started any more.
            assert ours[0] == (0, "")
        else:
            assert ours == plain
    assert plain[1] or scenario == "abandoned_exit"


@pytest.mark.parametrize("opt", ["durability", "all"])
def test_a_forked_process_closes_what_its_parent_goes_on_with(opt: str, databases: Any) -> None:
    """It waits for nobody who is not there; plainly it waits for ever where a save was under way."""
    assert ended("forked", databases("db"), opt) == (0, "")
    assert saved(databases("db"))


@pytest.mark.parametrize("scenario", ["async_consumer_fails", "async_abandoned"])
def test_a_process_that_leaves_a_stream_of_an_event_loop_ends(scenario: str, databases: Any) -> None:
    """With the same code; the connection is closed before anybody knows what was saved."""
    plain, _ = ended(scenario, databases("plain"), "none")
    for opt in ("durability", "all"):
        assert ended(scenario, databases(opt), opt)[0] == plain


@pytest.mark.parametrize("scenario", ["collected", "collected_exit"])
@pytest.mark.parametrize("opt", ["durability", "all"])
def test_a_stream_may_be_collected_in_the_midst_of_a_write(scenario: str, opt: str, databases: Any) -> None:
    """Whoever writes does not wait for itself, and what the stream had saved is there."""
    assert ended("abandoned", databases("plain"), "none") == (0, "")
    plain = saved(databases("plain"))
    assert ended(scenario, databases("db"), opt) == (0, "")
    seen = saved(databases("db"))
    assert len(seen) == 1 if scenario == "collected_exit" else seen == plain
