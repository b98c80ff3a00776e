"""Which HTTP requests are calls of a model, and what matters about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

__all__ = ["GateKey", "ModelRequest", "read_model_request"]

_PROMPTS = ("messages", "input", "prompt")
"""Keys of a body that hold what a model is asked; ``model`` alone may stand in any JSON."""

_ACCOUNT_HEADERS = ("authorization", "x-api-key", "api-key", "openai-organization", "openai-project")

_MOST_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

_STATEFUL = (
    "stream",
    "store",
    "background",
    "conversation",
    "previous_response_id",
    "container",
    "mcp_servers",
    "web_search_options",
)
"""Keys of a body under which the provider does more than answer once, or something that can't be done twice."""

_CHARACTERS_A_TOKEN = 4
"""English text has about four characters a token; pacing needs no better estimate, and answers correct it."""


class GateKey(NamedTuple):
    """What a provider counts together: it has a limit for each account and model."""

    host: str
    """Host and port of the address."""

    model: str
    """The model's name, as the request says it."""

    account: bytes
    """Digest of whatever identifies the account; the keys themselves are not kept."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model."""

    key: GateKey
    """Whose limit it counts against."""

    tokens: int
    """About how many tokens it counts for: its body's, and the most that its answer may have."""

    is_retry: bool
    """Whether the provider's own client repeats a request."""

    repeatable: bool
    """Whether asking twice is the same as asking once: one answer at a time, nothing kept or done by the provider."""


def read_model_request(request: Any) -> ModelRequest | None:
    """Read an ``httpx`` or ``httpx2`` request.

    Args:
        request: The request; it is not changed.

    Returns:
        None for anything but a POST of JSON that names a model and asks it something.
    """
    if request.method != "POST" or "json" not in request.headers.get("content-type", ""):
        return None
    try:
        content: bytes = request.content
    except RuntimeError:  # httpx's RequestNotRead: a body that is made while it is sent can't be sent again
        return None
    body = _json_object(content)
    model = body.get("model")
    if not isinstance(model, str) or not any(name in body for name in _PROMPTS):
        return None
    headers: Mapping[str, str] = request.headers
    most = next((body[name] for name in _MOST_TOKENS if isinstance(body.get(name), int)), 0)
    return ModelRequest(
        GateKey(request.url.netloc.decode("ascii"), model, _account(headers)),
        len(content) // _CHARACTERS_A_TOKEN + most,
        headers.get("x-stainless-retry-count", "0") not in ("0", ""),
        _repeatable(request.url.path, body, headers),
    )


def _json_object(content: bytes) -> Mapping[str, Any]:
    from pydantic_core import from_json

    try:
        body = from_json(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _account(headers: Mapping[str, str]) -> bytes:
    digest = blake2b(digest_size=16)
    for name in _ACCOUNT_HEADERS:
        digest.update(f"{headers.get(name, '')}\n".encode())
    return digest.digest()


def _repeatable(path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    # A provider that knows the key of a request answers its double with an error, or with the same answer later.
    if "idempotency-key" in headers or any(body.get(name) for name in _STATEFUL):
        return False
    # OpenAI's Responses keep what they answer unless told not to.
    if path.endswith("/responses") and body.get("store") is not False:
        return False
    tools = body.get("tools") or ()
    return isinstance(tools, list | tuple) and all(_run_by_the_caller(tool) for tool in tools)


def _run_by_the_caller(tool: object) -> bool:
    return isinstance(tool, Mapping) and tool.get("type") in (None, "function", "custom")
