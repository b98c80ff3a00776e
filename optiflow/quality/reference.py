"""How near a text comes to somebody else's on the same matter: ROUGE (Lin, 2004), by the package ``rouge-score``."""

from __future__ import annotations

from typing import Any

from optiflow.extras import require

__all__ = ["rouge"]


def rouge(text: str, reference: str) -> dict[str, float]:
    """F-measures of ROUGE-1 and ROUGE-2, with stemming, each from 0 to 1.

    Args:
        text: The text to judge.
        reference: The text to compare with.

    Raises:
        ConfigurationError: The extra ``quality`` is not installed.
    """
    scorer: Any = require("rouge_score.rouge_scorer", "quality", "comparing with workflow.input.reference")
    scores = scorer.RougeScorer(["rouge1", "rouge2"], use_stemmer=True).score(reference, text)
    return {name: float(score.fmeasure) for name, score in scores.items()}
