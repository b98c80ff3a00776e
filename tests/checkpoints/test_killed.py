"""What a killed process leaves behind."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def told(file: Path) -> list[int]:
    """The numbers that the process noted."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.mark.parametrize(
    ("kind", "durability", "phase", "moments"),
    [
        ("sync", "sync", "statement", 15),
        ("sync", "async", "statement", 8),
        ("async", "sync", "statement", 15),
        ("async", "async", "statement", 8),
        ("async", "exit", "statement", 5),
        ("sync", "async", "commit", 15),
        ("async", "sync", "commit", 15),
        ("sync", "sync", "copy", 10),
        ("async", "async", "copy", 7),
    ],
)
def test_a_kill_at_any_moment_leaves_a_whole_history(
    kind: str, durability: str, phase: str, moments: int, tmp_path: Path
) -> None:
    """LangGraph's own saver reads a sound file: the first steps without a gap, and all that it had been told of."""
    killed = Path(__file__).parent / "killed.py"
    done = subprocess.run(
        [sys.executable, str(killed), str(tmp_path), kind, durability, phase],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("*.sqlite"), key=lambda file: int(file.stem))
    last = -2
    for file in files:
        with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            history = list(SqliteSaver(connection).list(CONFIG))
        steps = [each.metadata["step"] for each in reversed(history)]
        if durability == "exit":
            assert steps in ([], [2])
        else:
            assert steps == list(range(-1, len(steps) - 1))
            for step, each in zip(steps, reversed(history), strict=True):
                assert len(each.checkpoint["channel_values"].get("messages", ())) == max(step, 0)
            parents = [each.parent_config and each.parent_config["configurable"]["checkpoint_id"] for each in history]
            assert parents[:-1] == [each.config["configurable"]["checkpoint_id"] for each in history[1:]]
        written = steps[-1] if steps else -2
        assert written >= max(told(file.with_suffix(".returned")), default=-2)
        if durability == "sync":
            # A step begins when the one before it is saved.
            assert written >= max(told(file.with_suffix(".started")), default=-1) - 1
        if phase == "copy":
            assert written == 2
        last = max(last, written)
    assert last == 2
    assert told(files[-1].with_suffix(".returned"))[-1] == 2
    assert len(files) > moments
