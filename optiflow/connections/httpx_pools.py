"""Pools of httpx and httpx2 that lend what they leave idle.

The libraries have no public seam for this: the few private names that are used are checked first (`unsupported`).
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from optiflow.connections.idle import IDLE, Key, finish
from optiflow.connections.tls import tls_context, tls_key
from optiflow.connections.usage import Usage, current_usage

__all__ = ["LIBRARIES", "lending_transport", "unsupported"]

LIBRARIES = {"httpx": "httpcore", "httpx2": "httpcore2"}
"""Each library, and the one that holds its connections."""

_SHAPING = ("http1", "http2", "uds", "local_address", "retries")
"""Parameters of a transport that shape its connections as they are; the others are looked at one by one."""

_KNOWN = frozenset({"self", "verify", "cert", "trust_env", "limits", "proxy", "socket_options", *_SHAPING})

_BOUND_SCHEMES = frozenset({b"ntlm", b"negotiate", b"kerberos"})
"""HTTP authentication that is valid for a connection, not for a request (RFC 4559, section 6)."""


@cache
def unsupported(library: ModuleType) -> str | None:
    """Why the installed version can't share connections; None where it can.

    Args:
        library: ``httpx`` or ``httpx2``.
    """
    core = sys.modules.get(LIBRARIES[library.__name__]) or __import__(LIBRARIES[library.__name__])
    try:
        for pool_class in (core.ConnectionPool, core.AsyncConnectionPool):
            pool = pool_class()
            if not (pool._connections == pool._requests == pool._assign_requests_to_connections() == []):
                return f"the pools of {core.__name__} {core.__version__} are not of the kind that is known"
            with pool._optional_thread_lock:
                connection = pool.create_connection(core.URL("https://localhost").origin)
            if connection.is_idle() or not callable(connection.has_expired) or not callable(connection.is_available):
                return f"the connections of {core.__name__} {core.__version__} are not of the kind that is known"
        missing = {"verify", "cert", "trust_env", "limits", "proxy", "http1", "http2"}
        for transport in (library.HTTPTransport, library.AsyncHTTPTransport):
            if not missing <= inspect.signature(transport.__init__).parameters.keys():
                return f"the transports of {library.__name__} {library.__version__} are not of the kind that is known"
    except (AttributeError, TypeError) as error:
        return f"{library.__name__} {library.__version__} lacks what sharing needs: {error}"
    return None


def lending_transport(library: ModuleType, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """How to wrap the ``__init__`` of a transport, so that those made during a run lend and borrow.

    Args:
        library: ``httpx`` or ``httpx2``.
        name: ``HTTPTransport`` or ``AsyncHTTPTransport``; a subclass keeps its connections to itself.
    """
    cls = getattr(library, name)
    core = sys.modules[LIBRARIES[library.__name__]]
    plain_pool = core.AsyncConnectionPool if name.startswith("Async") else core.ConnectionPool
    lending = (_lending_async if name.startswith("Async") else _lending)(plain_pool)

    def wrap(plain: Callable[..., None]) -> Callable[..., None]:
        signature = _signature(plain)

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            given = None
            if current_usage() is not None and type(self) is cls:
                given = _bound(signature, self, args, kwargs)
            shape = None if given is None else _shape(library, given, signature)
            if given is None or shape is None:
                plain(self, *args, **kwargs)
                return
            verify, trust_env = given["verify"], given["trust_env"]
            given["verify"] = tls_context(library, shape[0], verify=verify, trust_env=trust_env)
            plain(**given)
            pool: Any = getattr(self, "_pool", None)
            if type(pool) is plain_pool:
                pool.__class__ = lending
                pool.lent_shape = shape

        return init

    return wrap


@cache
def _signature(function: Callable[..., None]) -> inspect.Signature:
    return inspect.signature(function)


def _bound(
    signature: inspect.Signature, self: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    try:
        bound = signature.bind(self, *args, **kwargs)
    except TypeError:
        return None  # the library itself says what is wrong
    bound.apply_defaults()
    return dict(bound.arguments)


def _shape(library: ModuleType, given: Mapping[str, Any], signature: inspect.Signature) -> tuple[Hashable, ...] | None:
    """What shapes the connections of a transport, the TLS settings first; None where it keeps them to itself."""
    options = given.get("socket_options")
    if (
        not isinstance(given["verify"], bool)
        or given["cert"] is not None
        or given["proxy"] is not None
        or not isinstance(options, list | tuple | None)
        or any(given[name] != signature.parameters[name].default for name in given.keys() - _KNOWN)
    ):
        return None
    wishes = {name: given[name] for name in ("verify", "trust_env", "http1", "http2")}
    shape = (
        tls_key(library, **wishes),
        tuple(map(tuple, options)) if options is not None else None,
        given["limits"].keepalive_expiry,
        *(given.get(name) for name in _SHAPING),
    )
    try:
        hash(shape)
    except TypeError:
        return None
    return shape


class _Lending:
    """What both kinds of pools have in common; a part of the classes that are made below."""

    lent_shape: Hashable
    """What shapes the connections of this pool."""

    is_private = False
    """Whether a request has tied a connection to its client, so that all are kept from now on."""

    is_shut = False
    """Whether the client was closed, and not used again since."""

    _connections: list[Any]
    _requests: list[Any]

    @staticmethod
    def is_usable(connection: Any) -> bool:
        return connection.is_available() and not connection.has_expired()

    def look_at(self, request: Any) -> None:
        """Keep the connections to the client once a request makes them special."""
        self.is_shut = False
        if "sni_hostname" in request.extensions or _is_bound(request.headers):
            self.is_private = True

    def key_for(self, origin: Any, loop: asyncio.AbstractEventLoop | None) -> tuple[Usage | None, Key]:
        """The run that shares, None where nothing is shared, and the key for an origin."""
        usage = None if self.is_private else current_usage()
        return usage, Key(loop, (origin.scheme, origin.host, origin.port, self.lent_shape))

    def connection_for(self, origin: Any, loop: asyncio.AbstractEventLoop | None, create: Callable[..., Any]) -> Any:
        """A connection that another client left idle, or a new one."""
        usage, key = self.key_for(origin, loop)
        if usage is None:
            return create(origin)
        usage.pools.add((id(loop), key.shape))
        connection, foreign = IDLE.borrow(key, self, usage.keep_alive_s)  # type: ignore[arg-type]
        if foreign:
            usage.count_handshake()
        if connection is None:
            connection = create(origin)
            connection.lent_key = key
        return connection

    def lend_idle(self) -> None:
        """Leave what is idle, and not spoken for, to whoever needs it."""
        if self.is_private or current_usage() is None:
            return
        reserved = {id(request.connection) for request in self._requests}
        for connection in list(self._connections):
            key = getattr(connection, "lent_key", None)
            if key is None or id(connection) in reserved or not connection.is_idle() or connection.is_closed():
                continue
            if IDLE.lend(key, connection, self):  # type: ignore[arg-type]
                self._connections.remove(connection)


def _is_bound(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() in (b"authorization", b"proxy-authorization") and value.split(b" ")[0].lower() in _BOUND_SCHEMES
        for name, value in headers
    )


@cache
def _lending(plain: Any) -> Any:
    """The class of synchronous pools that lend."""

    class LendingPool(_Lending, plain):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            self.look_at(request)
            return super().handle_request(request)

        def create_connection(self, origin: Any) -> Any:
            return self.connection_for(origin, None, super().create_connection)

        def _assign_requests_to_connections(self) -> Any:
            closing = super()._assign_requests_to_connections()
            self.lend_idle()
            return closing

        def close(self) -> None:
            self.is_shut = True
            super().close()

        def take_back(self, connection: Any) -> bool:
            with self._optional_thread_lock:
                if not self.is_shut:
                    self._connections.append(connection)
                return not self.is_shut

        @staticmethod
        def close_idle(connection: Any) -> None:
            connection.close()

    return _named_as(plain, LendingPool)


@cache
def _lending_async(plain: Any) -> Any:
    """The class of asynchronous pools that lend, each connection within its event loop."""

    class LendingPool(_Lending, plain):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            self.look_at(request)
            return await super().handle_async_request(request)

        def create_connection(self, origin: Any) -> Any:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # trio's
                return super().create_connection(origin)
            return self.connection_for(origin, loop, super().create_connection)

        def _assign_requests_to_connections(self) -> Any:
            closing = super()._assign_requests_to_connections()
            self.lend_idle()
            return closing

        async def aclose(self) -> None:
            self.is_shut = True
            await super().aclose()

        def take_back(self, connection: Any) -> bool:
            if not self.is_shut:
                self._connections.append(connection)
            return not self.is_shut

        @staticmethod
        def close_idle(connection: Any) -> None:
            finish(connection.aclose())

    return _named_as(plain, LendingPool)


def _named_as(plain: Any, lending: Any) -> Any:
    lending.__name__, lending.__qualname__, lending.__module__ = plain.__name__, plain.__qualname__, plain.__module__
    return lending
