"""Which HTTP requests are calls of a model."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest

from optiflow.limits.model_request import ModelRequest, read_model_request

CHAT = "https://api.example/v1/chat/completions"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "x" * 100}]}


def read(url: str = CHAT, headers: dict[str, str] | None = None, **body: Any) -> ModelRequest:
    """Read a request that is a call of a model."""
    request = read_model_request(httpx2.Request("POST", url, json={**ASKED, **body}, headers=headers))
    assert request is not None
    return request


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("prompt", ["messages", "input", "prompt"])
def test_calls_of_models(library: Any, prompt: str) -> None:
    """A POST that names a model and asks it something, through either library."""
    call = read_model_request(library.Request("POST", CHAT, json={"model": "m", prompt: "hello"}))
    assert call is not None
    assert (call.key.host, call.key.model) == ("api.example", "m")


@pytest.mark.parametrize(
    "request_",
    [
        httpx.Request("GET", CHAT),
        httpx.Request("POST", CHAT),
        httpx.Request("POST", CHAT, json={"model": "Tesla"}),
        httpx.Request("POST", CHAT, json={"messages": []}),
        httpx.Request("POST", CHAT, json={"model": 3, "input": 1}),
        httpx.Request("POST", CHAT, json=[{"model": "m", "input": "x"}]),
        httpx.Request("POST", CHAT, content=b"{", headers={"content-type": "application/json"}),
        httpx.Request("POST", CHAT, content=iter([b"{}"]), headers={"content-type": "application/json"}),
        httpx.Request("POST", CHAT, data={"model": "m", "prompt": "x"}),
    ],
    ids=["get", "no body", "a car", "no model", "number", "list", "broken", "made while sent", "form"],
)
def test_what_is_none(request_: httpx.Request) -> None:
    """Everything else is left alone."""
    assert read_model_request(request_) is None


def test_limits_are_an_accounts_with_a_model() -> None:
    """Another key, organization, model or host is another limit; the key itself is kept nowhere."""
    headers = [{}, *({name: "secret"} for name in ("authorization", "x-api-key", "api-key", "openai-project"))]
    keys = {read(headers=each).key for each in headers}
    keys |= {read(model="n").key, read("https://other.example/v1/messages").key}
    assert len(keys) == 7
    assert read(headers=headers[1]).key == read(headers=headers[1], temperature=1).key
    assert "secret" not in repr(keys)


def test_tokens_are_estimated() -> None:
    """About a quarter of the characters, and as many as the answer may have."""
    plain = read().tokens
    assert 25 < plain < 60
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        assert read(**{name: 500}).tokens - plain in range(500, 520)


@pytest.mark.parametrize(("count", "is_retry"), [("0", False), ("2", True)])
def test_retries_of_the_client(count: str, is_retry: bool) -> None:
    """The providers' clients number their attempts."""
    assert read(headers={"x-stainless-retry-count": count}).is_retry is is_retry


@pytest.mark.parametrize(
    ("about", "repeatable"),
    [
        ({}, True),
        ({"tools": [{"type": "function", "function": {}}, {"name": "anthropic"}]}, True),
        ({"url": "https://api.example/v1/responses", "store": False}, True),
        ({"url": "https://api.example/v1/responses"}, False),
        ({"stream": True}, False),
        ({"store": True}, False),
        ({"background": True}, False),
        ({"tools": [{"type": "web_search"}]}, False),
        ({"tools": "all"}, False),
        ({"mcp_servers": [{}]}, False),
        ({"headers": {"Idempotency-Key": "1"}}, False),
    ],
)
def test_what_may_be_asked_twice(about: dict[str, Any], repeatable: bool) -> None:
    """Only what the provider answers once and then forgets."""
    assert read(**about).repeatable is repeatable
