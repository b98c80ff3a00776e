"""One run: configuration in, record out, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from optiflow.config.compose import compose
from optiflow.config.models import RunConfig
from optiflow.errors import (
    ConfigurationError,
    InputError,
    ProviderError,
    RunFailedError,
    RunInterruptedError,
    StoreError,
    ToggleFailedError,
)
from optiflow.optimizations import registry
from optiflow.optimizations.base import Optimization, Options, Statistics
from optiflow.optimizations.registry import preset
from optiflow.plan.graph_plan import GraphPlan
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.run import Job, execute, prepare
from optiflow.settings import get_settings

SMALL = "workflow.input.packages=[idna]"

_GRAPH = '''
"""A graph for tests."""

from typing import TypedDict

from langgraph.func import entrypoint
from langgraph.graph import StateGraph
from langgraph.types import RetryPolicy

from optiflow.errors import ProviderError

attempts = []


class State(TypedDict, total=False):
    question: str
    draft: str
    answer: str


def flaky(state):
    attempts.append("flaky")
    if len(attempts) == 1:
        raise {first}
    return {{"draft": state["question"] + "?"}}


def final(state):
    {body}


builder = StateGraph(State)
builder.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=Exception))
builder.add_node("final", final)
builder.set_entry_point("flaky")
builder.add_edge("flaky", "final")
graph = builder.compile()


@entrypoint()
def functional(question):
    return question + "!"
'''


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordStore]:
    """A store of its own."""
    with closing(RecordStore(f"sqlite:///{tmp_path / 'records.sqlite'}")) as store:
        yield store


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    """Where a test writes its graph."""
    return tmp_path / "graph.py"


def _config(
    path: Path,
    body: str = 'return {"answer": state["draft"] + "!"}',
    *,
    first: str = 'RuntimeError("a")',
    name: str = "graph",
    given: str = "{question: why}",
) -> RunConfig:
    path.write_text(_GRAPH.format(first=first, body=body), encoding="utf-8")
    return compose(["workflow=graph", f"workflow.ref={path}:{name}", f"workflow.input={given}", "clock=virtual"])


def _only(store: RecordStore) -> RunRecord:
    (record,) = store.newest(9)
    return record


def test_a_run_leaves_a_whole_record(store: RecordStore) -> None:
    """What ran, on what, with what outcome; the record in the store is the one returned."""
    config = compose([SMALL, "+opt=all"])
    job = prepare(config, overrides=(SMALL, "+opt=all"), sweep_id="sweep")
    record = execute(job, store)
    assert _only(store) == record
    assert record.status == "ok"
    assert record.workflow == "dependency_brief"
    assert record.overrides == (SMALL, "+opt=all")
    assert record.sweep_id == "sweep"
    assert record.config == config.model_dump(mode="json")
    assert record.toggles_on == tuple(sorted(preset("all")))
    assert (record.clock, record.seed, record.model) == ("virtual", 0, "offline-extractive-1")
    assert record.ended_at is not None
    assert record.ended_at >= record.started_at
    assert record.error is record.traceback is None
    assert record.effects is not None
    assert {span.node for span in record.nodes} <= record.effects.keys()
    assert record.deciding == ("revision",)
    assert record.statistics.keys() == set(record.toggles_on)
    assert {decision.toggle for decision in record.decisions} >= {"parallel"}


def test_its_figures_agree_with_one_another(store: RecordStore) -> None:
    """Tokens are those of the calls, times add up, calls lie within the run."""
    record = execute(prepare(compose([SMALL])), store)
    assert record.timings is not None
    assert record.tokens is not None
    assert record.memory is not None
    timings, tokens = record.timings, record.tokens
    assert tokens.prompt == sum(call.prompt_tokens for call in record.model_calls)
    assert tokens.completion == sum(call.completion_tokens for call in record.model_calls)
    assert tokens.total == tokens.prompt + tokens.completion
    assert timings.provider_s == pytest.approx(timings.provider_total_s), "one call after another"
    assert timings.provider_s < timings.runtime_s
    assert timings.waiting_s == pytest.approx(max(0.0, timings.runtime_s - timings.provider_s - timings.cpu_s))
    assert all(0 <= call.started_s <= call.ended_s <= timings.runtime_s for call in record.model_calls)
    assert record.memory.peak_rss_mb > 10
    assert record.memory.peak_traced_mb is None


def test_the_output_is_what_the_run_made(store: RecordStore) -> None:
    """The brief, its quality against the truth, and no input document once more."""
    record = execute(prepare(compose([SMALL])), store)
    assert record.output is not None
    assert record.output.text is not None
    assert record.output.text.startswith("# Dependency brief")
    assert record.output.state["brief"] == record.output.text
    assert not any("dossier" in key or key == "idna" for key in record.output.state)
    assert record.quality is not None
    assert (record.quality.kind, record.quality.grade, record.quality.wrong) == ("truth", "A+", 0)
    assert record.quality.right is not None
    assert record.quality.right > 0


def test_quality_against_a_reference_counts_no_facts(store: RecordStore, tmp_path: Path) -> None:
    """Where there is a reference text, the score is how near the text comes to it."""
    reports = tmp_path / "reports"
    reports.mkdir()
    for name in ("north", "south"):
        (reports / f"{name}.txt").write_text(f"Employment in the {name} rose. Prices grew slowly. " * 20)
    (tmp_path / "summary.txt").write_text("Employment rose and prices grew slowly.")
    config = compose(
        ["workflow=reports", f"workflow.input.folder={reports}", f"workflow.input.reference={tmp_path / 'summary.txt'}"]
    )
    quality = execute(prepare(config), store).quality
    assert quality is not None
    assert quality.kind == "reference"
    assert (quality.right, quality.missing, quality.wrong) == (None, None, None)


def test_traced_memory_is_measured_on_request(store: RecordStore, graph_file: Path) -> None:
    """What Python allocated, beside the resident peak."""
    config = _config(graph_file).model_copy(update={"memory": "traced"})
    memory = execute(prepare(config), store).memory
    assert memory is not None
    assert memory.peak_traced_mb is not None
    assert memory.peak_traced_mb > 0


def test_two_runs_of_one_workload_may_be_compared() -> None:
    """Toggles, criteria and the report change nothing about the workload; input, seed and model do."""
    key = prepare(compose([SMALL])).comparison_key
    assert prepare(compose([SMALL, "+opt=all", "criteria=none", "report=json", "log=stderr"])).comparison_key == key
    others = ["workflow.input.packages=[rich]", "seed=1", "model.latency.decode_tokens_per_s=50"]
    assert len({key, *(prepare(compose([SMALL, other])).comparison_key for other in others)}) == 4


def test_a_retry_that_helped_is_no_failure(store: RecordStore, graph_file: Path) -> None:
    """A user's graph runs without a key; both attempts are on record, and who listens hears of each node."""
    ended: list[str] = []
    record = execute(prepare(_config(graph_file)), store, on_node_end=ended.append)
    assert record.status == "ok"
    assert record.output is not None
    assert record.output.state == {"draft": "why?", "answer": "why?!"}, "the question came back as it went in"
    assert record.quality is None
    assert record.effects is None
    assert ended[-1] == "final"


def test_a_function_may_be_the_graph(store: RecordStore, graph_file: Path) -> None:
    """LangGraph's functional API has neither a builder nor a mapping as its result."""
    record = execute(prepare(_config(graph_file, name="functional", given="'\"why\"'")), store)
    assert record.output is not None
    assert record.output.state == {"result": "why!"}
    assert record.deciding == ()


def test_a_failing_node_is_named(store: RecordStore, graph_file: Path) -> None:
    """The node that ended the run, not one that failed before and was repeated; the record has the traceback."""
    job = prepare(_config(graph_file, 'raise RuntimeError("no\\nanswer")'))
    with pytest.raises(RunFailedError, match=r"^node 'final' failed: RuntimeError: no\nanswer") as caught:
        execute(job, store)
    record = _only(store)
    assert record.record_id in str(caught.value)
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message, record.error.where) == ("RuntimeError", "no\nanswer", "final")
    assert record.traceback is not None
    assert "in final" in record.traceback
    assert record.output is None
    assert record.timings is not None, "how far it came is kept"
    assert record.nodes


def test_our_own_errors_keep_their_kind(store: RecordStore, graph_file: Path) -> None:
    """What OptiFlow raises inside a node is raised as it is, and marked failed all the same."""
    with pytest.raises(ProviderError, match=r"^silent"):
        execute(prepare(_config(graph_file, 'raise ProviderError("silent")')), store)
    record = _only(store)
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.where) == ("ProviderError", "final")


def test_a_graph_that_fails_outside_of_its_nodes(store: RecordStore, graph_file: Path) -> None:
    """A graph that returns what is no update fails as a graph."""
    with pytest.raises(RunFailedError, match=r"^the graph failed: InvalidUpdateError: |^node 'final' failed: "):
        execute(prepare(_config(graph_file, "return 5")), store)


def test_ctrl_c_marks_the_record(store: RecordStore, graph_file: Path) -> None:
    """The record says interrupted, and keeps what was measured until then."""
    with pytest.raises(RunInterruptedError, match=r"interrupted; the record [0-9a-f]{32} says so"):
        execute(prepare(_config(graph_file, "raise KeyboardInterrupt")), store)
    record = _only(store)
    assert record.status == "interrupted"
    assert record.error is None
    assert record.timings is not None


class _Broken(Optimization[Options]):
    """A toggle whose rewrite or activation fails."""

    name = "broken"

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        raise ZeroDivisionError("rewrite")


class _Late(Optimization[Options]):
    """A toggle whose statistics come after the run, whatever came of it."""

    name = "late"

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        yield lambda: {"seen": 1}


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two toggles above are installed."""
    toggles: dict[str, Any] = {**registry.available(), "broken": _Broken, "late": _Late}
    monkeypatch.setattr(registry, "available", lambda: toggles)
    monkeypatch.setattr("optiflow.run.available", lambda: toggles)


@pytest.mark.usefixtures("third_party")
def test_a_toggle_that_cannot_rewrite_takes_no_part(store: RecordStore) -> None:
    """The run goes on without it, and the record says why; under ``strict`` nothing runs and nothing is on record."""
    record = execute(prepare(compose([SMALL, "+opt.broken.enabled=true"])), store)
    (decision,) = record.decisions
    assert (decision.toggle, decision.action) == ("broken", "refused")
    assert decision.reason == "failed: ZeroDivisionError: rewrite"
    assert "broken" not in record.statistics


@pytest.mark.usefixtures("third_party")
def test_strict_leaves_no_record(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has run, so nothing is on record as running."""
    monkeypatch.setenv("OPTIFLOW_STRICT", "1")
    get_settings.cache_clear()
    try:
        with pytest.raises(ToggleFailedError, match="toggle 'broken' failed in rewrite: ZeroDivisionError"):
            execute(prepare(compose([SMALL, "+opt.broken.enabled=true"])), store)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
    assert store.newest(9) == []


@pytest.mark.usefixtures("third_party")
def test_statistics_of_a_failed_run_are_kept(store: RecordStore, graph_file: Path) -> None:
    """What a toggle had counted helps to find out why."""
    config = _config(graph_file, "return 1 / 0").model_copy(update={"opt": {"late": {}}})
    with pytest.raises(RunFailedError, match="ZeroDivisionError"):
        execute(prepare(config), store)
    assert _only(store).statistics == {"late": {"seen": 1}}


def test_the_record_is_there_while_the_run_goes_on(store: RecordStore, graph_file: Path) -> None:
    """Saved before the first node starts, so that a run that is killed leaves a trace."""
    seen: list[str] = []
    execute(prepare(_config(graph_file)), store, on_node_end=lambda _: seen.append(_only(store).status))
    assert set(seen) == {"running"}


def test_a_store_that_fails_at_the_end_is_told(store: RecordStore, graph_file: Path, monkeypatch: Any) -> None:
    """A disk that fills up during the run is the store's error, not the run's."""
    save, count = RecordStore.save, iter(range(9))

    def full_at_last(self: RecordStore, record: RunRecord) -> None:
        if next(count):
            raise StoreError("store: database or disk is full")
        save(self, record)

    monkeypatch.setattr(RecordStore, "save", full_at_last)
    with pytest.raises(StoreError, match="disk is full"):
        execute(prepare(_config(graph_file)), store)
    assert _only(store).status == "running"


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["workflow.input.packages=[no-such-package]"], InputError, "'no-such-package' is not installed"),
        (["+opt.cahce.enabled=true"], ConfigurationError, "opt.cahce: no such toggle; did you mean 'cache'?"),
        (["+opt=parallel", "opt.parallel.max_concurrency=-1"], ConfigurationError, "greater than or equal to 1"),
        (["+opt=cache", "opt.cache.max_entries=many"], ConfigurationError, "opt.cache.max_entries: 'many': "),
        (["clock=real", "model=openai", "model.provider=opnai"], ConfigurationError, "opnai"),
    ],
)
def test_what_is_wrong_shows_before_anything_runs(overrides: list[str], error: type[Exception], message: str) -> None:
    """Input, toggles and model are all known to be right when a job is ready."""
    with pytest.raises(error, match=message.replace("?", r"\?")) as caught:
        prepare(compose(overrides))
    assert "\n" not in str(caught.value)


def test_a_disabled_toggle_is_on_record_as_off(store: RecordStore) -> None:
    """The kill switch wins over the configuration, and the record tells what really ran."""
    job: Job = prepare(compose([SMALL, "+opt=[cache,monitor]"]), disabled={"cache"})
    record = execute(job, store)
    assert record.toggles_on == ("monitor",)
    assert record.statistics.keys() == {"monitor"}
