"""What a record says of a run: its cost where every price is known."""

from __future__ import annotations

import pytest

from optiflow.monitor.observation import ModelCall
from optiflow.record.findings import cost_of


def _call(model: str) -> ModelCall:
    return ModelCall("node", "node", model, "digest", 0.0, 1.0, 1000, 1000)


def test_the_cost_of_all_calls() -> None:
    """Added up; one without a price leaves the whole unknown, and no calls cost nothing that is known."""
    pytest.importorskip("genai_prices", reason="needs the extra 'providers'")
    one = cost_of([_call("gpt-4o-mini")])
    assert one is not None
    assert cost_of([_call("gpt-4o-mini")] * 3) == pytest.approx(3 * one)
    assert cost_of([_call("gpt-4o-mini"), _call("nobody's model")]) is None
    assert cost_of([]) is None
