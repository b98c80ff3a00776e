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
