"""``optiflow check``: equal or not, as text, as JSON and as an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from optiflow.cli import check
from optiflow.errors import ConfigurationError, InputError, RunFailedError

GRAPH = """
import operator
from typing import Annotated, TypedDict
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]

calls = []

def steady(state):
    return {"log": [state["text"]]}

def drifting(state):
    calls.append(1)
    return {"log": [f"call {len(calls)}"]}

def asking(state):
    return {"log": [interrupt("go on?")]}

def failing(state):
    raise LookupError("no such thing")

def build(node):
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder

def inventing(state):
    calls.append(1)
    under_toggles = len(calls) == 2
    return {"text": f"call {len(calls)}", "log": [f"{n}" for n in range(30 if under_toggles else 0)]}

same, different, interrupted, broken, wrong = map(build, (steady, drifting, asking, failing, inventing))
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs in the working directory."""
    (tmp_path / "checked_graphs.py").write_text(GRAPH)
    (tmp_path / "input.json").write_text('{"text": "hello"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "checked_graphs", raising=False)


def given(name: str, *more: str) -> list[str]:
    """A command line for one of the graphs."""
    reference = ["workflow=graph", f"workflow.ref=checked_graphs:{name}", "workflow.input=@input.json"]
    return [*reference, "+opt=[cache,async,parallel]", *more]


def test_equal(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and how much was compared."""
    assert check.main(given("same")) == 0
    told = capsys.readouterr().out
    assert told.startswith("same under async, cache, parallel: equal\ncompared: 1 turns, ")


def test_different(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, and the first difference: here a graph that does not even equal itself, which is said."""
    assert check.main(given("different")) == 3
    told = capsys.readouterr().out
    assert told.endswith("\nwithout any toggle, two runs of the graph differ there too\n")
    assert told.startswith("different under async, cache, parallel: DIFFERENT\n")
    assert "'call 1' became 'call 2'" in told or '"call 1" became "call 2"' in told


def test_every_difference_that_plain_runs_do_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    """A number that every run counts up comes first and is not counted; the list is cut, and says by how much."""
    assert check.main(given("wrong")) == 3
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "wrong under async, cache, parallel: DIFFERENT"
    assert lines[0] == 'turn 1 output.log[0]: (nothing) became "0"'
    assert lines[19] == 'turn 1 output.log[19]: (nothing) became "19"'
    assert lines[20].startswith("and ")
    assert lines[20].endswith(" more")
    assert lines[21].startswith("not counted, as runs of the graph without any toggle differ there")
    assert lines[22] == "turn 1 output.text"
    assert check.main(given("wrong", "--json")) == 3
    told = json.loads(capsys.readouterr().out)
    # By now the graph has been called more often than twice, so that only the counter differs.
    assert (told["unstable"], told["differences"], told["differences_left_out"]) == (True, [], 0)
    assert "turn 1 output.text" in told["varying"]
    assert told["difference"]["path"] == "turn 1 output.text"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, either way."""
    assert check.main(given("interrupted", "--json", "workflow.resume=[go]")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["workflow"], told["equal"], told["difference"]) == ("interrupted", True, None)
    assert told["toggles"] == ["async", "cache", "parallel"]
    assert told["compared"]["turns"] == 2
    assert check.main(given("different", "--json")) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] is False
    assert told["unstable"] is True
    assert (told["difference"]["baseline"], told["difference"]["optimized"]) == ("call 1", "call 2")


def test_declared_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    """A declared workflow is checked like a user's graph; its logs are kept out of the way unless asked for."""
    packages = "workflow.input.packages=[langgraph,pydantic]"
    assert check.main(["+opt=all", packages]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("dependency_brief under ")
    assert told.err == ""
    assert check.main(["+opt=cache", packages, "log=stderr"]) == 0
    assert "prompt prepared" in capsys.readouterr().err


def test_wrong_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """No toggle, a wrong input, a graph that fails by itself."""
    with pytest.raises(ConfigurationError, match="check: no toggle is on"):
        check.main(["workflow=graph", "workflow.ref=checked_graphs:same"])
    with pytest.raises(InputError, match=r"workflow.input.txt: the graph's input has no such key"):
        check.main(given("same", "workflow.input={txt: a}"))
    with pytest.raises(RunFailedError, match=r"node 'node' failed without any toggle: .*no such thing"):
        check.main(given("broken"))
    assert capsys.readouterr().out == ""
