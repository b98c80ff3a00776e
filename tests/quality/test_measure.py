"""The quality of a text."""

from __future__ import annotations

import pytest

from optiflow.quality import measure
from optiflow.workflow.truth import PackageTruth

TRUTH = {
    name: PackageTruth(name, "1.0", "MIT", ">=3.9", (), ("Ada",), "It is fine.") for name in ("one", "two", "three")
}


def brief(**versions: str) -> str:
    """A brief that knows everything of the packages named, and says these versions."""
    sheet = "License: MIT\nRequires-Python: >=3.9\nDependencies: none\nAuthor: Ada\nSummary: It is fine."
    return "\n\n".join(f"## {name}\n\nVersion: {version}\n{sheet}" for name, version in versions.items())


def test_everything_right_is_the_best_grade() -> None:
    """Eighteen facts of three packages."""
    quality = measure(brief(one="1.0", two="1.0", three="1.0"), truth=TRUTH, reference=None)
    assert quality is not None
    assert (quality.kind, quality.score, quality.grade, quality.right) == ("truth", 1.0, "A+", 18)


def test_a_wrong_fact_costs_more_than_a_missing_one() -> None:
    """Both cost; the faults are named."""
    wrong = measure(brief(one="1.0", two="1.0", three="2.0"), truth=TRUTH, reference=None)
    missing = measure(
        brief(one="1.0", two="1.0", three="1.0").replace("Version: 1.0\n", "", 1), truth=TRUTH, reference=""
    )
    assert wrong is not None
    assert missing is not None
    assert (wrong.right, wrong.missing, wrong.wrong) == (17, 0, 1)
    assert (missing.right, missing.missing, missing.wrong) == (17, 1, 0)
    assert wrong.score < missing.score < 1
    assert [(fault.package, fault.field) for fault in wrong.faults] == [("three", "version")]


def test_nothing_right_is_no_score_below_zero() -> None:
    """A score is a share, even where everything is wrong."""
    text = "## one\n\nVersion: 9\nLicense: X\nAuthor: Nobody"
    quality = measure(text, truth={"one": TRUTH["one"]}, reference=None)
    assert quality is not None
    assert (quality.score, quality.grade, quality.wrong) == (0.0, "F", 3)


def test_a_reference_is_what_there_is_without_truth() -> None:
    """ROUGE-1 is the score; there are no facts to count."""
    pytest.importorskip("rouge_score", reason="needs the extra 'quality'")
    quality = measure("The river rose.", truth=None, reference="The river rose and fell.")
    assert quality is not None
    assert (quality.kind, quality.grade, quality.right) == ("reference", "A+", None)
    assert quality.score == quality.rouge["rouge1"] == pytest.approx(0.75)


def test_without_either_nothing_is_claimed() -> None:
    """No grade out of thin air."""
    assert measure("The river rose.", truth=None, reference=None) is None
