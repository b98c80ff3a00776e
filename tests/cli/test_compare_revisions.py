"""``optiflow compare REVISION REVISION``: in a repository of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore

Run = Callable[..., Any]

_GRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    text: str
    answer: str

def shout(state: State) -> State:
    return {{"answer": {expression}}}

graph = StateGraph(State).add_node("shout", shout).add_edge(START, "shout").add_edge("shout", END).compile()
"""

_RUN = ("workflow=graph", "workflow.ref=app.py:graph", "workflow.input={text: hello}", "criteria=none", "--blocks", "2")

_STAND_IN = '''
"""Keeps its record as another version of OptiFlow would, and refuses a store of yet another version."""
import json, os, sqlite3, sys, uuid
from pathlib import Path

VERSION = {version}
file = Path(os.environ["OPTIFLOW_STORE"].removeprefix("sqlite:///"))
fresh = not file.exists()
file.parent.mkdir(parents=True, exist_ok=True)
record = json.loads(Path("record.json").read_text(encoding="utf-8"))
record["record_id"] = uuid.uuid4().hex
with sqlite3.connect(file) as store:
    if fresh:
        store.executescript(Path("schema.sql").read_text(encoding="utf-8"))
        store.execute("INSERT INTO optiflow_store VALUES ('schema', ?)", (VERSION,))
    elif store.execute("SELECT version FROM optiflow_store").fetchone() != (VERSION,):
        sys.exit("optiflow: the store has another schema version")
    store.execute(
        "INSERT INTO optiflow_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (record["record_id"], record["started_at"], "ok", "key", None, record["workflow"], "", json.dumps(record)),
    )
print(json.dumps({{"record_id": record["record_id"]}}))
'''

_FIRST_SCHEMA = """
CREATE TABLE optiflow_store (name VARCHAR(32) PRIMARY KEY, version INTEGER NOT NULL);
CREATE TABLE optiflow_runs (
    id VARCHAR(32) PRIMARY KEY, started_at VARCHAR(32) NOT NULL, status VARCHAR(16) NOT NULL,
    comparison_key VARCHAR(64) NOT NULL, sweep_id VARCHAR(64), workflow VARCHAR(200) NOT NULL,
    toggles TEXT NOT NULL, payload TEXT NOT NULL
);
"""


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _commit(folder: Path, tag: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--message", tag)
    _git(folder, "tag", tag)


@pytest.fixture
def repository(here: Path) -> Path:
    """An empty one, which is the working folder."""
    _git(here, "init", "--quiet")
    return here


@pytest.mark.slow
def test_two_revisions_of_a_graph(optiflow: Run, repository: Path, store: RecordStore) -> None:
    """Each ran twice, in turn; what is not committed took no part, and no checkout is left behind."""
    _commit(repository, "before", {"app.py": _GRAPH.format(expression="state['text'].upper()")})
    _commit(repository, "after", {"app.py": _GRAPH.format(expression="''.join(map(str.upper, state['text']))")})
    (repository / "app.py").write_text("raise RuntimeError('not committed')", encoding="utf-8")
    code, out, err = optiflow("compare", "before", "after", *_RUN)
    assert code == 0, err
    assert out.endswith("answers are equal\n")
    assert "after / before, below 1 is less" in out
    assert err.splitlines() == ["block 0: before", "block 0: after", "block 1: after", "block 1: before"]
    runs = store.newest(9)
    assert len({run.code_sha256 for run in runs}) == 2
    assert len(runs) == 4
    listed = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.slow
def test_a_revision_that_answers_otherwise_or_fails(optiflow: Run, repository: Path, store: RecordStore) -> None:
    """3 with the place; 1 with what the run said, and nothing is kept of what can't be compared."""
    _commit(repository, "before", {"app.py": _GRAPH.format(expression="state['text'].upper()")})
    _commit(repository, "other", {"app.py": _GRAPH.format(expression="state['text'].title()")})
    _commit(repository, "broken", {"app.py": _GRAPH.format(expression="1 / 0")})
    code, out, _ = optiflow("compare", "before", "other", *_RUN)
    assert code == 3
    assert "answers differ: $.answer" in out
    kept = len(store.newest(9))
    code, out, err = optiflow("compare", "before", "broken", *_RUN)
    assert (code, out) == (1, "")
    assert "optiflow: compare: the run at broken failed: " in err
    assert "ZeroDivisionError" in err
    assert len(store.newest(9)) == kept


@pytest.mark.parametrize("version", [1, 99])
def test_a_revision_whose_store_is_of_another_version(
    optiflow: Run, repository: Path, store: RecordStore, finished_record: Callable[..., RunRecord], version: int
) -> None:
    """Each revision finds its own store as it left it; an older one is read, of a newer one it is said."""
    record = finished_record().model_dump_json()
    # A record of that time knows nothing of what was added since.
    record = record.replace(',"start_rss_mb":90.0', "")
    assert "start_rss_mb" not in record
    files = {"record.json": record, "schema.sql": _FIRST_SCHEMA, "optiflow/__init__.py": ""}
    files["optiflow/__main__.py"] = _STAND_IN.format(version=1)
    _commit(repository, "old", files)
    _commit(repository, "new", {"optiflow/__main__.py": _STAND_IN.format(version=version), "note": "other"})
    code, out, err = optiflow("compare", "old", "new", "--blocks", "2")
    if version == 1:
        assert code == 0, err
        assert out.endswith("answers are equal\n")
        assert len(store.newest(9)) == 4
    else:
        assert (code, out) == (2, "")
        assert "compare: 'new' keeps its records as a newer OptiFlow does than this one: run compare there" in err
        assert store.newest(9) == []


def test_what_is_no_revision(optiflow: Run, repository: Path) -> None:
    """One line that names what there might be instead."""
    _commit(repository, "one", {"a": "b"})
    code, _, err = optiflow("compare", "one", "two")
    assert code == 2
    assert len(err.splitlines()) == 1
