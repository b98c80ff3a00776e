"""How long a provider takes to answer: the latency law of the offline model.

The time of one call, in seconds::

    t = (ttft + prompt / prefill + completion / decode) * j
    j = exp(sigma * z - sigma**2 / 2)

with ``ttft`` the time to first token in seconds, ``prompt`` and ``completion`` in tokens, ``prefill`` and ``decode``
in tokens a second. It is the usual two-phase account of transformer inference: the prompt is read in parallel
(prefill), the completion is written token by token (decode). ``z`` is standard normal, so that ``j`` is lognormal
with mean 1: latency is skewed to the right and never negative. ``z`` comes from a hash of (seed, prompt), so that a
prompt takes equally long in whatever order, thread or process it is asked.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

from optiflow.config.model import LatencyConfig

__all__ = ["CallLatency", "call_latency"]


@dataclass(frozen=True, slots=True)
class CallLatency:
    """The latency of one call, in the order in which it is spent."""

    first_token_s: float
    """Seconds until the first token of the answer is there."""

    per_token_s: float
    """Seconds for each token of the answer."""

    total_s: float
    """Seconds until the whole answer is there."""


def call_latency(law: LatencyConfig | None, prompt: str, prompt_tokens: int, completion_tokens: int) -> CallLatency:
    """Apply the law to one call.

    Args:
        law: Its parameters; None: the provider answers at once.
        prompt: The prompt's text, which decides the jitter.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
    """
    if law is None:
        return CallLatency(0.0, 0.0, 0.0)
    factor = _jitter(law, prompt)
    first = factor * (law.time_to_first_token_s + prompt_tokens / law.prefill_tokens_per_s)
    per_token = factor / law.decode_tokens_per_s
    return CallLatency(first, per_token, first + per_token * completion_tokens)


def _jitter(law: LatencyConfig, prompt: str) -> float:
    if law.jitter == 0:
        return 1.0
    digest = hashlib.sha256(f"{law.seed}\0{prompt}".encode(errors="surrogatepass")).digest()
    # 53 bits and half a step keep the uniform number inside the open interval (0, 1).
    uniform = ((int.from_bytes(digest[:8]) >> 11) + 0.5) / 2**53
    return math.exp(law.jitter * NormalDist().inv_cdf(uniform) - law.jitter**2 / 2)
