"""The outcome as tables on a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import judge
from optiflow.config.criteria import CriteriaConfig
from optiflow.record.schema import Memory, Output, RunRecord, Tokens
from optiflow.report import terminal
from optiflow.report.github import job_summary
from optiflow.report.json_report import as_object
from optiflow.report.terminal import console, figure_text, outcome_view, progress_of_nodes, sweep_view

Make = Callable[..., Outcome]


def _printed(view: RenderableType, capsys: pytest.CaptureFixture[str]) -> str:
    console().print(view)
    return capsys.readouterr().out


def _widest(view: RenderableType, width: int) -> int:
    output = io.StringIO()
    Console(file=output, width=width, markup=False).print(view)
    return max(cell_len(line) for line in output.getvalue().splitlines())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (41189, "41,189"),
        (0.12345, "0.123"),
        (214.96, "215.0"),
        (-1234.5, "-1,234.5"),
        ("A+", "A+"),
    ],
)
def test_figures_are_for_people(value: object, text: str) -> None:
    """Thousands are separated, and no figure has more digits than mean something."""
    assert figure_text(value) == text


def test_a_compared_run_shows_both_sides(compared: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures with their change, every criterion with its mark or reason, and the verdict with both records."""
    outcome = compared()
    text = _printed(outcome_view(outcome), capsys)
    lines = {line.strip().split("  ")[0]: " ".join(line.split()) for line in text.splitlines()}
    assert lines["two_steps"] == "two_steps · toggles: cache"
    assert "provider time simulated" in text
    assert lines["runtime s"] == "runtime s 10.000 5.000 -50.0%"
    assert lines["model calls"] == "model calls 1 1 same"
    assert lines["faster"] == "faster >= 1.5 2.000 ✅"
    assert lines["tokens"].startswith("tokens"), "a row of each table"
    assert "hits >= 0.5 0.900 – needs parallel" in lines["hits"]
    assert "❌" in text
    assert "2.000× as fast; 10 tokens saved; answer equals the baseline's" in text
    assert f"REGRESSED  record {outcome.record.record_id}, baseline {outcome.baseline.record_id}" in text


def test_a_baseline_alone_has_one_column(
    finished_record: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to compare, so no column and no criteria say so."""
    run = finished_record()
    text = _printed(outcome_view(Outcome(run, run, judge(run, None, CriteriaConfig()))), capsys)
    assert "toggles: none (baseline)" in text
    assert "criterion" not in text
    assert "as fast" not in text
    assert f"PASS  record {run.record_id}\n" in text


def test_a_baseline_that_fails_says_why(alone: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    """Its criteria are shown once one of them does not hold."""
    text = _printed(outcome_view(alone), capsys)
    assert "tokens" in text.partition("criterion")[2]
    assert f"REGRESSED  record {alone.record.record_id}\n" in text


def test_a_different_answer_is_shown(compared: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """The first difference stands beside the verdict."""
    other = compared(output=Output(state={"brief": "other"}, sha256="0" * 64, text="other"), clock="real")
    text = _printed(outcome_view(other), capsys)
    assert "answer differs: $.brief: " in text
    assert "real clock" in text


def test_changes_that_are_no_percentage(
    finished_record: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    """A grade changed, a figure that was zero has no quotient, and one that is new has no predecessor."""
    run = finished_record(grade="B", memory=Memory(peak_rss_mb=100.0, peak_traced_mb=3.0))
    baseline = finished_record(timings=run.timings.model_copy(update={"waiting_s": 0.0}) if run.timings else None)
    text = _printed(outcome_view(Outcome(run, baseline, judge(run, baseline, CriteriaConfig()))), capsys)
    lines = {line.strip().split("  ")[0]: " ".join(line.split()) for line in text.splitlines()}
    assert lines["grade"] == "grade A+ B changed"
    assert lines["waiting s"] == "waiting s 0.000 0.500"
    assert lines["peak traced MB"] == "peak traced MB – 3.000 changed"


def test_names_are_no_markup(compared: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons of a criterion's name or an error are printed as they are."""
    assert "[bold]odd :smile: name[/bold]" in _printed(outcome_view(compared()), capsys)
    assert "[red]x: no [such] key" in _printed(sweep_view([], [("[red]x", "no [such] key")]), capsys)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_the_terminal(compared: Make, width: int) -> None:
    """No line is wider than the terminal, with every toggle on and a long difference."""
    toggles = dict.fromkeys(["async", "cache", "log_level", "monitor", "parallel"], True)
    long = Output(state={"brief": "other " * 60}, sha256="0" * 64, text="other")
    outcome = compared(toggles=toggles, output=long)
    assert _widest(outcome_view(outcome), width) <= width
    assert _widest(sweep_view([outcome], [("+opt=all " * 12, "it broke " * 20)]), width) <= width


def test_no_console_is_wider_than_100(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the terminal says; a narrower terminal is taken as it is."""
    monkeypatch.setenv("COLUMNS", "300")
    assert console().width == 100
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert console(stderr=True).width == 100
    monkeypatch.setenv("COLUMNS", "72")
    assert console().width == 72


def test_a_sweep_has_a_line_for_each_run(compared: Make, alone: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    """Toggles, figures, equality and verdict; what failed is listed below."""
    text = _printed(sweep_view([alone, compared()], [("seed=abc", "seed: 'abc': no integer")]), capsys)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "none 10.000 1.00× 100 1 A+ – REGRESSED" in rows
    assert "cache 5.000 2.00× 90 1 A+ ✅ REGRESSED" in rows
    assert "seed=abc: seed: 'abc': no integer" in rows


def test_progress_is_drawn_only_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal each node that ends is named, brackets included; else nothing is written."""
    with progress_of_nodes(2, shown=False) as ended:
        ended("read")
    assert capsys.readouterr() == ("", "")

    screen = io.StringIO()
    terminal_console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(terminal, "console", lambda *, stderr: terminal_console if stderr else None)
    with progress_of_nodes(2, shown=True) as ended:
        ended("read[x]")
        ended("write")
    assert "2/2" in screen.getvalue()
    assert "write" in screen.getvalue()


def test_cached_tokens_are_shown_at_their_price(
    finished_record: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of both sides where one has any; prices that are not known are said."""
    cached = Tokens(prompt=800, completion=200, total=1000, cache_read=700, cache_write=90, cache_write_1h=90)
    before = finished_record(tokens=cached.model_copy(update={"priced": 412.5}), cost_usd=0.25)
    after = finished_record(
        toggles={"parallel": True},
        tokens=Tokens(prompt=800, completion=200, total=1000, priced=1000.0, unpriced=("model-x",)),
    )
    found = Outcome(after, before, judge(after, before, CriteriaConfig()))
    text = _printed(outcome_view(found), capsys)
    for row in (r"read from the provider's cache +700 +0", r"written to it +90 +0", r"for an hour +90 +0"):
        assert re.search(row, text), row
    assert re.search(r"cached ones at their price +412\.5 +1,000\.0 +\+142\.4%", text)
    assert "for five minutes" not in text
    assert "prices are not known of model-x: there is no cost\n" in text
    told = as_object(found)
    assert (told["baseline"]["cache_read_tokens"], told["baseline"]["cost_usd"]) == (700, 0.25)
    assert (told["run"]["tokens_priced"], told["run"]["unpriced_models"]) == (1000.0, "model-x")
    summary = job_summary(found)
    assert "| tokens\\_priced | 412.5 | 1,000.0 |" in summary
    assert "prices are not known of model-x" in summary
    unpriced = finished_record(tokens=cached.model_copy(update={"priced": 1000.0, "unpriced": ("model-x",)}))
    text = _printed(
        sweep_view([found, Outcome(unpriced, unpriced, judge(unpriced, None, CriteriaConfig()))], []), capsys
    )
    assert "at their price" in text
    assert "there is no cost, and their cached tokens count in full" in text


def test_without_cached_tokens_nothing_is_said_of_them(alone: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    """No row, no column, no note."""
    for view in (outcome_view(alone), sweep_view([alone], [])):
        text = _printed(view, capsys)
        assert "price" not in text
        assert "cache" not in text
