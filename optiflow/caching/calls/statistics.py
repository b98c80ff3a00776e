"""What merging and keeping model calls saved."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from langchain_core.messages import BaseMessage

from optiflow.tokens.prices import price_usd

__all__ = ["CallStatistics"]


class CallStatistics:
    """The calls of one run; safe to use from any thread, while the run goes on too."""

    def __init__(self) -> None:
        self.merged = 0
        """Calls that were answered by an equal one in flight."""
        self.hits = 0
        """Calls that were answered by a kept answer."""
        self.misses = 0
        """Calls for which an answer was looked up in vain."""
        self.not_deterministic = 0
        """Calls that were left alone because two answers to them may differ."""
        self._lock = threading.Lock()
        self._saved: Counter[tuple[str, str]] = Counter()

    def count_merged(self, model: str, answer: Iterable[BaseMessage]) -> None:
        """A call of a model, by its name, was answered by an equal one in flight."""
        with self._lock:
            self.merged += 1
            self._count_saved(model, answer)

    def count_hit(self, model: str, answer: Iterable[BaseMessage]) -> None:
        """A call of a model, by its name, was answered by a kept answer."""
        with self._lock:
            self.hits += 1
            self._count_saved(model, answer)

    def count_miss(self) -> None:
        """No answer was kept."""
        with self._lock:
            self.misses += 1

    def count_not_deterministic(self) -> None:
        """A call was left alone."""
        with self._lock:
            self.not_deterministic += 1

    def figures(self) -> Mapping[str, float | int]:
        """All of it by name; tokens as the answers account them, dollars where the price of the model is known."""
        with self._lock:
            counts = {
                "calls_merged": self.merged,
                "calls_hits": self.hits,
                "calls_misses": self.misses,
                "calls_not_deterministic": self.not_deterministic,
            }
            saved = dict(self._saved)
        models = {model for model, _ in saved}
        prices = (price_usd(model, saved[model, "input_tokens"], saved[model, "output_tokens"]) for model in models)
        return {
            **counts,
            "tokens_saved": sum(saved.values()),
            "usd_saved": round(sum(price for price in prices if price is not None), 9),
        }

    def _count_saved(self, model: str, answer: Iterable[BaseMessage]) -> None:
        for message in answer:
            usage = getattr(message, "usage_metadata", None) or {}
            for kind in ("input_tokens", "output_tokens"):
                self._saved[model, kind] += usage.get(kind, 0)
