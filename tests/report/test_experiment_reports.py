"""Reports of experiments: in words, and in a real browser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from optiflow.experiment.analysis import analyse, compare_runs, front_of
from optiflow.experiment.plan import Arm, ExperimentPlan
from optiflow.experiment.schedule import schedule
from optiflow.record.schema import RunRecord, Tokens
from optiflow.report.experiment_terminal import experiment_view, experiments_view, plan_view
from optiflow.report.html import experiment_as_html
from optiflow.report.json_report import experiment_as_text
from optiflow.report.markdown import escaped, experiment_as_markdown

Make = Callable[..., RunRecord]
_CRITERIA = {"criteria": {"criteria": []}}


def _plan(blocks: int = 3, **fields: Any) -> ExperimentPlan:
    levels = [{"a": a, "b": b} for a in (False, True) for b in (False, True)]
    names = ["none", "only b", "only <a>", "all"]
    arms = tuple(
        Arm(name=name, overrides=("+opt=all",), levels=on, config_sha256=name)
        for name, on in zip(names, levels, strict=True)
    )
    given: dict[str, Any] = {
        "experiment_id": "e" * 32,
        "name": "trial",
        "design": "full",
        "factors": ("a", "b"),
        "baseline": "none",
        "arms": arms,
        "blocks": blocks,
        "seed": 0,
        "jobs": schedule("e" * 32, arms, blocks, 0),
        "figures": ("runtime_s", "tokens", "peak_rss_mb"),
        "workload_key": "w",
        "aliases": ("a = b×c",),
        "excluded": {"odd": "excludes each other"},
    }
    return ExperimentPlan(**{**given, **fields})


def _records(plan: ExperimentPlan, make: Make, jobs: int | None = None) -> list[RunRecord]:
    seconds = {"none": 10.0, "only b": 9.0, "only <a>": 5.0, "all": 4.4}
    return [
        make(
            runtime_s=seconds[job.arm] * math.exp(0.01 * job.block),
            sweep_id=plan.experiment_id,
            block=job.block,
            position=job.position,
            config=_CRITERIA,
        )
        for job in plan.jobs[:jobs]
    ]


def _printed(view: Any) -> str:
    shown = Console(width=160)
    with shown.capture() as captured:
        shown.print(view)
    return " ".join(captured.get().split())


def test_cached_tokens_are_a_figure_beside_tokens(finished_record: Make) -> None:
    """Where any run reports some; nothing that was not asked for otherwise, nor twice."""
    plan = _plan()
    plain = _records(plan, finished_record)
    assert [metric.figure for metric in analyse(plan, plain).metrics] == list(plan.figures)
    cached = [
        each.evolve(tokens=Tokens(prompt=80, completion=20, total=100, cache_read=40, priced=80.0)) for each in plain
    ]
    for some in (_plan(), _plan(figures=(*plan.figures, "tokens_priced"))):
        assert [metric.figure for metric in analyse(some, cached).metrics] == [*plan.figures, "tokens_priced"]
    assert escaped("tokens_priced") in experiment_as_markdown(plan, analyse(plan, cached))
    assert [metric.figure for metric in compare_runs("a", plain, "b", cached)][-1] == "tokens_priced"


def test_a_plan_in_the_terminal() -> None:
    """Arms, exclusions, aliases, and the order of every block."""
    text = _printed(plan_view(_plan()))
    assert "4 arms × 3 blocks = 12 jobs" in text
    assert "excluded: odd: excludes each other" in text
    assert "can't be told apart: a = b×c" in text
    assert "block 2: " in text


def test_a_plan_says_how_many_blocks_would_tell() -> None:
    """By what earlier runs scattered, else for what is assumed."""
    from optiflow.analysis.experiment.power import outlook

    assumed = _printed(plan_view(_plan(), outlook(0.05, [10.0])))
    assert (
        "to detect a change of 5% in runtime_s of any arm in 4 of 5 experiments: 3 blocks if runs scatter by 1%, "
        in assumed
    )
    measured = _printed(plan_view(_plan(), outlook(0.05, [10.0, 10.1, 10.0, 10.1])))
    assert "3 blocks (4 earlier runs scatter by 1.0%)" in measured
    assert "more than 100,000 blocks" in _printed(plan_view(_plan(), outlook(0.001, [1.0, 9.0] * 3)))


def test_results_in_the_terminal(finished_record: Make) -> None:
    """Ratios, calls, effects, shares, what to be careful about."""
    plan = _plan()
    text = _printed(experiment_view(plan, analyse(plan, _records(plan, finished_record))))
    assert "all 0.440 [0.440, 0.440] faster 0 PASS" in text
    assert "a×b" in text
    assert "unreliable: 3 blocks" in text


def test_an_unfinished_experiment(finished_record: Make) -> None:
    """What is missing is said, in every format; the exit is not this room's business."""
    plan = _plan()
    records = _records(plan, finished_record, jobs=7)
    analysis = analyse(plan, records)
    assert (analysis.complete, analysis.missing) == (False, 5)
    assert "5 of 12 jobs have no run that ended" in _printed(experiment_view(plan, analysis))
    assert "5 of 12 jobs have no run that ended" in experiment_as_markdown(plan, analysis)
    assert "5 of 12 jobs have no run that ended" in experiment_as_html(plan, analysis, records)


def test_an_empty_experiment() -> None:
    """Nothing has run: nothing is claimed, and nothing breaks."""
    plan = _plan()
    analysis = analyse(plan, [])
    assert set(analysis.verdicts.values()) == {"INCONCLUSIVE"}
    for text in (
        _printed(experiment_view(plan, analysis, [("all, block 0", "planted")])),
        experiment_as_markdown(plan, analysis),
        experiment_as_html(plan, analysis, []),
    ):
        assert "o run has ended yet" in text
    assert '"complete": false' in experiment_as_text(plan, analysis)


def test_failed_runs_are_counted(finished_record: Make) -> None:
    """They have no part in any figure."""
    plan = _plan()
    records = [
        record.evolve(status="failed") if record.block == 0 and record.position == 0 else record
        for record in _records(plan, finished_record)
    ]
    analysis = analyse(plan, records)
    (arm,) = analysis.failed
    assert analysis.failed[arm] == 1
    assert f"{escaped(arm)}: 1 failed run" in experiment_as_markdown(plan, analysis)


def test_an_answer_that_differs_comes_first(finished_record: Make) -> None:
    """Faster, and wrong: REGRESSED with the place."""
    from optiflow.record.normalise import digest
    from optiflow.record.schema import Output

    plan = _plan()
    other = Output(state={"brief": "other"}, sha256=digest({"brief": "other"}), text="other")
    arms = {(job.block, job.position): job.arm for job in plan.jobs}
    records = [
        record.evolve(output=other) if arms[record.block or 0, record.position or 0] == "all" else record
        for record in _records(plan, finished_record)
    ]
    analysis = analyse(plan, records)
    assert analysis.verdicts["all"] == "REGRESSED"
    assert "answer differs" in analysis.reasons["all"]
    assert "❌ REGRESSED" in experiment_as_markdown(plan, analysis)


def test_the_front_of_a_search(finished_record: Make) -> None:
    """The best in all objectives; what nobody beats."""
    plan = _plan(objectives=(("runtime_s", "minimize"), ("tokens", "minimize")))
    records = _records(plan, finished_record)
    front = front_of(plan, records)
    assert list(front) == ["all"]
    text = _printed(experiment_view(plan, analyse(plan, records), front=front))
    assert "Pareto front" in text


def test_no_experiments() -> None:
    """How to make one."""
    assert "+experiment=ablate makes one" in _printed(experiments_view([]))
    assert "trial" in _printed(experiments_view([(_plan(), {"done": 3})]))


def test_markdown_is_escaped() -> None:
    """A name can't break a table, nor become HTML."""
    assert escaped("a|b <i>\n*c*") == r"a\|b \<i\> \*c\*"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium, of the machine's packages."""
    import os
    import shutil

    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        reason = "needs Chromium: install the package chromium"
        if os.environ.get("OPTIFLOW_REQUIRE_SERVICES"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(browser: Any, tmp_path: Path, finished_record: Make, scheme: str, width: int) -> None:
    """Every plot is drawn, nothing is fetched, nothing fails, nothing sticks out, and ink is seen on its paper."""
    plan = _plan()
    records = _records(plan, finished_record)
    page_file = tmp_path / "report.html"
    page_file.write_text(experiment_as_html(plan, analyse(plan, records), records), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith("file:") else problems.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length > 0")
    titles = page.locator("section.plot h2").all_inner_texts()
    assert titles[:4] == ["Arms and intervals", "Effects and intervals", "Interactions", "Every run"]
    assert titles[-1] == "Memory over time"
    assert page.locator("section.plot .js-plotly-plot").count() == len(titles)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What an experiment's arms are called is text, whatever signs are in it.
    assert "only <a>" in page.locator("table").first.inner_text()
    brightness = page.evaluate(
        """() => ['backgroundColor', 'color'].map(name =>
             getComputedStyle(document.body)[name].match(/[0-9.]+/g).slice(0, 3).reduce((sum, x) => sum + +x, 0) / 3)"""
    )
    ink = page.evaluate(
        "getComputedStyle(document.querySelector('.js-plotly-plot .xtick text')).fill.match(/[0-9.]+/g).map(Number)"
    )
    assert (brightness[0] < brightness[1]) == (scheme == "dark")
    assert abs(sum(ink[:3]) / 3 - brightness[0]) > 100
    assert problems == []
    context.close()
