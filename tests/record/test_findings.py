"""What a record says of a run: its cost where every price is known."""

from __future__ import annotations

import pytest

from optiflow.monitor.observation import CachedTokens, ModelCall
from optiflow.record.findings import cost_of, tokens_of


def _call(model: str, *, cached: CachedTokens = CachedTokens()) -> ModelCall:  # noqa: B008 - frozen
    return ModelCall("node", "node", model, "digest", 0.0, 1.0, 1000, 1000, cached=cached)


def test_the_cost_of_all_calls() -> None:
    """Added up; one without a price leaves the whole unknown, and no calls cost nothing that is known."""
    pytest.importorskip("genai_prices", reason="needs the extra 'providers'")
    one = cost_of([_call("gpt-4o-mini")])
    assert one is not None
    assert cost_of([_call("gpt-4o-mini")] * 3) == pytest.approx(3 * one)
    assert cost_of([_call("gpt-4o-mini"), _call("nobody's model")]) is None
    assert cost_of([]) is None


def test_cached_tokens_are_added_up_and_priced() -> None:
    """By kind; what has no price counts in full, and its model is named."""
    pytest.importorskip("genai_prices", reason="needs the extra 'providers'")
    calls = [
        _call("claude-sonnet-4-5", cached=CachedTokens(read=1000)),
        _call("claude-sonnet-4-5", cached=CachedTokens(write=1000, write_5m=400, write_1h=600)),
        _call("claude-sonnet-4-5"),
    ]
    tokens = tokens_of(calls, wasted=5)
    assert (tokens.prompt, tokens.completion, tokens.total, tokens.wasted) == (3000, 3000, 6000, 5)
    assert (tokens.cache_read, tokens.cache_write, tokens.cache_write_5m, tokens.cache_write_1h) == (
        1000,
        1000,
        400,
        600,
    )
    assert tokens.priced == pytest.approx(3000 + 100 + 500 + 1200 + 1000)
    assert tokens.unpriced == ()
    cost = cost_of(calls)
    assert cost is not None
    assert cost == pytest.approx((3000 * 15 + 3 * 100 + 3.75 * 400 + 6 * 600 + 3 * 1000) / 1e6)
    mixed = tokens_of([*calls, _call("nobody's model", cached=CachedTokens(read=1000))])
    assert mixed.priced == pytest.approx(tokens.priced + 2000)
    assert mixed.unpriced == ("nobody's model",)


def test_what_is_free_needs_no_price() -> None:
    """Nor does a call that used nothing."""
    assert tokens_of([_call("offline-extractive-1")], free=True).unpriced == ()
    failed = ModelCall("node", "node", "nobody's model", "digest", 0.0, 1.0, error="refused")
    assert tokens_of([failed]).unpriced == ()
    assert tokens_of([]).priced == 0
