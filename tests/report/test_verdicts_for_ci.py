"""A verdict as JUnit XML and as the summary of a GitHub job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from junitparser import Failure, JUnitXml, Skipped

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import judge
from optiflow.config.criteria import CriteriaConfig
from optiflow.record.schema import Output, RunRecord
from optiflow.report.github import job_summary
from optiflow.report.json_report import as_object
from optiflow.report.junit import as_junit
from optiflow.report.terminal import console, outcome_view
from optiflow.report.wording import difference_lines


def test_junit(compared: Callable[..., Outcome]) -> None:
    """The answer, and each criterion: passed, failed with the figures, or skipped with the reason."""
    (suite,) = JUnitXml.fromstring(as_junit(compared()).encode())
    results = {case.name: [type(result) for result in case.result] for case in suite}
    assert list(results.values()) == [[], [], [Failure], [Skipped], []]
    assert (suite.tests, suite.failures, suite.skipped) == (5, 1, 1)


def test_an_answer_that_differs(compared: Callable[..., Outcome]) -> None:
    """Stands first in both."""
    outcome = compared(output=Output(state={"brief": "*"}, sha256="0" * 64, text="*"))
    (suite,) = JUnitXml.fromstring(as_junit(outcome).encode())
    assert "$.brief" in next(iter(suite)).result[0].message
    assert "**The answer differs:**" in job_summary(outcome)


def test_every_difference_is_listed_up_to_a_bound(finished_record: Callable[..., RunRecord]) -> None:
    """With a count of what is left out, and the places where runs of the baseline differ, in every report."""

    def outcome(**state: Any) -> RunRecord:
        return finished_record(output=Output(state=state, sha256="0" * 64))

    first, second = (outcome(at=number, **{f"k{n:02}": 0 for n in range(12)}) for number in (1, 2))
    wrong = outcome(at=3, **{f"k{n:02}": 1 for n in range(12)})
    found = Outcome(wrong, first, judge(wrong, first, CriteriaConfig(), again=[second]))
    lines = difference_lines(found.verdict)
    assert lines == [f"$.k{n:02}: 0 != 1" for n in range(10)] + [
        "and 2 more differences",
        "runs of the baseline differ from each other at $.at",
    ]
    (suite,) = JUnitXml.fromstring(as_junit(found).encode())
    assert "$.k09: 0 != 1" in next(iter(suite)).result[0].message
    summary = job_summary(found)
    assert "- $.k09: 0 != 1\n- and 2 more differences\n- runs of the baseline differ" in summary
    told = as_object(found)
    assert len(told["differences"]) == 12
    assert (told["differences_left_out"], told["varying"], told["varying_left_out"]) == (0, ["$.at"], 0)
    screen = console()
    with screen.capture() as captured:
        screen.print(outcome_view(found))
    assert "answer differs: $.k00: 0 != 1\n  $.k01: 0 != 1\n" in captured.get()


def test_a_baseline_alone(alone: Outcome) -> None:
    """Has no answer to be equal to."""
    (suite,) = JUnitXml.fromstring(as_junit(alone).encode())
    assert isinstance(next(iter(suite)).result[0], Skipped)
    assert "with no toggle" in job_summary(alone)


def test_the_summary(compared: Callable[..., Outcome]) -> None:
    """Figures beside the baseline's, criteria with their signs."""
    text = job_summary(compared())
    assert text.startswith("## OptiFlow: REGRESSED\n")
    assert "| runtime\\_s | 10" in text or "| runtime_s | 10" in text
    assert "✅" in text
    assert "❌" in text
