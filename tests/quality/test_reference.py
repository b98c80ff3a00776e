"""Texts against a reference."""

from __future__ import annotations

import sys

import pytest

from optiflow.errors import ConfigurationError
from optiflow.quality.reference import rouge

TEXT = "The rivers were rising in spring."


def test_the_same_text_scores_one_and_another_nothing() -> None:
    """The ends of the scale."""
    pytest.importorskip("rouge_score", reason="needs the extra 'quality'")
    assert rouge(TEXT, TEXT) == {"rouge1": 1.0, "rouge2": 1.0}
    assert rouge("Nothing alike", TEXT) == {"rouge1": 0.0, "rouge2": 0.0}


def test_words_are_compared_by_their_stems() -> None:
    """Rising and rise are one word, and order only matters to pairs."""
    pytest.importorskip("rouge_score", reason="needs the extra 'quality'")
    scores = rouge("in spring the river rises", TEXT)
    assert scores["rouge1"] == pytest.approx(2 * 5 / (5 + 6))
    assert scores["rouge2"] == pytest.approx(2 * 2 / (4 + 5))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to install."""
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(ConfigurationError, match=r"needs the extra 'quality': pip install 'optiflow\[quality\]'"):
        rouge(TEXT, TEXT)
