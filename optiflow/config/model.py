"""Which chat model answers, and the latency law of the offline one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["OFFLINE", "LatencyConfig", "ModelConfig"]

OFFLINE = "offline"
"""The provider that needs neither a key nor a network."""


class LatencyConfig(BaseModel):
    """How long the offline model takes to answer; `optiflow.models.latency` has the formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_to_first_token_s: float = Field(default=0.0, ge=0)
    """Fixed seconds of one call: network, queue, scheduling."""

    prefill_tokens_per_s: float = Field(default=8000.0, gt=0)
    """Prompt tokens that the provider reads in one second."""

    decode_tokens_per_s: float = Field(default=50.0, gt=0)
    """Completion tokens that the provider writes in one second."""

    jitter: float = Field(default=0.0, ge=0, lt=1)
    """Relative spread (sigma of the logarithm) of the latency from call to call; 0: none."""

    seed: int = 0
    """Seed of the jitter, which is drawn for each prompt and so is the same in any order of calls."""


class ModelConfig(BaseModel):
    """The chat model that answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str = Field(default=OFFLINE, min_length=1)
    """``offline``, or a provider name of LangChain's ``init_chat_model``, such as ``openai``."""

    name: str = Field(default="offline-extractive-1", min_length=1)
    """The model's name at its provider."""

    tokenizer: str = Field(default="gpt-4o", min_length=1)
    """The model name whose tokenizer counts tokens, as tiktoken knows it."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; above 0, equal prompts may have different answers and are never merged."""

    seed: int | None = None
    """Sampling seed, for providers that take one."""

    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds until the client gives up on one request of a real provider."""

    max_retries: int = Field(default=2, ge=0)
    """Repeated requests by a real provider's client, before the node's own retry policy."""

    base_url: str | None = None
    """Address of the provider's interface, where it is not the provider's own."""

    latency: LatencyConfig | None = None
    """The offline model's latency law; None: it answers at once."""

    @model_validator(mode="after")
    def _latency_is_offline(self) -> ModelConfig:
        if self.latency is not None and self.provider != OFFLINE:
            raise ValueError(
                f"latency belongs to provider 'offline'; provider {self.provider!r} takes its own time: "
                "remove it or set model.latency=null"
            )
        return self
