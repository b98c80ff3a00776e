"""What was seen in recorded baselines decides over later runs of the same graph."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from optiflow.analysis.outcome import Outcome
from optiflow.cli.explain import main as explain
from optiflow.config.compose import compose
from optiflow.experiment.compare import run_with_baseline
from optiflow.experiment.recorded import recorded_runs
from optiflow.monitor.observation import NodeObservation
from optiflow.plan.observation.evidence import Recorded
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

GRAPH = """
import time
from pathlib import Path
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    a: int
    b: int
    c: int

def first(state):
    time.sleep(0)
    return {"b": state["a"] + 1}

def second(state):
    time.sleep(0)
    Path("second.txt").write_text("here")
    return {"c": state["a"] + state.get("b", 0)}

builder = StateGraph(State)
builder.add_sequence([first, second])
builder.add_edge(START, "first")
builder.add_edge("second", END)
"""

WORKFLOW = ("workflow=graph", "workflow.ref=./watched_graph.py:builder")
INPUT = "workflow.input={a: 1}"
WRONG = "+workflow.effects={first: {reads: [a], writes: [b]}, second: {reads: [a], writes: [c]}}"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph in the working directory."""
    (tmp_path / "watched_graph.py").write_text(GRAPH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "watched_graph", raising=False)


def _run(*overrides: str) -> Outcome:
    return run_with_baseline(
        compose([*WORKFLOW, *overrides]),
        get_settings(),
        say=lambda line: None,
        progress=lambda total: nullcontext(lambda node: None),
    )


def _explained(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    capsys.readouterr()
    assert explain([*WORKFLOW, "+opt=parallel", *overrides]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_wrong_declaration_is_refuted_by_the_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    """The optimized run refuses the node that read and touched more; its answer is the baseline's."""
    outcome = _run(INPUT, WRONG, "+opt=parallel")
    assert outcome.baseline.observed == {
        "first": NodeObservation(("a",), ("b",)),
        "second": NodeObservation(("a", "b"), ("c",), ("opened 'second.txt' for writing",)),
    }
    assert outcome.record.observed is None
    assert outcome.verdict.outputs_equal is True
    reason = f"refuted by observation in record {outcome.baseline.record_id[:12]}: it opened 'second.txt' for writing"
    (second,) = (each for each in outcome.record.decisions if each.node == "second" and each.toggle == "parallel")
    assert (second.action, second.reason) == ("refused", reason)
    told = _explained(capsys, WRONG)
    assert "effects of first: confirmed by 1 recorded run" in told
    assert f"effects of second: {reason}" in " ".join(told)


def test_explain_says_nothing_of_other_graphs_and_older_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs on any input count, until the graph's code or its configuration is another."""
    _run(INPUT)
    _run("workflow.input={a: 2}")
    # What `first` does is known from its code, what `second` does is not, and watching it does not change that.
    lines = [line for line in _explained(capsys) if line.startswith("effects of")]
    assert lines == ["effects of first: confirmed by 2 recorded runs"]
    told = json.loads(" ".join(_explained(capsys, "--json")))
    assert told["evidence"] == [{"node": "first", "confirmed": 2, "refutation": None}]
    assert not [line for line in _explained(capsys, WRONG) if line.startswith("effects of")]
    (tmp_path / "watched_graph.py").write_text(GRAPH + "\n# edited\n")
    monkeypatch.delitem(sys.modules, "watched_graph", raising=False)
    assert not [line for line in _explained(capsys) if line.startswith("effects of")]


def test_the_reference_workflow_confirms_its_declaration(capsys: pytest.CaptureFixture[str]) -> None:
    """Every node that a run comes by is confirmed, none is refuted; nothing outside is touched."""
    small = "workflow.input.packages=[idna]"
    outcome = run_with_baseline(
        compose([small]),
        get_settings(),
        say=lambda line: None,
        progress=lambda total: nullcontext(lambda node: None),
    )
    assert outcome.record.observed
    assert all(seen.reads is not None and not seen.outside for seen in outcome.record.observed.values())
    assert explain([small, "+opt=parallel", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["evidence"]
    assert {each["node"] for each in told} == outcome.record.observed.keys()
    assert {(each["confirmed"], each["refutation"]) for each in told} == {(1, None)}


def test_records_of_older_versions_load_and_say_nothing(finished_record: Callable[..., RunRecord]) -> None:
    """A record without observations is a record; one with them comes back as it was saved."""
    config = compose(["workflow.input.packages=[idna]"])
    resolved = config.model_dump(mode="json")
    same = {"config": resolved, "workflow": "w", "toggles": {}, "code_sha256": "1" * 64}
    seen = {"a": NodeObservation(("x",), ("y",), ("removed 'z'",), ("notes.txt",))}
    old = finished_record(**same)
    assert RunRecord.model_validate_json(json.dumps(_without_observed(old))).observed is None
    new = finished_record(**same, observed=seen)
    with closing(RecordStore(get_settings().store_url)) as store:
        for record in (old, new, finished_record(**{**same, "code_sha256": "2" * 64}, observed=seen)):
            store.save(record)
        store.save(finished_record(**{**same, "toggles": {"cache": True}}, observed=seen))
        assert recorded_runs(store, "w", config, "1" * 64) == (Recorded(new.record_id, seen),)


def _without_observed(record: RunRecord) -> dict[str, object]:
    payload = json.loads(record.model_dump_json())
    del payload["observed"]
    return dict(payload)


ROUTED = """
import time
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    a: int
    b: int
    c: int

def decide(state):
    time.sleep(0.01)
    return {"b": state["a"]}

def likely(state):
    time.sleep(0.01)
    return {"c": state["a"] + 1}

builder = StateGraph(State)
builder.add_node(decide)
builder.add_node(likely)
builder.add_edge(START, "decide")
builder.add_conditional_edges("decide", lambda state: "likely" if state["b"] else END, ["likely", END])
"""


def test_branches_that_recorded_runs_took_are_expected(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """After five decisions on record; those that ended the graph count against the branch."""
    (tmp_path / "watched_graph.py").write_text(ROUTED)
    for a in (0, 1, 2, 3):
        _run(f"workflow.input={{a: {a}}}")
    # The baseline of this input is the fifth.
    outcome = _run("workflow.input={a: 5}", "+opt=speculate")
    assert outcome.verdict.outputs_equal is True
    assert outcome.record.statistics["speculate"]["right"] == 1
    outcome = _run("workflow.input={a: 0}", "+opt=speculate")
    assert outcome.verdict.outputs_equal is True
    assert (outcome.figures["speculate.wrong"], outcome.record.tokens.wasted) == (1, 0)
    capsys.readouterr()
    assert explain([*WORKFLOW, "+opt=speculate"]) == 0
    assert "so far 5 of 7" in " ".join(capsys.readouterr().out.split())
