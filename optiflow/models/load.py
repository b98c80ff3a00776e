"""The chat model that the configuration names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from optiflow.clock import Clock
from optiflow.config.model import OFFLINE, ModelConfig
from optiflow.errors import ConfigurationError
from optiflow.extras import require

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["load_chat_model"]

_KEY_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def load_chat_model(config: ModelConfig, clock: Clock) -> BaseChatModel:
    """Make the chat model; nothing is sent yet.

    Args:
        config: Which model.
        clock: Where the offline model spends its latency; a real provider needs the real one.

    Raises:
        ConfigurationError: The provider is unknown, its package or key is missing, or the clock is virtual.
    """
    if config.provider == OFFLINE:
        from optiflow.models.offline import OfflineChatModel

        return OfflineChatModel(model_name=config.name, tokenizer=config.tokenizer, latency=config.latency, clock=clock)
    if clock.kind != "real":
        raise ConfigurationError(
            f"model.provider={config.provider!r} answers in real time and needs clock=real, not clock={clock.kind}"
        )
    return _provider_model(config)


def _provider_model(config: ModelConfig) -> BaseChatModel:
    chat_models: Any = require("langchain.chat_models", "providers", f"model.provider={config.provider!r}")
    variable = _KEY_VARIABLES.get(config.provider)
    if variable and not os.environ.get(variable):
        raise ConfigurationError(f"model.provider={config.provider!r} needs its key in the variable {variable}")
    settings: dict[str, Any] = {
        "temperature": config.temperature,
        "timeout": config.timeout_s,
        "max_retries": config.max_retries,
        "base_url": config.base_url,
        "seed": config.seed,
    }
    try:
        model: BaseChatModel = chat_models.init_chat_model(
            config.name,
            model_provider=config.provider,
            **{name: value for name, value in settings.items() if value is not None},
        )
        return model
    except ImportError as error:
        raise ConfigurationError(
            f"model.provider={config.provider!r} needs a package that is not installed: {_one_line(error)}"
        ) from error
    except Exception as error:
        # Each provider's client has its own exceptions for settings that it does not take.
        raise ConfigurationError(
            f"model.provider={config.provider!r}, model.name={config.name!r}: {_one_line(error)}"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
