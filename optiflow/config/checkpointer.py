"""Where LangGraph keeps its checkpoints: ``memory``, ``none``, or a URL; checked before anything is opened.

Nothing that a URL holds is ever quoted in a message: it may be a password.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from optiflow.errors import nearest_name

__all__ = ["CheckpointerAddress", "checked_address"]

_WORDS = ("memory", "none")
_SERVERS = {"postgresql": "postgresql", "postgres": "postgresql", "redis": "redis", "rediss": "redis"}
_EXAMPLES = {
    "sqlite": "sqlite:///runs.db",
    "postgresql": "postgresql://user:password@host:5432/database",
    "redis": "redis://user:password@host:6379/0",
}


def checked_address(address: str) -> str:
    """The address as it was given.

    Raises:
        ValueError: It is no word that is known, and no URL that could be opened.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        if address in _WORDS:
            return address
        # Text without a scheme may be the rest of a URL, password and all.
        shown = f"{address!r}: " if address.isalpha() else ""
        raise ValueError(f"{shown}neither a word nor a URL; {nearest_name(address, (*_WORDS, *_EXAMPLES.values()))}")
    if scheme == "sqlite":
        _check_file(rest)
    elif scheme in _SERVERS:
        _check_server(address, _SERVERS[scheme])
    else:
        raise ValueError(f"unknown scheme {scheme!r}; {nearest_name(scheme, (*_SERVERS, 'sqlite'))}")
    return address


def _check_file(rest: str) -> None:
    if len(rest) < 2 or rest[0] != "/":
        raise ValueError("expected three slashes and a file, sqlite:///runs.db, or four, sqlite:////data/runs.db")


def _check_server(address: str, kind: str) -> None:
    expected = f"expected {_EXAMPLES[kind]}, with whatever is special in the password percent-encoded, as '@' by %40"
    try:
        parts = urlsplit(address)
        ambiguous = parts.netloc.count("@") > 1
        # Reading the port is what checks it.
        _ = parts.port
    except ValueError:
        raise ValueError(f"the host or the port makes no sense; {expected}") from None
    if ambiguous:
        raise ValueError(f"there is more than one '@' before the host; {expected}")
    if kind == "redis":
        _check_redis(parts, expected)


def _check_redis(parts: SplitResult, expected: str) -> None:
    if not parts.hostname:
        raise ValueError(f"there is no host; {expected}")
    database = parts.path.removeprefix("/")
    if database and not database.isdecimal():
        raise ValueError(f"a Redis database is a number; {expected}")


CheckpointerAddress: TypeAlias = Annotated[str, AfterValidator(checked_address)]
"""``memory``; ``none``; or ``sqlite:///FILE``, ``postgresql://…``, ``redis://…`` or ``rediss://…``."""
