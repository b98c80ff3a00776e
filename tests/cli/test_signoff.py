"""The command that writes the checklist."""

from __future__ import annotations

from pathlib import Path

import pytest

from optiflow import cli
from optiflow.checklist import signoff
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.signoff import Document, Section


@pytest.fixture
def overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The overrides of each sign-off, none of which measures anything; the last box is ticked unless told not to."""
    asked: list[tuple[str, ...]] = []

    def sign_off(context: Context) -> Document:
        context.say("measuring")
        asked.append(context.overrides)
        ticked = context.config.seed == 0
        return Document("Checklist", "About.", [Section("One", lines=[Line("Runs", ticked, "1 of 1")])])

    monkeypatch.setattr(signoff, "sign_off", sign_off)
    monkeypatch.chdir(tmp_path)
    return asked


def test_writes_into_the_working_folder(
    overrides: list[tuple[str, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default the file is signoff.md here, which is said, and what is measured is told on stderr."""
    assert cli.main(["signoff"]) == 0
    assert (tmp_path / "signoff.md").read_text(encoding="utf-8").startswith("# Checklist\n")
    told = capsys.readouterr()
    assert told.out == "signoff.md: 1 of 1 boxes ticked\n"
    assert told.err == "measuring\n"
    assert overrides == [()]


def test_an_open_box_is_exit_code_3(overrides: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    """The file is written all the same; overrides reach the configuration."""
    assert cli.main(["signoff", "seed=1", "--output", "other.md", "opt.cache.max_entries=9"]) == 3
    assert "- [ ] Runs — 1 of 1" in Path("other.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == "other.md: 0 of 1 boxes ticked\n"
    assert overrides == [("seed=1", "opt.cache.max_entries=9")]


def test_a_dash_is_standard_output(
    overrides: list[tuple[str, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the document is on standard output, and no file is made."""
    assert cli.main(["signoff", "--output", "-"]) == 0
    assert capsys.readouterr().out.endswith("- [x] Runs — 1 of 1\n")
    assert not (tmp_path / "signoff.md").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output"], "--output needs a file"),
        (["--output", "nowhere/signoff.md"], "its folder does not exist"),
        (["quick"], "'quick' is neither an option nor an override"),
        (["opt.cash.enabled=false"], "cash"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_measured(
    overrides: list[tuple[str, ...]], arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, and no minute spent."""
    assert cli.main(["signoff", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert overrides == []


def test_help_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage, and nothing is measured."""
    assert cli.main(["signoff", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m optiflow signoff")
