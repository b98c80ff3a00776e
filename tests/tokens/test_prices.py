"""What tokens cost."""

from __future__ import annotations

import sys

import pytest

from optiflow.tokens.prices import price_usd


def test_known_model() -> None:
    """A price grows with both kinds of tokens, and nothing costs nothing."""
    pytest.importorskip("genai_prices", reason="needs genai-prices: pip install 'optiflow[providers]'")
    assert price_usd("gpt-4o-mini", 0, 0) == 0
    read, written = price_usd("gpt-4o-mini", 1000, 0), price_usd("gpt-4o-mini", 0, 1000)
    assert read is not None
    assert written is not None
    assert 0 < read < written
    assert price_usd("gpt-4o-mini", 1000, 1000) == pytest.approx(read + written)


def test_unknown_model() -> None:
    """A model that nobody has a price for has none."""
    assert price_usd("offline-extractive-1", 1000, 1000) is None


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library no price is known."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert price_usd("gpt-4o-mini", 1000, 1000) is None
