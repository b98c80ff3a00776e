"""Experiments from the command line: planned, run, resumed, reported."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from optiflow.experiment.store import ExperimentStore
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

Run = Callable[..., Any]

_TWO = "experiment.toggles=[cache,parallel]"


def _store() -> ExperimentStore:
    return ExperimentStore(RecordStore(get_settings().store_url))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def test_plan_lists_the_jobs_and_runs_nothing(optiflow: Run, tiny: list[str], here: Path) -> None:
    """Arms, overrides and the order of each block; no store is made."""
    code, out, err = optiflow("experiment", "plan", "ablate", *tiny, "experiment.base=safe", "experiment.blocks=2")
    assert (code, err) == (0, "")
    assert "10 arms × 2 blocks = 20 jobs" in out
    assert "all minus cache" in out
    assert "block 1:" in out
    assert not get_settings().home.exists()


def test_an_ablation(optiflow: Run, tiny: list[str]) -> None:
    """Every arm in every block, judged, with effects; a second time nothing runs again."""
    arguments = ("-m", *tiny, "+experiment=ablate", _TWO, "experiment.blocks=2")
    code, out, err = optiflow(*arguments)
    assert (code, err) == (0, "")
    assert "4 arms × 2 blocks = 8 jobs" in out
    assert out.count("PASS") == 3
    assert "unreliable: 2 blocks" in out
    store = _store()
    plan = store.get("ablate")
    runs = store.runs(plan)
    assert Counter(run.toggles_on for run in runs)[()] == 2
    assert {(run.block, run.position) for run in runs} == {(block, place) for block in (0, 1) for place in range(4)}
    assert optiflow(*arguments).code == 0
    assert [run.record_id for run in store.runs(plan)] == [run.record_id for run in runs]
    assert len(store.records.newest(99)) == 8


def test_a_plan_says_how_many_blocks_detect_a_change(optiflow: Run, tiny: list[str]) -> None:
    """From the baselines of the same workload that are on record, once there are enough."""
    plan = ("experiment", "plan", "full", *tiny, _TWO)
    assert "too few earlier runs of this workload to tell" in _squeezed(optiflow(*plan).out)
    optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=4")
    assert "4 earlier runs scatter by" in _squeezed(optiflow(*plan).out)


def test_more_blocks_are_added(optiflow: Run, tiny: list[str]) -> None:
    """What is done counts."""
    arguments = ("-m", *tiny, "+experiment=full", _TWO)
    optiflow(*arguments, "experiment.blocks=1")
    first = {run.record_id for run in _store().runs(_store().get("full"))}
    assert optiflow(*arguments, "experiment.blocks=2").code == 0
    runs = _store().runs(_store().get("full"))
    assert len(runs) == 8
    assert first < {run.record_id for run in runs}


def test_another_name_is_another_experiment(optiflow: Run, tiny: list[str]) -> None:
    """Of the same plan."""
    arguments = ("-m", *tiny, "+experiment=full", "experiment.toggles=[cache]", "experiment.blocks=1")
    optiflow(*arguments)
    optiflow(*arguments, "experiment.name=again")
    out = optiflow("experiment", "status").out
    assert "again" in out
    assert len(_store().records.newest(99)) == 4


def test_rollback_runs_every_preset(optiflow: Run, tiny: list[str]) -> None:
    """``all`` rolled back is the baseline, and runs once."""
    assert optiflow("-m", *tiny, "+experiment=rollback", "experiment.blocks=1").code == 0
    plan = _store().get("rollback")
    assert {arm.name for arm in plan.arms} >= {"none", "all", "no_cache", "no_parallel"}
    assert "all" in {arm.name for arm in plan.arms}
    assert len({arm.config_sha256 for arm in plan.arms}) == len(plan.arms)


def test_a_screen_prints_what_it_can_t_tell(optiflow: Run, tiny: list[str]) -> None:
    """Aliases, in the plan and in the result."""
    out = optiflow("experiment", "plan", "screen", *tiny, "experiment.resolution=3").out
    assert "can't be told apart: " in out


def test_a_search(optiflow: Run, tiny: list[str]) -> None:
    """Combinations are tried once each; the front names the best with their verdicts."""
    arguments = ("-m", *tiny, "+experiment=search", "experiment.search.trials=6")
    code, out, _ = optiflow(*arguments)
    assert code == 0
    assert "Pareto front" in out
    plan = _store().get("search")
    assert plan.arms[2].values
    count = len(_store().records.newest(99))
    assert optiflow(*arguments).code == 0
    assert len(_store().records.newest(99)) == count


def test_a_failing_arm_is_reported_and_retried(optiflow: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every failure is listed, the others run; resume tries the failed again."""
    import optiflow.run as run_module

    real, broken = run_module.optimized_graph, [True]

    def sometimes(job: Any, *arguments: Any) -> Any:
        graph, decisions = real(job, *arguments)
        if broken[0] and any(toggle.name == "cache" for toggle in job.toggles):
            raise ZeroDivisionError("planted")
        return graph, decisions

    monkeypatch.setattr(run_module, "optimized_graph", sometimes)
    code, out, _ = optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=1")
    assert code == 1
    assert _squeezed(out).count("ZeroDivisionError: planted") == 2
    assert "2 of 4 jobs have no run that ended" in _squeezed(out)
    broken[0] = False
    assert optiflow("experiment", "resume", "full").code == 0
    assert _store().count(_store().get("full").experiment_id) == {"done": 4}


def test_fail_fast_starts_nothing_more(optiflow: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first failure ends it; what is left is said."""
    monkeypatch.setattr("optiflow.run.optimized_graph", lambda *_: 1 / 0)
    code, out, _ = optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=2", "experiment.fail_fast=true")
    assert code == 1
    assert _squeezed(out).count("ZeroDivisionError") == 1


def test_an_answer_that_differs_is_regressed(optiflow: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast: exit code 3."""
    import optiflow.run as run_module

    real = run_module._Attempt._outcome

    def other(self: Any, final: Any) -> Any:
        if any(toggle.name == "parallel" for toggle in self._job.toggles):
            final = {**final, "brief": "something else"}
        return real(self, final)

    monkeypatch.setattr(run_module._Attempt, "_outcome", other)
    code, out, _ = optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=1")
    assert code == 3
    assert out.count("REGRESSED") == 2
    assert "answer differs" in out


class TestReport:
    @pytest.fixture(autouse=True)
    def _ran(self, optiflow: Run, tiny: list[str]) -> None:
        assert optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=2").code == 0

    def test_json(self, optiflow: Run) -> None:
        """One object, without NaN."""
        code, out, _ = optiflow("experiment", "report", "full", "--format", "json")
        shown = json.loads(out, parse_constant=lambda name: pytest.fail(name))
        assert code == 0
        assert shown["analysis"]["complete"] is True
        assert len(shown["plan"]["jobs"]) == 8

    def test_a_file_s_ending_says_its_format(self, optiflow: Run, here: Path) -> None:
        """Markdown and HTML."""
        assert optiflow("experiment", "report", "full", "--output", "r.md").out == "written: r.md\n"
        assert (here / "r.md").read_text().startswith("## Experiment full\n")
        assert optiflow("experiment", "report", "full", "--output=r.html").code == 0
        assert (here / "r.html").read_text().startswith("<!doctype html>")

    def test_two_experiments_are_compared(self, optiflow: Run, tiny: list[str]) -> None:
        """Arm by arm."""
        optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=2", "experiment.name=again")
        code, out, _ = optiflow("compare", "full", "again")
        assert code == 0
        assert "only cache" in out
        assert "below 1 is less" in out

    def test_status(self, optiflow: Run) -> None:
        """How far each is, by name or all of them."""
        assert "full" in optiflow("experiment", "status").out
        assert "full" in optiflow("experiment", "status", "full").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("experiment",), "usage: python -m optiflow experiment plan"),
        (("experiment", "frob"), "known: export, plan, report, resume, status"),
        (("experiment", "plan"), "known: ablate, full, rollback, screen"),
        (("experiment", "plan", "ablat"), "did you mean 'ablate'"),
        (("experiment", "status", "a", "b"), "usage"),
        (("experiment", "resume"), "usage"),
        (("experiment", "resume", "nothing"), "experiment 'nothing': not found"),
        (("experiment", "report"), "usage"),
        (("experiment", "report", "x", "--format", "pdf"), "--format pdf: "),
        (("experiment", "report", "x", "--format"), "experiment report: --format needs a value"),
        (("experiment", "report", "x", "--frob", "y"), "experiment report: no such option: --frob"),
        (("experiment", "report", "x", "--output", "r.txt"), "--output r.txt: expected a file that ends in .html"),
        (("experiment", "export", "x"), "usage"),
        (("experiment", "export", "x", "folder"), "experiment 'x': not found"),
        (("-m", "+experiment=ablat"), "experiment=ablat: no such option; did you mean 'ablate'"),
        (("-m", "experiment.blocks=3"), "experiment"),
        (("-m", "+experiment=ablate", "experiment.blocks=0"), "experiment.blocks: 0: "),
        (("-m", "+experiment=full", "experiment.toggles=[cache,frob]"), "experiment.toggles: 'frob' is no toggle"),
        (
            ("-m", "+experiment=full", "experiment.base=safe", "experiment.toggles=[parallel]"),
            "is not in experiment.base='safe'",
        ),
        (("-m", "+experiment=full", "experiment.base=none"), "nothing to compare"),
        (("-m", "+experiment=search", "experiment.objectives=[{figure: speed}]"), "'speed' is no figure of this run"),
        (("-m", "+experiment=ablate", "experiment.name=a b"), "experiment.name: 'a b': "),
    ],
)
def test_what_is_wrong_is_one_line(optiflow: Run, tiny: list[str], arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2, what and where."""
    given = [*arguments[:1], *tiny, *arguments[1:]] if arguments[0] == "-m" else arguments
    code, out, err = optiflow(*given)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) <= 5


def test_a_secret_is_refused(optiflow: Run, tiny: list[str]) -> None:
    """It would be kept with the overrides; the variable that holds it is named instead."""
    secret = "++workflow.checkpointer=postgresql://me:very-secret-123456@localhost/x"
    code, out, err = optiflow("-m", *tiny, "+experiment=full", _TWO, secret)
    assert (code, out) == (2, "")
    assert "no secret belongs; name an environment variable instead" in err
    assert "very-secret" not in err
    assert _store().newest() == []


def test_configuration_that_changed_since_is_noticed(optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
    """A resumed job never runs something else under the old name."""
    from optiflow.experiment import worker

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("optiflow.run.optimized_graph", interrupted)
        assert optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=1").code == 130
    folder = Path(tiny[1])
    text = (folder / "workflow" / "tiny.yaml").read_text(encoding="utf-8")
    (folder / "workflow" / "tiny.yaml").write_text(
        text.replace("at most 30 words", "at most 31 words"), encoding="utf-8"
    )
    worker.composed.cache_clear()
    code, _, err = optiflow("experiment", "resume", "full")
    assert (code, "the configuration changed since it was planned" in err) == (2, True)
    # A worker elsewhere may have other files than whoever planned.
    monkeypatch.setattr("optiflow.experiment.sweeper._refuse_change", lambda *_: None)
    code, out, _ = optiflow("experiment", "resume", "full")
    assert code == 2
    assert "is configured otherwise than when the experiment was planned" in _squeezed(out)


@pytest.mark.parametrize(
    ("design", "changed", "what"),
    [
        ("full", "code_sha256", "the code changed"),
        ("full", "input_sha256", "the input changed"),
        ("full", "workload_key", "the configuration changed"),
        ("search", "code_sha256", "the code changed"),
    ],
)
def test_nothing_is_gone_on_with_once_the_code_is_another(
    optiflow: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch, design: str, changed: str, what: str
) -> None:
    """What has run can't be compared with what would: one line with what changed and what to do, and nothing runs."""
    arguments = ["-m", *tiny, f"+experiment={design}", "experiment.blocks=1"]
    arguments += ["experiment.search.trials=2"] if design == "search" else [_TWO]
    assert optiflow(*arguments).code == 0
    plan = _store().get(design)
    before = len(_store().records.newest(99))
    other = plan.model_copy(update={changed: "0" * 64, "workload_key": "0" * 64})
    monkeypatch.setattr(ExperimentStore, "get", lambda self, name: other)
    code, out, err = optiflow("experiment", "resume", design)
    assert (code, out) == (2, "")
    assert err.startswith(f"optiflow: experiment '{design}': {what} since it was planned")
    assert err.endswith(f"experiment.blocks=1 {arguments[-1] if design == 'search' else repr(_TWO)}\n")
    assert len(err.splitlines()) == 1
    assert len(_store().records.newest(99)) == before


def test_a_plan_of_an_older_version_names_all_that_may_have_changed(
    optiflow: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not hold the digests that would tell."""
    assert optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=1").code == 0
    old = _store().get("full").model_copy(update={"code_sha256": None, "input_sha256": None, "workload_key": "0"})
    monkeypatch.setattr(ExperimentStore, "get", lambda self, name: old)
    assert "the code, input or configuration changed since" in optiflow("experiment", "resume", "full").err


def test_toggles_that_are_not_under_study_are_off(optiflow: Run, tiny: list[str]) -> None:
    """On in every arm but the baseline, their gain would be taken for that of the others."""
    optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=1")
    on = {run.toggles_on for run in _store().runs(_store().get("full"))}
    assert on == {(), ("cache",), ("parallel",), ("cache", "parallel")}


def test_a_plan_of_many_arms_is_cut_short(optiflow: Run, tiny: list[str]) -> None:
    """A screenful in the terminal, everything as JSON; nothing runs."""
    plan = ("experiment", "plan", "full", *tiny)
    out = optiflow(*plan).out
    assert "more arms; report=json lists all" in out
    assert len(out.splitlines()) < 200
    assert len(json.loads(optiflow(*plan, "report=json").out)["jobs"]) == 5 * 512


def test_what_is_left_out_is_said(optiflow: Run, tiny: list[str]) -> None:
    """What the toggles' own rules forbid, and what is the same as another arm."""
    planned = optiflow("experiment", "plan", "rollback", *tiny).out
    assert "left out: rollback=all: the same configuration as none" in planned
    assert optiflow("-m", *tiny, "+experiment=rollback", "experiment.blocks=2").code == 0
    reported = optiflow("experiment", "report", "rollback").out
    assert "left out: rollback=all: the same configuration as none" in reported
    assert "runtime_s / that of all" in reported


def test_an_experiment_is_kept_in_a_folder(optiflow: Run, tiny: list[str], here: Path) -> None:
    """Plan, figures of the runs and reports, and no text that a run read or wrote."""
    optiflow("-m", *tiny, "+experiment=full", _TWO, "experiment.blocks=2")
    code, out, _ = optiflow("experiment", "export", "full", "kept/2030-01-01-full")
    assert code == 0
    folder = here / "kept" / "2030-01-01-full"
    names = ["plan.json", "report.html", "report.md", "report.json", "runs.csv"]
    assert out == f"written to kept/2030-01-01-full: {', '.join(names)}\n"
    assert sorted(each.name for each in folder.iterdir()) == sorted(names)
    assert json.loads((folder / "plan.json").read_text(encoding="utf-8"))["name"] == "full"
    runs = list(csv.DictReader((folder / "runs.csv").read_text(encoding="utf-8").splitlines()))
    assert len(runs) == 8
    assert {run["status"] for run in runs} == {"ok"}
    with closing(RecordStore(get_settings().store_url)) as records:
        line = next(
            record.output.text.splitlines()[-1] for record in records.newest(1) if record.output and record.output.text
        )
    assert all(line not in each.read_text(encoding="utf-8") for each in folder.iterdir())


@pytest.mark.slow
def test_killed_and_resumed(optiflow: Run, tiny: list[str], here: Path) -> None:
    """Kill -9 in mid-sweep, twice; afterwards each job has exactly one run that ended."""
    command = [sys.executable, "-m", "optiflow", "-m", *tiny, "+experiment=ablate", "experiment.blocks=2"]
    for done in (2, 6):
        with subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                plans = _store().newest()
                if plans and _store().count(plans[0].experiment_id).get("done", 0) >= done:
                    os.kill(process.pid, signal.SIGKILL)
                    break
    assert optiflow("experiment", "resume", "ablate").code == 0
    with closing(RecordStore(get_settings().store_url)) as records:
        store = ExperimentStore(records)
        plan = store.get("ablate")
        ended = [run for run in records.of_sweep(plan.experiment_id) if run.status == "ok"]
        assert Counter((run.block, run.position) for run in ended) == Counter(
            (job.block, job.position) for job in plan.jobs
        )
        assert store.count(plan.experiment_id) == {"done": len(plan.jobs)}
