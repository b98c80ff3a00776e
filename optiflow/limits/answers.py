"""What a provider says of its limits: refusals, how long to wait, what is left, and how many tokens were used."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pydantic_core import from_json

__all__ = ["Quota", "QuotaKind", "Refusal", "read_quotas", "read_refusal", "used_tokens"]

TOO_MANY_REQUESTS, UNAVAILABLE, OVERLOADED = 429, 503, 529

QuotaKind = Literal["requests", "tokens"]
"""What a provider counts."""

_QUOTA_HEADERS: tuple[tuple[QuotaKind, str], ...] = (
    ("requests", "x-ratelimit-{}-requests"),
    ("tokens", "x-ratelimit-{}-tokens"),
    ("requests", "anthropic-ratelimit-requests-{}"),
    ("tokens", "anthropic-ratelimit-tokens-{}"),
)

_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"([\d.]+)(ms|[dhms])")

_LASTING = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "credit_balance_too_low"})
"""Codes and types of errors that have the status of a rate limit and stay however long one waits."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a provider says is left of one of its limits."""

    limit: float
    """How many there are in all."""

    remaining: float
    """How many are left."""

    reset_s: float
    """Seconds until all of them are there again."""

    @property
    def rate(self) -> float:
        """How many come back in a second; ``inf`` where nothing is to come back."""
        missing = self.limit - self.remaining
        return missing / self.reset_s if missing > 0 and self.reset_s > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider refused a request because there are too many."""

    retry_after_s: float | None
    """Seconds that the provider asks to wait; None where it does not say."""

    lasting: bool
    """Whether waiting does not help: no credit, or a request that is larger than the limit."""


def read_refusal(response: Any) -> Refusal | None:
    """Read a response whose body has been read.

    Args:
        response: An ``httpx`` or ``httpx2`` response.

    Returns:
        None where the response is no refusal. 429 and 529 (overloaded) are; 503 only where it says when to
        come back, since a service that is down is not one that is busy.
    """
    headers: Mapping[str, str] = response.headers
    after = _retry_after_s(headers)
    if not may_refuse(response) or (response.status_code == UNAVAILABLE and after is None):
        return None
    return Refusal(after, headers.get("x-should-retry") == "false" or _is_lasting(response.content))


def may_refuse(response: Any) -> bool:
    """Whether the status alone leaves it open that the response is a refusal."""
    return response.status_code in (TOO_MANY_REQUESTS, UNAVAILABLE, OVERLOADED)


def read_quotas(headers: Mapping[str, str]) -> Mapping[QuotaKind, Quota]:
    """Read what is left from the headers of OpenAI, Anthropic and those who took over either's names.

    Returns:
        The quotas that are told whole: limit, remaining and reset.
    """
    quotas: dict[QuotaKind, Quota] = {}
    for kind, name in _QUOTA_HEADERS:
        limit = _number(headers.get(name.format("limit")))
        remaining = _number(headers.get(name.format("remaining")))
        reset = _until_s(headers.get(name.format("reset")))
        if limit and remaining is not None and reset is not None:
            quotas[kind] = Quota(limit, remaining, reset)
    return quotas


def used_tokens(response: Any) -> int:
    """How many tokens an answer says that it cost; 0 where it does not say.

    Args:
        response: A response that has been read.
    """
    usage = _mapping(_mapping(_parsed(response.content)).get("usage"))
    total = usage.get("total_tokens")
    if isinstance(total, int):
        return total
    parts = (usage.get(name) for name in ("input_tokens", "output_tokens"))
    return sum(part for part in parts if isinstance(part, int))


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _until_s(text: str | None) -> float | None:
    """Seconds of a duration such as ``1m30s``, a number of seconds, or the time until a moment of ISO 8601."""
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    parts = _DURATION.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        return sum(value * _UNITS_S[unit] for number, unit in parts if (value := _number(number)) is not None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _is_lasting(content: bytes) -> bool:
    error = _mapping(_mapping(_parsed(content)).get("error"))
    too_large = str(error.get("message", "")).startswith("Request too large")
    return too_large or not _LASTING.isdisjoint({str(error.get("code")), str(error.get("type"))})


def _parsed(content: bytes) -> object:
    try:
        return from_json(content)
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
