"""``optiflow verify``: exit code, JUnit XML and job summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from optiflow.record.store import RecordStore

Run = Callable[..., Any]
_SMALL = ("workflow.input.packages=[idna]",)
_IMPOSSIBLE = "criteria.criteria=[{name: quick, figure: runtime_s, at_most: 0.0}]"


def test_a_pass(optiflow: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0; JUnit XML that others read; a summary behind what is in its file already."""
    summary = here / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    code, out, err = optiflow(
        "verify", "--against", "baseline", "--junit", "r.xml", "criteria=none", "+opt=cache", *_SMALL
    )
    assert code == 0, err
    assert "PASS" in out
    (suite,) = JUnitXml.fromfile(str(here / "r.xml"))
    assert (suite.tests, suite.failures, suite.skipped) == (1, 0, 0)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n## OptiFlow: PASS\n")
    assert "with cache" in text


def test_a_criterion_that_fails(optiflow: Run, here: Path) -> None:
    """3, and a failure in the file."""
    code, _, _ = optiflow("verify", "--junit=r.xml", "+opt=cache", "criteria=none", _IMPOSSIBLE, *_SMALL)
    assert code == 3
    (suite,) = JUnitXml.fromfile(str(here / "r.xml"))
    failed = [case.name for case in suite if not case.is_passed]
    assert failed == ["quick"]


def test_against_a_record(optiflow: Run, store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that differs from it ends with 3 however good the rest is."""
    assert optiflow("criteria=none", *_SMALL).code == 0
    (record,) = store.newest()
    assert optiflow("verify", "--against", record.record_id, "+opt=cache", "criteria=none", *_SMALL).code == 0
    import optiflow.run as run_module

    real = run_module._Attempt._outcome
    monkeypatch.setattr(run_module._Attempt, "_outcome", lambda self, final: real(self, {**final, "brief": "other"}))
    code, out, _ = optiflow("verify", "--against", record.record_id, "+opt=cache", "criteria=none", *_SMALL)
    assert (code, "answer differs" in out) == (3, True)


def _failing(monkeypatch: pytest.MonkeyPatch, *, baseline: bool) -> None:
    """Has the runs without any toggle fail, or those with."""
    import optiflow.run as run_module

    real = run_module._Attempt._measured

    async def sometimes(self: Any) -> None:
        if baseline != bool(self._job.toggles):
            raise ZeroDivisionError("planted")
        await real(self)

    monkeypatch.setattr(run_module._Attempt, "_measured", sometimes)


@pytest.mark.parametrize(("baseline", "code", "called"), [(True, 125, "INCONCLUSIVE"), (False, 1, "FAILED")])
def test_a_run_that_fails(
    optiflow: Run, here: Path, monkeypatch: pytest.MonkeyPatch, baseline: bool, code: int, called: str
) -> None:
    """Without a baseline nothing can be said, as ``git bisect run`` takes 125; the files of the job say so."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    _failing(monkeypatch, baseline=baseline)
    ended, out, err = optiflow("verify", "--junit=r.xml", "+opt=cache", "criteria=none", *_SMALL)
    assert (ended, out) == (code, "")
    assert "ZeroDivisionError: planted" in err
    assert ("inconclusive: the baseline can't be run" in err) == baseline
    (suite,) = JUnitXml.fromfile(str(here / "r.xml"))
    assert (suite.tests, suite.errors) == (1, 1)
    assert (here / "summary.md").read_text(encoding="utf-8").startswith(f"## OptiFlow: {called}\n")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "failed"}, "did not go well"),
        ({"input_sha256": "9" * 64}, "read another input"),
        ({"workflow": "other"}, "is of another workflow"),
    ],
)
def test_a_record_that_says_nothing_of_the_run(
    optiflow: Run, store: RecordStore, fields: dict[str, str], why: str
) -> None:
    """125, and nothing runs."""
    assert optiflow("criteria=none", *_SMALL).code == 0
    (record,) = store.newest()
    store.save(record.evolve(**fields))
    code, _, err = optiflow("verify", "--against", record.record_id, "criteria=none", *_SMALL)
    assert code == 125
    assert f"record {record.record_id} {why}: nothing can be held against it" in err
    assert len(store.newest(9)) == 1


def test_some_toggle_is_on(optiflow: Run, store: RecordStore) -> None:
    """A gate that held the baseline against itself would let everything through."""
    assert optiflow("verify", "criteria=none", *_SMALL).code == 0
    newest, baseline = store.newest(9)
    assert {"cache", "parallel"} < set(newest.toggles_on)
    assert baseline.toggles_on == ()


def test_json(optiflow: Run) -> None:
    """As the main job gives it."""
    code, out, _ = optiflow("verify", "+opt=cache", "criteria=none", "report=json", *_SMALL)
    assert (code, out.startswith("{")) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against",), "verify: --against needs a value"),
        (("--frob",), "verify: no such option: --frob"),
        (("--against", "nothing", "+opt=cache", *_SMALL), "record 'nothing' is not there"),
    ],
)
def test_wrong_arguments(optiflow: Run, arguments: tuple[str, ...], message: str) -> None:
    """One line, exit code 2."""
    code, _, err = optiflow("verify", *arguments)
    assert (code, message in err) == (2, True)
