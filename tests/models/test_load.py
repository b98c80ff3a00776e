"""Loading chat models, real providers included."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from optiflow.clock import RealClock, VirtualClock
from optiflow.config.model import LatencyConfig, ModelConfig
from optiflow.errors import ConfigurationError
from optiflow.models import load_chat_model
from optiflow.models.offline import OfflineChatModel

REAL = ModelConfig(provider="openai", name="gpt-4o-mini", base_url="http://127.0.0.1:9/v1", timeout_s=3, max_retries=1)


def test_offline_is_the_offline_model() -> None:
    """It gets its name, tokenizer, law and clock from the configuration."""
    clock, law = VirtualClock(), LatencyConfig()
    model = load_chat_model(ModelConfig(name="small", tokenizer="gpt-4", latency=law), clock)
    assert isinstance(model, OfflineChatModel)
    assert (model.model_name, model.tokenizer, model.latency, model.clock) == ("small", "gpt-4", law, clock)


def test_a_real_provider_needs_real_time() -> None:
    """What a provider really takes can't be spent on a virtual clock."""
    with pytest.raises(
        ConfigurationError, match=r"'openai' answers in real time and needs clock=real, not clock=virtual"
    ):
        load_chat_model(REAL, VirtualClock())


def test_a_real_provider_gets_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the configuration reach LangChain's client."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    model: Any = load_chat_model(REAL.model_copy(update={"seed": 7}), RealClock())
    assert type(model).__name__ == "ChatOpenAI"
    assert (model.model_name, model.temperature, model.seed, model.max_retries) == ("gpt-4o-mini", 0.0, 7, 1)
    assert (model.openai_api_base, model.request_timeout) == (REAL.base_url, 3.0)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to set."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="needs its key in the variable OPENAI_API_KEY"):
        load_chat_model(REAL, RealClock())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LangChain the message says what to install."""
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigurationError, match=r"needs the extra 'providers': pip install 'optiflow\[providers\]'"):
        load_chat_model(REAL, RealClock())


def test_a_missing_package_of_a_provider_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangChain knows the provider, but its package is not there."""
    monkeypatch.setitem(sys.modules, "langchain_groq", None)
    with pytest.raises(ConfigurationError, match=r"'groq' needs a package that is not installed: .*langchain-groq"):
        load_chat_model(ModelConfig(provider="groq", name="x"), RealClock())


def test_an_unknown_provider_is_refused() -> None:
    """In one line, with the provider as it was given."""
    with pytest.raises(ConfigurationError, match=r"model\.provider='opanai', model\.name='x'.*opanai") as caught:
        load_chat_model(ModelConfig(provider="opanai", name="x"), RealClock())
    assert "\n" not in str(caught.value)
