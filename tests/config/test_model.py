"""The model's configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from optiflow.config.compose import compose
from optiflow.config.files import options_of
from optiflow.config.model import OFFLINE, LatencyConfig, ModelConfig


def test_the_default_is_offline_and_answers_at_once() -> None:
    """Without any setting there is no provider to ask and no time to wait."""
    config = ModelConfig()
    assert config.provider == OFFLINE
    assert config.latency is None
    assert config.temperature == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_to_first_token_s", -0.1),
        ("prefill_tokens_per_s", 0),
        ("decode_tokens_per_s", -5),
        ("jitter", 1.0),
        ("ttl_s", 1),
    ],
)
def test_a_law_that_can_not_be_is_refused(field: str, value: float) -> None:
    """Times are not negative, rates are positive, and there are no other parameters."""
    with pytest.raises(ValidationError, match=field):
        LatencyConfig.model_validate({field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("timeout_s", 0), ("max_retries", -1), ("temperature", 2.5), ("name", ""), ("tokeniser", "gpt-4o")],
)
def test_a_model_that_can_not_be_is_refused(field: str, value: object) -> None:
    """Each setting has its bounds, and a misspelt one is not ignored."""
    with pytest.raises(ValidationError, match=field):
        ModelConfig.model_validate({field: value})


def test_a_real_provider_has_no_latency_law() -> None:
    """A law that would be ignored is refused, with the way out."""
    with pytest.raises(ValidationError, match=r"provider 'openai' takes its own time.*model\.latency=null"):
        ModelConfig(provider="openai", latency=LatencyConfig())


@pytest.mark.parametrize("option", options_of("model"))
def test_every_shipped_model_is_valid(option: str) -> None:
    """Each file of the group makes a whole configuration."""
    config = compose([f"model={option}", "clock=real"]).model
    assert config.provider == option
    assert (config.latency is None) == (option != OFFLINE)
