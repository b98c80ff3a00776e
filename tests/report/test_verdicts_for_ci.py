"""A verdict as JUnit XML and as the summary of a GitHub job."""

from __future__ import annotations

from collections.abc import Callable

from junitparser import Failure, JUnitXml, Skipped

from optiflow.analysis.outcome import Outcome
from optiflow.record.schema import Output
from optiflow.report.github import job_summary
from optiflow.report.junit import as_junit


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
