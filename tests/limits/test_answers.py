"""What a provider says of its limits."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from optiflow.limits.answers import Quota, Refusal, read_quotas, read_refusal, used_tokens


def refusal(status: int = 429, headers: dict[str, str] | None = None, **error: Any) -> Refusal | None:
    """What a response with this error is read as."""
    return read_refusal(httpx.Response(status, headers=headers, json={"error": error}))


@pytest.mark.parametrize(("status", "refused"), [(429, True), (529, True), (503, False), (500, False), (200, False)])
def test_refusals(status: int, refused: bool) -> None:
    """Too many requests, and overloaded; a service that is down is neither."""
    assert (refusal(status) is not None) is refused


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds or a date; nonsense is no answer."""
    read = refusal(headers=headers)
    assert read is not None
    assert read.retry_after_s == seconds


def test_a_date_to_come_back() -> None:
    """A date of HTTP, which has no fractions."""
    read = refusal(503, {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)})
    assert read is not None
    assert read.retry_after_s is not None
    assert 25 < read.retry_after_s <= 30


@pytest.mark.parametrize(
    ("headers", "error", "lasting"),
    [
        ({}, {"code": "rate_limit_exceeded"}, False),
        ({}, {"code": "insufficient_quota"}, True),
        ({}, {"type": "billing_error"}, True),
        ({}, {"message": "Request too large for m: Limit 30000, Requested 50000."}, True),
        ({"x-should-retry": "false"}, {}, True),
    ],
)
def test_refusals_that_last(headers: dict[str, str], error: dict[str, str], lasting: bool) -> None:
    """What no waiting changes."""
    read = refusal(headers=headers, **error)
    assert read is not None
    assert read.lasting is lasting


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"error": "text"}'])
def test_refusals_without_a_reason(body: bytes) -> None:
    """A body that says nothing is one that does not say that it lasts."""
    assert read_refusal(httpx.Response(429, content=body)) == Refusal(None, lasting=False)


@pytest.mark.parametrize(
    ("reset", "seconds"), [("1s", 1), ("120ms", 0.12), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("1d", 86400), ("7", 7)]
)
def test_quotas_of_openai(reset: str, seconds: float) -> None:
    """Durations in their notation."""
    headers = {"limit": "100", "remaining": "40", "reset": reset}
    read = read_quotas({f"x-ratelimit-{name}-tokens": value for name, value in headers.items()})
    assert read == {"tokens": Quota(100, 40, pytest.approx(seconds))}
    assert read["tokens"].rate == pytest.approx(60 / seconds)


@pytest.mark.parametrize("zone", ["Z", "+00:00", ""])
def test_quotas_of_anthropic(zone: str) -> None:
    """Moments of ISO 8601."""
    moment = (datetime.now(UTC) + timedelta(seconds=30)).replace(tzinfo=None).isoformat(timespec="seconds") + zone
    headers = {"limit": "50", "remaining": "49", "reset": moment}
    read = read_quotas({f"anthropic-ratelimit-requests-{name}": value for name, value in headers.items()})
    assert (read["requests"].limit, read["requests"].remaining) == (50, 49)
    assert 25 < read["requests"].reset_s <= 30


@pytest.mark.parametrize(("missing", "value"), [("limit", ""), ("limit", "0"), ("remaining", "x"), ("reset", "later")])
def test_half_a_quota_is_none(missing: str, value: str) -> None:
    """Something missing or unreadable: nothing is known."""
    headers = {"limit": "100", "remaining": "40", "reset": "1s", missing: value}
    assert read_quotas({f"x-ratelimit-{name}-requests": each for name, each in headers.items()}) == {}


@pytest.mark.parametrize("quota", [Quota(10, 10, 5), Quota(10, 3, 0)])
def test_a_quota_that_needs_no_time(quota: Quota) -> None:
    """Nothing is missing, or all comes back at once."""
    assert quota.rate == math.inf


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, 7),
        ({"input_tokens": 5, "output_tokens": 2}, 7),
        ({}, 0),
        (None, 0),
    ],
)
def test_used_tokens(usage: Any, tokens: int) -> None:
    """As either provider tells it."""
    assert used_tokens(httpx.Response(200, json={"usage": usage})) == tokens
