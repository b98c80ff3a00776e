"""``optiflow explain``: decisions as a table and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optiflow.cli.explain import main
from optiflow.errors import ConfigurationError, GraphReferenceError

GRAPH = """
from dataclasses import dataclass
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph

@dataclass
class State:
    text: str

builder = StateGraph(State)
builder.add_node("node", lambda state: {"text": "done"})
builder.add_edge(START, "node")
builder.add_edge("node", END)

@entrypoint()
def functional(question):
    return question
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph in the working directory."""
    (tmp_path / "explained_graph.py").write_text(GRAPH)
    (tmp_path / "langgraph.json").write_text('{"graphs": {"agent": "./explained_graph.py:builder"}}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "explained_graph", raising=False)


def test_table_of_a_users_graph(capsys: pytest.CaptureFixture[str]) -> None:
    """No input is needed, not even where the state demands some."""
    assert main(["workflow=graph", "workflow.ref=./langgraph.json:agent", "+opt=[cache,parallel]"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["toggle", "node", "decision", "why"]
    assert any(line.split()[:3] == ["cache", "*", "applied"] for line in lines)
    assert any(line.split()[:3] == ["parallel", "node", "refused"] for line in lines)
    assert max(map(len, lines)) <= 100


def test_json_of_an_entrypoint(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, in which every toggle has a decision."""
    assert main(["--json", "workflow=graph", "workflow.ref=explained_graph:functional", "+opt=[cache,async]"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["workflow"] == "functional"
    assert [(each["toggle"], each["node"], each["action"]) for each in told["decisions"]] == [
        ("async", "*", "applied"),
        ("cache", "*", "applied"),
    ]
    assert "there is no StateGraph to rewrite" in told["decisions"][0]["reason"]


def test_declared_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    """The reference workflow's nodes are explained like any others."""
    assert main(["--json", "+opt=parallel"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["workflow"] == "dependency_brief"
    assert {each["toggle"] for each in told["decisions"]} == {"parallel"}
    assert any(each["action"] == "applied" and each["node"] == "grader" for each in told["decisions"])


def test_no_toggle(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to explain is no error, nor is a toggle that the kill switch holds off."""
    reference = ["workflow=graph", "workflow.ref=explained_graph:builder"]
    assert main(reference) == 0
    assert "builder: no toggle is on; add some with +opt=all" in capsys.readouterr().out
    assert main([*reference, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"workflow": "builder", "decisions": [], "evidence": []}


def test_declared_effects_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    """What the configuration vouches for reaches the toggles; a node that does not exist is named."""
    reference = ["workflow=graph", "workflow.ref=explained_graph:builder", "+opt=parallel"]
    assert main([*reference, "workflow.effects={node: {reads: [text], writes: [text]}}"]) == 0
    capsys.readouterr()
    with pytest.raises(ConfigurationError, match=r"workflow.effects.nod: the graph has no such node"):
        main([*reference, "workflow.effects={nod: {reads: [text], writes: [text]}}"])


def test_wrong_references() -> None:
    """The errors of the main command."""
    with pytest.raises(GraphReferenceError, match="no attribute 'bilder'"):
        main(["workflow=graph", "workflow.ref=explained_graph:bilder", "+opt=cache"])
    with pytest.raises(ConfigurationError, match="opt=al: no such option"):
        main(["+opt=al"])


def test_command_line() -> None:
    """One line and exit code 2 for what is wrong."""
    command = [sys.executable, "-m", "optiflow", "explain", "workflow=graph", "workflow.ref=nowhere.py:graph"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("optiflow: workflow.ref='nowhere.py:graph': there is no file")
    assert done.stderr.count("\n") == 1
