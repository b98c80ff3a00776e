"""When two requests are the same: the same class with the same settings and account, asked the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, SecretBytes, SecretStr

from optiflow.caching.encoding import UncacheableError, canonical, class_path
from optiflow.caching.message_ids import InputIds

__all__ = ["request_key"]

_OBSERVING = frozenset(
    {"cache", "callbacks", "custom_get_token_ids", "name", "profile", "rate_limiter", "tags", "verbose"}
)
"""Fields of every model that change nothing about its answers."""

_INCIDENTAL = frozenset({"_base_url", "_platform", "_version", "timeout", "_timeout"})
"""Attributes of a client that are said elsewhere, or change with its first request."""

_NETWORK = frozenset({"httpx", "httpx2", "requests", "aiohttp"})
"""Libraries whose clients lead anywhere, and carry anybody's credentials."""

_PLAIN = (str, int, float, bool)

_GENERATED = ("run-", "lc_run-", "chatcmpl-")
"""How ids begin that no provider is sent again."""


def request_key(
    model: BaseChatModel,
    form: str,
    messages: Sequence[BaseMessage],
    stop: Sequence[str] | None,
    request: Mapping[str, Any],
    *,
    lasting: bool,
) -> str:
    """A digest that is equal for equal requests.

    Args:
        model: Who is asked.
        form: In which form the answer is wanted.
        messages: What is asked.
        stop: Stop words.
        request: All further arguments, such as tools.
        lasting: Whether the key has to mean the same in other processes; else objects that a model holds, such as
            a client of the network, count as themselves.

    Raises:
        UncacheableError: Some part can't be compared.
    """
    describe = _Describer(lasting=lasting)
    parts = (
        class_path(type(model)),
        form,
        describe.model(model),
        list(messages),
        None if stop is None else list(stop),
        {name: describe.argument(value) for name, value in request.items()},
    )
    return blake2b(canonical(parts, _NoGeneratedIds()), digest_size=20).hexdigest()


class _NoGeneratedIds(InputIds):
    """Ids that were given to messages on this side of the network count for nothing."""

    def note(self, message_id: str) -> Any:
        is_generated = message_id.startswith(_GENERATED) or (len(message_id) == 36 and message_id.count("-") == 4)
        return None if is_generated else message_id


class _Describer:
    """Stands values that have a canonical form for those that have none."""

    def __init__(self, *, lasting: bool) -> None:
        self._lasting = lasting
        self._clients: dict[int, bytes] = {}

    def model(self, model: BaseChatModel) -> dict[str, Any]:
        fields = type(model).model_fields
        described = {}
        # Copied, since another thread may be making the model remember something right now.
        for name, value in dict(vars(model)).items():
            if value is not None and name in fields and name not in _OBSERVING:
                described[name] = self._held(value, derived=bool(fields[name].exclude))
        for more in (model.__pydantic_extra__, model.__pydantic_private__):
            for name, value in (more or {}).items():
                described[f"+{name}"] = self._held(value, derived=more is model.__pydantic_private__)
        return described

    def argument(self, value: Any) -> Any:
        """What a request is given: what has no canonical form may change while it is under way, so it is refused."""
        if isinstance(value, type) and issubclass(value, BaseModel):
            return ["schema", class_path(value), value.model_json_schema(), None if self._lasting else id(value)]
        if type(value) is dict:
            return {name: self.argument(each) for name, each in value.items()}
        if type(value) in (list, tuple):
            return [type(value).__name__, *map(self.argument, value)]
        return value

    def _held(self, value: Any, *, derived: bool) -> Any:
        """What a model holds.

        Args:
            value: A field's value.
            derived: Whether the class declares that the field says nothing that others do not say too.
        """
        if type(value) in _PLAIN:
            return value
        if isinstance(value, SecretStr | SecretBytes):
            return ["secret", _digest(value.get_secret_value())]
        if type(value) is dict:
            return {name: self._held(each, derived=derived) for name, each in value.items()}
        client = _client(value)
        if client is not None:
            if id(client) not in self._clients:
                account = {name: self._held(each, derived=derived) for name, each in _account(client).items()}
                self._clients[id(client)] = canonical(account)
            return ["client", self._clients[id(client)]]
        try:
            canonical(value)
        except UncacheableError:
            if not self._lasting:
                return ["object", class_path(type(value)), id(value)]
            if derived and _library(value) not in _NETWORK:
                return ["object", class_path(type(value))]
            raise
        return value


def _digest(secret: str | bytes) -> bytes:
    return blake2b(secret.encode() if isinstance(secret, str) else secret, digest_size=20).digest()


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _client(value: Any) -> Any | None:
    """The client that a value is, or is a part of, if it is like those of OpenAI and Anthropic, which are generated."""
    for client in (value, getattr(value, "_client", None)):
        if hasattr(client, "base_url") and hasattr(client, "_custom_headers") and hasattr(client, "_custom_query"):
            return client
    return None


def _account(client: Any) -> dict[str, Any]:
    """What distinguishes a client: address, credentials, headers, and a network client of somebody's own.

    Models make a client for each instance, equal for equal settings, so that to compare the objects would keep equal
    models apart.
    """
    library = _library(client)
    inner = {library, f"langchain_{library}"}
    described: dict[str, Any] = {"url": str(client.base_url)}
    for name, held in dict(vars(client)).items():
        is_inner = isinstance(held, type) or _library(held) in inner
        if held is not None and not is_inner and name not in _INCIDENTAL:
            described[name] = SecretStr(held) if isinstance(held, str) else held
    return described
