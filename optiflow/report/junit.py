"""A verdict as JUnit XML, which every CI shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optiflow.analysis.outcome import Outcome
from optiflow.errors import RunFailedError
from optiflow.extras import require
from optiflow.report.wording import difference_lines

__all__ = ["as_junit"]


def as_junit(outcome: Outcome | RunFailedError) -> str:
    """One test case for the answer and one for each criterion; what is not judged is skipped with the reason.

    Args:
        outcome: The judged run, or why there is none: one test case with an error.

    Raises:
        ConfigurationError: The extra ``ci`` is not installed.
    """
    junit = require("junitparser", "ci", "--junit")
    suite = junit.TestSuite("optiflow")
    for case in _failed(junit, outcome) if isinstance(outcome, RunFailedError) else _judged(junit, outcome):
        suite.add_testcase(case)
    suite.update_statistics()
    whole = junit.JUnitXml()
    whole.add_testsuite(suite)
    whole.update_statistics()
    text: bytes = whole.tostring()
    return text.decode("utf-8")


def _failed(junit: Any, error: RunFailedError) -> Iterator[Any]:
    case = junit.TestCase("the run", classname="optiflow")
    case.result = [junit.Error(str(error))]
    yield case


def _judged(junit: Any, outcome: Outcome) -> Iterator[Any]:
    verdict = outcome.verdict
    answer = junit.TestCase("answer equals the baseline's", classname=outcome.record.workflow)
    if verdict.outputs_equal is False:
        answer.result = [junit.Failure("\n".join(difference_lines(verdict)))]
    elif verdict.outputs_equal is None:
        answer.result = [junit.Skipped("the run is its own baseline")]
    yield answer
    for result in verdict.criteria:
        case = junit.TestCase(result.name, classname=outcome.record.workflow)
        if result.passed is None:
            case.result = [junit.Skipped(result.note)]
        elif not result.passed:
            case.result = [junit.Failure(f"{result.value} is not {result.limit}")]
        yield case
