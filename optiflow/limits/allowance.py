"""When one more request may be sent for what was configured and for what the provider says is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optiflow.limits.answers import Quota, QuotaKind
from optiflow.limits.bucket import Bucket

__all__ = ["Allowance", "Spent"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What had been taken in all when a request was sent."""

    requests: int = 0
    """Requests, with this one."""

    tokens: int = 0
    """Tokens, as estimated, with this one's."""


class Allowance:
    """Paces requests and tokens. Not safe for threads: the caller holds a lock.

    Args:
        requests_per_minute: The most requests within a minute; None: any.
        tokens_per_minute: The most tokens, about, within a minute; None: any.
        patience_s: What the provider says is left holds nobody longer: it may say so itself.
        now: The time.
    """

    def __init__(
        self, requests_per_minute: int | None, tokens_per_minute: int | None, patience_s: float, now: float
    ) -> None:
        self._own_requests = Bucket.per_minute(requests_per_minute, now) if requests_per_minute else None
        self._own_tokens = Bucket.per_minute(tokens_per_minute, now) if tokens_per_minute else None
        self._left: dict[QuotaKind, Bucket] = {}
        self._patience_s = patience_s
        self._spent = Spent()
        self._told = 0

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens an answer used."""
        return self._own_tokens is not None

    def own_wait_s(self, tokens: int, now: float) -> float:
        """Seconds until a request of so many tokens may be sent as configured."""
        return self._wait_s(self._own_requests, self._own_tokens, tokens, now)

    def left_wait_s(self, tokens: int, now: float) -> float:
        """Seconds until the provider has enough left for it; 0 where that is longer than anybody has patience."""
        wait_s = self._wait_s(self._left.get("requests"), self._left.get("tokens"), tokens, now)
        return wait_s if wait_s <= self._patience_s else 0.0

    def take(self, tokens: int, now: float) -> Spent:
        """Send a request of so many tokens."""
        for requests, counted in self._pairs():
            if requests is not None:
                requests.take(1, now)
            if counted is not None:
                counted.take(tokens, now)
        self._spent = Spent(self._spent.requests + 1, self._spent.tokens + tokens)
        return self._spent

    def used(self, tokens: int, estimated: int, now: float) -> None:
        """Correct an estimate by what an answer used."""
        if self._own_tokens is not None:
            self._own_tokens.take(tokens - estimated, now)

    def told(self, quotas: Mapping[QuotaKind, Quota], spent: Spent, sent_at: float, now: float) -> bool:
        """Learn what the provider had left when it took or refused a request.

        Args:
            quotas: What it said.
            spent: What had been taken when that request was sent.
            sent_at: When it was sent.
            now: The time.

        Returns:
            Whether it had nothing left.
        """
        if spent.requests > self._told:
            self._told = spent.requests
            since: dict[QuotaKind, int] = {
                "requests": self._spent.requests - spent.requests,
                "tokens": self._spent.tokens - spent.tokens,
            }
            self._left = {
                kind: Bucket(
                    quota.rate,
                    quota.limit,
                    now,
                    min(quota.limit, quota.remaining + quota.rate * (now - sent_at)) - since[kind],
                )
                for kind, quota in quotas.items()
                if quota.rate < math.inf
            }
        return any(quota.remaining < 1 for quota in quotas.values())

    def _pairs(self) -> tuple[tuple[Bucket | None, Bucket | None], ...]:
        return (self._own_requests, self._own_tokens), (self._left.get("requests"), self._left.get("tokens"))

    @staticmethod
    def _wait_s(requests: Bucket | None, counted: Bucket | None, tokens: int, now: float) -> float:
        return max(
            0.0 if requests is None else requests.wait_s(1, now),
            0.0 if counted is None else counted.wait_s(tokens, now),
        )
