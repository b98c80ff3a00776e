"""How near a text comes to somebody else's on the same matter: ROUGE (Lin, 2004), by the package ``rouge-score``."""

from __future__ import annotations

from optiflow.errors import ConfigurationError

__all__ = ["rouge"]


def rouge(text: str, reference: str) -> dict[str, float]:
    """F-measures of ROUGE-1 and ROUGE-2, with stemming, each from 0 to 1.

    Args:
        text: The text to judge.
        reference: The text to compare with.

    Raises:
        ConfigurationError: The extra ``quality`` is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ConfigurationError(
            "comparing with workflow.input.reference needs the extra 'quality': "
            f"pip install 'optiflow[quality]' ({error})"
        ) from error
    scores = RougeScorer(["rouge1", "rouge2"], use_stemmer=True).score(reference, text)
    return {name: float(score.fmeasure) for name, score in scores.items()}
