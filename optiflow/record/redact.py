"""Takes secrets out of whatever is about to be recorded.

A value is secret if the name it is under says so (``api_key``, ``token``, ``password``, ``Authorization`` …),
if it is a pydantic ``SecretStr`` or ``SecretBytes``, or if it is a password or a secret parameter in a URL. A
secret that was found once, there or in an environment variable of such a name, is masked wherever its text
turns up again.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

__all__ = ["MASK", "Redactor"]

MASK = "***"
"""What stands in a record where a secret was."""

_SECRET_ANYWHERE = frozenset(
    {
        "secret",
        "secrets",
        "password",
        "passwords",
        "passwd",
        "passphrase",
        "sslpassword",
        "authorization",
        "credential",
        "credentials",
    }
)
_SECRET_AT_THE_END = frozenset({"key", "keys", "token", "tokens", "apikey", "apikeys", "bearer", "cookie"})
_HARMLESS = frozenset({"output_key", "input_key", "state_key", "comparison_key", "sort_key", "cache_key"})
_SHORTEST_TO_SEARCH = 8

# Hydra writes the overrides of a sweep with backslashes before colons.
_URL_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][\w+.-]*\\?://[^\s/:@]*:)[^\s/]+(?=@)")
_URL_PARAMETER = re.compile(r"(?P<head>[?&;](?P<name>[\w.-]+)=)[^&;#\s'\"]+")
_BEARER = re.compile(r"(?P<head>\bbearer\s+)(?=\S*\d)[\w.~+/=-]{8,}", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"(?P<head>[-+~]*(?P<name>[\w./@-]+)=).*", re.DOTALL)


class Redactor:
    """Masks secrets in trees, texts and argument lists.

    Args:
        *trees: Where to look for secrets, e.g. the configuration.
        environ: Environment variables whose secret values are masked too; by default this process's.
    """

    def __init__(self, *trees: object, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        found = {secret for tree in (*trees, dict(environ)) for secret in _secrets(tree)}
        self._found = sorted((s for s in found if len(s) >= _SHORTEST_TO_SEARCH), key=len, reverse=True)

    def tree(self, value: Any) -> Any:
        """A copy of a tree of mappings, sequences, models and dataclasses without its secrets."""
        return _rebuilt(value, self.text, by_name=True)

    def known(self, value: Any) -> Any:
        """A copy of a tree in which secrets found elsewhere are masked, and nothing else is touched."""
        return _rebuilt(value, self._without_found, by_name=False) if self._found else value

    def text(self, text: str) -> str:
        """The text without known secrets, passwords in URLs and bearer tokens."""
        text = self._without_found(text)
        # Nearly every text of a record has none of the signs, which are found sooner than their patterns.
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
        if "=" in text:
            text = _URL_PARAMETER.sub(_masked_if_secret, text)
        return _BEARER.sub(rf"\g<head>{MASK}", text) if "bearer" in text.lower() else text

    def arguments(self, arguments: Iterable[str]) -> list[str]:
        """Command-line arguments or overrides: ``x.api_key=…`` and ``--password …`` lose their values."""
        kept: list[str] = []
        value_is_secret = False
        for argument in arguments:
            assignment = _ASSIGNMENT.fullmatch(argument)
            if value_is_secret and not argument.startswith("-"):
                kept.append(MASK)
            elif assignment:
                kept.append(self.text(_masked_if_secret(assignment)))
            else:
                kept.append(self.text(argument))
            value_is_secret = argument.startswith("--") and "=" not in argument and _is_secret(argument, "")
        return kept

    def _without_found(self, text: str) -> str:
        for secret in self._found:
            text = text.replace(secret, MASK)
        return text


def _rebuilt(value: Any, clean: Callable[[str], str], *, by_name: bool) -> Any:
    def again(inner: Any) -> Any:
        return _rebuilt(inner, clean, by_name=by_name)

    if isinstance(value, str):
        return clean(value)
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if isinstance(value, Mapping):
        return {key: MASK if by_name and _is_secret(str(key), item) else again(item) for key, item in value.items()}
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: again(getattr(value, name)) for name in type(value).model_fields})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{f.name: again(getattr(value, f.name)) for f in dataclasses.fields(value)})
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        items = [again(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word)


def _is_secret(name: str, value: object) -> bool:
    """Whether ``name`` says that ``value`` is secret; a mapping is looked into instead."""
    if value is None or isinstance(value, Mapping | bool):
        return False
    words = _words(name)
    if _SECRET_ANYWHERE.intersection(words):
        return True
    if not words or words[-1] not in _SECRET_AT_THE_END or "_".join(words[-2:]) in _HARMLESS:
        return False
    # A number of tokens is a figure.
    return not (words[-1] == "tokens" and isinstance(value, int | float))


def _masked_if_secret(match: re.Match[str]) -> str:
    name, head = match["name"], match["head"]
    value = match[0][len(head) :]
    number = int(value) if value.isdecimal() else value
    return head + MASK if value and _is_secret(name, number) else match[0]


def _secrets(value: object, name: str = "") -> Iterator[str]:
    """Every text in a tree that is secret by its type or its name."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode("utf-8", "replace")
    elif isinstance(value, BaseModel):
        yield from _secrets({field: getattr(value, field) for field in type(value).model_fields})
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, str(key))
    elif isinstance(value, str):
        if _is_secret(name, value):
            yield value
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        for item in value:
            yield from _secrets(item, name)
