"""What a gate holds to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LimitSettings"]


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """The settings of a gate; the toggle's options say what each means."""

    initial_concurrency: int
    max_concurrency: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    max_wait_s: float
    hedge: bool
    hedge_budget: float
