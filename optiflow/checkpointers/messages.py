"""What is said of a checkpointer that can't be opened: one line, where and why, and nothing of its secrets."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from optiflow.errors import ConfigurationError

__all__ = ["unavailable"]

_LONGEST_REASON = 200
_HIDDEN = "***"


def unavailable(kind: str, url: str, reason: object, right: str) -> ConfigurationError:
    """The error for a server that can't be used.

    Args:
        kind: What it is.
        url: Where it is; only host, port and database are shown.
        reason: What its library says.
        right: What would be right.
    """
    said = " ".join(_without_secrets(str(reason), url).split())[:_LONGEST_REASON].rstrip(" .:")
    return ConfigurationError(f"workflow.checkpointer: {kind} at {_place(url)} can't be used: {said}; expected {right}")


def _without_secrets(text: str, url: str) -> str:
    """The text without what is secret in a URL, in whichever way it is written."""
    parts = urlsplit(url)
    given = [parts.password, *(value for name, value in parse_qsl(parts.query) if "pass" in name.lower())]
    secrets = {form for secret in given if secret for form in (secret, unquote(secret))}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def _place(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'the default host'}{port}{parts.path}"
