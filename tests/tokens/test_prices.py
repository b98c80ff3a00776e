"""What tokens cost."""

from __future__ import annotations

import sys

import pytest

from optiflow.tokens.prices import price_usd, priced_tokens


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


def test_cached_tokens_cost_what_the_table_says() -> None:
    """Reads are cheaper, writes dearer, by the hour dearest; the sum of them can't be more than the prompt."""
    pytest.importorskip("genai_prices", reason="needs genai-prices: pip install 'optiflow[providers]'")

    def cost(**cached: int) -> float:
        found = price_usd("claude-sonnet-4-5", 1000, 10, **cached)
        assert found is not None
        return found

    assert cost(read=1000) < cost(read=500) < cost() < cost(write=1000)
    assert cost(write=1000) == cost(write=1000, write_5m=1000) < cost(write=1000, write_1h=1000)
    assert price_usd("claude-sonnet-4-5", 1000, 10, read=600, write=600) is None
    assert price_usd("claude-sonnet-4-5", 1000, 10, write=600, write_1h=700) is None


@pytest.mark.parametrize(
    ("model", "cached", "weight"),
    [
        ("gpt-4o", {}, 1.0),
        ("gpt-4o", {"read": 1000}, 0.5),
        ("claude-sonnet-4-5", {"read": 1000}, 0.1),
        ("claude-sonnet-4-5", {"read": 500}, 0.55),
        ("claude-sonnet-4-5", {"write": 1000}, 1.25),
        ("claude-sonnet-4-5", {"write": 1000, "write_1h": 1000}, 2.0),
    ],
)
def test_tokens_are_weighted_by_what_they_cost(model: str, cached: dict[str, int], weight: float) -> None:
    """Of the prompt; those of the answer count as they are."""
    pytest.importorskip("genai_prices", reason="needs genai-prices: pip install 'optiflow[providers]'")
    assert priced_tokens(model, 1000, 10, **cached) == pytest.approx(1000 * weight + 10)


def test_tokens_without_a_known_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are not counted as anything: whoever asks has to say what they count as."""
    assert priced_tokens("offline-extractive-1", 1000, 10, read=500) is None
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert priced_tokens("gpt-4o", 1000, 10, read=500) is None
