"""A verdict as JUnit XML, which every CI shows."""

from __future__ import annotations

from optiflow.analysis.outcome import Outcome
from optiflow.extras import require

__all__ = ["as_junit"]


def as_junit(outcome: Outcome) -> str:
    """One test case for the answer and one for each criterion; what is not judged is skipped with the reason.

    Args:
        outcome: The judged run.

    Raises:
        ConfigurationError: The extra ``ci`` is not installed.
    """
    junit = require("junitparser", "ci", "--junit")
    verdict = outcome.verdict
    suite = junit.TestSuite("optiflow")
    answer = junit.TestCase("answer equals the baseline's", classname=outcome.record.workflow)
    if verdict.outputs_equal is False:
        answer.result = [junit.Failure(verdict.difference or "differs")]
    elif verdict.outputs_equal is None:
        answer.result = [junit.Skipped("the run is its own baseline")]
    suite.add_testcase(answer)
    for result in verdict.criteria:
        case = junit.TestCase(result.name, classname=outcome.record.workflow)
        if result.passed is None:
            case.result = [junit.Skipped(result.note)]
        elif not result.passed:
            case.result = [junit.Failure(f"{result.value} is not {result.limit}")]
        suite.add_testcase(case)
    suite.update_statistics()
    whole = junit.JUnitXml()
    whole.add_testsuite(suite)
    whole.update_statistics()
    text: bytes = whole.tostring()
    return text.decode("utf-8")
