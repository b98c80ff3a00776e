"""Connections that one client leaves idle serve the next, and nothing else changes hands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from typing import Any

import httpx
import httpx2
import pytest
import requests

from optiflow.connections import share_connections
from optiflow.connections.httpx_pools import LIBRARIES
from optiflow.connections.idle import IDLE
from optiflow.connections.sharing import LENDING, libraries, unsupported

BOTH = pytest.mark.parametrize("library", [httpx, httpx2])


def get(library: Any, url: str, **options: Any) -> Any:
    """One call through a client made for it."""
    if library is requests:
        return requests.get(url, timeout=10, **options)
    with library.Client(**options) as client:
        return client.get(url)


async def aget(library: Any, url: str, **options: Any) -> Any:
    """The same, asynchronously."""
    async with library.AsyncClient(**options) as client:
        return await client.get(url)


def connections(server: Any) -> list[int]:
    """Which connection each request came on."""
    return [asked.connection for asked in server.requests]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    """After each test nothing waits, no run is open and the libraries are as they were."""
    plain = [httpx.HTTPTransport.__init__, httpx2.AsyncHTTPTransport.__init__, requests.Session.__init__]
    yield
    assert (IDLE._runs, IDLE._waiting) == (0, {})
    assert plain == [httpx.HTTPTransport.__init__, httpx2.AsyncHTTPTransport.__init__, requests.Session.__init__]


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_clients_built_for_one_call_share_a_handshake(server: Any, library: Any) -> None:
    """Ten clients, one connection; the figures say so."""
    with share_connections(4.0) as usage:
        assert [get(library, server.url).status_code for _ in range(10)] == [200] * 10
    assert (server.connections, usage.clients_built, usage.handshakes_saved, len(usage.pools)) == (1, 10, 9, 1)


@BOTH
async def test_so_do_asynchronous_ones(server: Any, library: Any) -> None:
    """The same within an event loop."""
    with share_connections(4.0) as usage:
        for _ in range(10):
            await aget(library, server.url)
    assert (server.connections, usage.clients_built, usage.handshakes_saved, len(usage.pools)) == (1, 10, 9, 1)


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_outside_of_runs_nothing_is_shared(server: Any, library: Any) -> None:
    """Before and after a run, and in a thread that is none of the run's, each call connects."""
    get(library, server.url)
    with share_connections(4.0) as usage, ThreadPoolExecutor(1) as pool:
        pool.submit(get, library, server.url).result()
    get(library, server.url)
    assert (server.connections, usage.clients_built, usage.handshakes_saved) == (3, 0, 0)


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_a_client_of_the_run_is_itself_again_after_it(server: Any, library: Any) -> None:
    """It gets back what it had left idle, and keeps it as ever."""
    with share_connections(4.0):
        client = requests.Session() if library is requests else library.Client()
        client.get(server.url)
        client.get(server.url)
        assert len(IDLE._waiting) == 1
    with closing(client):
        client.get(server.url)
        get(library, server.url)
    assert connections(server) == [0, 0, 0, 1]


@BOTH
async def test_so_is_an_asynchronous_one(server: Any, library: Any) -> None:
    """The same within an event loop."""
    with share_connections(4.0):
        client = library.AsyncClient()
        await client.get(server.url)
        assert len(IDLE._waiting) == 1
    await client.get(server.url)
    await client.aclose()
    assert connections(server) == [0, 0]


@BOTH
def test_a_closed_client_stays_closed_and_harms_nobody(server: Any, library: Any) -> None:
    """It raises as usual; what it left idle still serves others."""
    with share_connections(4.0):
        client, other = library.Client(), library.Client()
        client.get(server.url)
        client.close()
        other.get(server.url)
        with pytest.raises(RuntimeError, match="closed"):
            client.get(server.url)
        with pytest.raises(RuntimeError):
            client.__enter__()
        other.get(server.url)
        other.close()
    assert connections(server) == [0, 0, 0]


@BOTH
def test_closing_ends_what_is_under_way(server: Any, library: Any) -> None:
    """A stream that is open when its client closes is not passed on."""
    with share_connections(4.0):
        client = library.Client()
        request = client.build_request("GET", server.url)
        client.send(request, stream=True)
        client.close()
        get(library, server.url)
    assert connections(server) == [0, 1]


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_a_client_that_does_not_verify_shares_with_none_that_does(server: Any, untrusted: Any, library: Any) -> None:
    """In either order; and what is not trusted is refused although a connection to it is there."""
    broken: Any = requests.exceptions.SSLError if library is requests else library.ConnectError
    with pytest.MonkeyPatch.context() as patch, share_connections(4.0) as usage:
        patch.delenv("SSL_CERT_FILE")
        patch.delenv("REQUESTS_CA_BUNDLE")
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # requests warns of every unverified request
        get(library, untrusted.url, verify=False)
        with pytest.raises(broken, match=r"(?i)certificate"):
            get(library, untrusted.url)
    with share_connections(4.0), pytest.MonkeyPatch.context() as patch:
        get(library, server.url)
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        get(library, server.url, verify=False)
    assert usage.handshakes_saved == 0
    assert connections(server) == [0, 1]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_settings_that_shape_a_connection_keep_clients_apart(server: Any, library: Any, certificates: Any) -> None:
    """Every such setting, and every own transport or context, has connections of its own."""
    own = ssl.create_default_context(cafile=certificates.authority)
    with share_connections(4.0) as usage:
        for options in (
            {},
            {"trust_env": True, "verify": own},
            {"limits": library.Limits(keepalive_expiry=3)},
            {"transport": library.HTTPTransport(retries=1)},
            {"transport": library.HTTPTransport(local_address="127.0.0.1")},
            {"transport": library.HTTPTransport(socket_options=[(6, 1, 1)])},
            {"transport": library.HTTPTransport(socket_options=iter([(6, 1, 1)]))},
            {"transport": library.HTTPTransport(socket_options=[(6, 1, bytearray(b"\1\0\0\0"))])},
            {"transport": type("Own", (library.HTTPTransport,), {})()},
        ):
            get(library, server.url, **options)
    assert (server.connections, usage.handshakes_saved) == (9, 0)


@BOTH
def test_what_is_wrong_is_said_by_the_library(library: Any) -> None:
    """Wrong arguments give the library's own error."""
    with share_connections(4.0), pytest.raises(TypeError, match="wrong"):
        library.HTTPTransport(wrong=1)


def test_client_certificates_are_never_shared(server: Any, certificates: Any) -> None:
    """A client with a certificate of its own gets a connection of its own; in requests two of one certificate share."""
    pem = str(certificates.server)
    with share_connections(4.0), pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # `cert=` is deprecated in httpx
        for library in (httpx, httpx2):
            for options in ({}, {"cert": pem}, {"cert": pem}):
                get(library, server.url, **options)
        for options in ({}, {"cert": pem}, {"cert": (pem, pem)}, {"cert": pem}):
            get(requests, server.url, **options)
    assert connections(server) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 7]


@BOTH
def test_another_environment_is_another_authority(server: Any, certificates: Any, library: Any) -> None:
    """TLS settings are those of the environment when the client is made."""
    with share_connections(4.0), pytest.MonkeyPatch.context() as patch:
        get(library, server.url)
        patch.delenv("SSL_CERT_FILE")
        with pytest.raises(library.ConnectError, match=r"(?i)certificate"):
            get(library, server.url)
        patch.setenv("SSL_CERT_FILE", str(certificates.bundle))
        get(library, server.url)
        patch.setenv("SSL_CERT_FILE", "/no/such/file")
        with pytest.raises(FileNotFoundError):
            get(library, server.url)
    assert connections(server) == [0, 1]


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_cookies_auth_and_headers_stay_with_their_client(server: Any, library: Any) -> None:
    """Two users on one connection: none sees what is the other's."""
    made = requests.Session if library is requests else library.Client
    with share_connections(4.0), made() as one, made() as two:
        one.headers["x-user"] = "one"
        one.auth = ("one", "secret")
        one.get(server.url + "/cookie")
        one.get(server.url)
        two.get(server.url)
    assert connections(server) == [0, 0, 0]
    first, second = (asked.headers for asked in server.requests[1:])
    assert (first["cookie"], first["x-user"], first["authorization"][:5]) == ("user=one", "one", "Basic")
    assert not {"cookie", "x-user", "authorization"} & second.keys()


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_a_connection_that_itself_is_authenticated_is_kept(server: Any, library: Any, header: str) -> None:
    """NTLM and Negotiate identify whoever uses the connection: no other client may."""
    made = requests.Session if library is requests else library.Client
    with share_connections(4.0), made() as client:
        client.get(server.url, headers={header: b"Negotiate abc" if library is requests else "NTLM abc"})
        client.get(server.url)
        get(library, server.url)
        client.get(server.url)
    assert connections(server) == [0, 0, 1, 0]


@BOTH
def test_a_connection_verified_for_another_name_is_kept(server: Any, library: Any) -> None:
    """``sni_hostname`` changes whose certificate was checked."""
    with share_connections(4.0), library.Client() as client:
        client.get(server.url.replace("localhost", "127.0.0.1"), extensions={"sni_hostname": "localhost"})
        get(library, server.url.replace("localhost", "127.0.0.1"))
    assert connections(server) == [0, 1]


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_redirects_and_connection_close_are_as_usual(server: Any, library: Any) -> None:
    """A redirect goes on over the same connection; one that the server closes is used no more."""
    follow = {} if library is requests else {"follow_redirects": True}
    with share_connections(4.0) as usage:
        assert get(library, server.url + "/redirect", **follow).json()["connection"] == 0
        get(library, server.url + "/close")
        get(library, server.url)
    assert connections(server) == [0, 0, 0, 1]
    assert usage.handshakes_saved == 1


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_a_connection_that_waited_too_long_is_closed(server: Any, library: Any) -> None:
    """What is older than the limit is not used."""
    with share_connections(1e-9) as usage:
        get(library, server.url)
        get(library, server.url)
    assert (connections(server), usage.handshakes_saved) == ([0, 1], 0)


@pytest.mark.parametrize("library", [httpx, httpx2, requests])
def test_a_connection_that_the_server_closed_is_not_used(server: Any, library: Any) -> None:
    """The next client connects anew."""
    with share_connections(60.0):
        get(library, server.url)
        with server.lock:
            (connection,) = server.open
            connection.shutdown(2)
        get(library, server.url)
    assert connections(server) == [0, 1]


@BOTH
async def test_an_asynchronous_one_neither(server: Any, library: Any) -> None:
    """It is closed within its event loop."""
    with share_connections(1e-9):
        await aget(library, server.url)
        await aget(library, server.url)
    assert connections(server) == [0, 1]


@BOTH
def test_limits_are_each_clients_own(server: Any, library: Any) -> None:
    """A client of one connection waits for that; ten such clients have ten."""
    limits = library.Limits(max_connections=1)
    with share_connections(4.0), ThreadPoolExecutor(10) as pool:
        clients = [library.Client(limits=limits) for _ in range(9)]
        waiting = [pool.submit(copy_context().run, c.get, server.url + "/wait") for c in clients]
        while len(server.requests) < 9:
            pass
        with pytest.raises(library.PoolTimeout):
            clients[0].get(server.url, timeout=library.Timeout(5, pool=0.01))
        server.proceed.set()
        assert all(each.result().status_code == 200 for each in waiting)
        for client in clients:
            client.close()
    assert server.connections == 9


@BOTH
def test_without_keeping_alive_nothing_is_lent(server: Any, library: Any) -> None:
    """A client that keeps no connection leaves none."""
    with share_connections(4.0):
        for _ in range(2):
            get(library, server.url, limits=library.Limits(max_keepalive_connections=0))
    assert server.connections == 2


def test_blocking_and_special_adapters_of_requests_keep_theirs(server: Any) -> None:
    """An adapter that is shaped otherwise than by data is left alone."""

    class Own(requests.adapters.HTTPAdapter):
        pass

    with share_connections(4.0) as usage:
        for adapter in (Own(), requests.adapters.HTTPAdapter(pool_block=True)):
            with requests.Session() as session:
                session.mount("https://", adapter)
                session.get(server.url)
        for _ in range(2):
            with requests.Session() as session:
                adapter = requests.adapters.HTTPAdapter()
                session.mount("https://", adapter)
                adapter.poolmanager.connection_pool_kw["ssl_context"] = ssl.create_default_context()
                session.get(server.url)
    assert (server.connections, usage.handshakes_saved) == (4, 0)


def test_a_session_that_is_busy_takes_nothing_back(server: Any) -> None:
    """A connection whose place is taken is closed at the end."""
    with share_connections(4.0):
        session = requests.Session()
        session.get(server.url)
        pools = session.get_adapter(server.url).poolmanager.pools
        (lending,) = [pools[key] for key in pools.keys()]  # noqa: SIM118 - no mapping
        while not lending.pool.empty():
            assert lending.pool.get() is None
    with session:
        session.get(server.url)
    assert server.connections == 2


@BOTH
def test_event_loops_share_nothing_and_close_what_is_theirs(server: Any, library: Any) -> None:
    """Each loop has its connections, closed with it: run by ``asyncio.run`` or by hand, with one client or several."""

    async def twice() -> None:
        await aget(library, server.url)
        await aget(library, server.url)

    with share_connections(4.0) as usage:
        asyncio.run(twice())
        loop = asyncio.new_event_loop()
        loop.run_until_complete(twice())
        loop.close()
        loop.close()
    assert connections(server) == [0, 0, 1, 1]
    assert usage.handshakes_saved == 2


@BOTH
def test_a_loop_in_another_thread_closes_its_own_after_the_run(server: Any, library: Any) -> None:
    """The run ends in one thread while the loop goes on in another."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with share_connections(4.0):
        context = copy_context()

        async def call() -> None:
            await asyncio.create_task(aget(library, server.url), context=context)

        asyncio.run_coroutine_threadsafe(call(), loop).result()
        assert len(IDLE._waiting) == 1
    closed = threading.Event()
    loop.call_soon_threadsafe(lambda: loop.call_soon(lambda: loop.call_soon(closed.set)))
    closed.wait()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert server.connections == 1


@BOTH
def test_other_kinds_of_loops_keep_their_connections(server: Any, library: Any) -> None:
    """Where no asyncio loop runs, as under trio, a connection belongs to its client."""
    core = __import__(LIBRARIES[library.__name__])
    with share_connections(4.0) as usage:
        pool = library.AsyncHTTPTransport()._pool
        connection = pool.create_connection(core.URL(server.url).origin)
    assert not hasattr(connection, "lent_key")
    assert not usage.pools


@BOTH
async def test_a_cancelled_call_leaves_nothing_behind(server: Any, library: Any) -> None:
    """What was under way is closed as usual, and the next call connects."""
    with share_connections(4.0):
        await aget(library, server.url)
        call = asyncio.create_task(aget(library, server.url + "/wait"))
        while len(server.requests) < 2:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.proceed.set()
        await aget(library, server.url)
    assert connections(server) == [0, 0, 1]


def test_nested_and_overlapping_runs_keep_what_is_idle_until_the_last_ends(server: Any) -> None:
    """An inner run's end closes nothing; each counts its own."""
    with share_connections(4.0) as outer:
        get(httpx, server.url)
        with share_connections(4.0) as inner:
            get(httpx, server.url)
        get(httpx, server.url)
    assert (outer.handshakes_saved, inner.handshakes_saved, server.connections) == (1, 1, 1)


def test_across_runs_connections_stay_open_until_a_run_that_does_not_keep_them(server: Any) -> None:
    """The next run uses them."""
    for _ in range(2):
        with share_connections(4.0, across_runs=True):
            get(httpx2, server.url)
    with share_connections(4.0):
        get(httpx2, server.url)
    assert server.connections == 1


def test_across_runs_a_loop_closes_its_own(server: Any) -> None:
    """With the run long over, the loop's end is the connections' end."""

    async def run() -> None:
        with share_connections(4.0, across_runs=True):
            await aget(httpx2, server.url)

    plain = asyncio.SelectorEventLoop.close
    asyncio.run(run())
    asyncio.run(run())
    assert not IDLE._waiting
    assert server.connections == 2
    assert asyncio.SelectorEventLoop.close is plain


def test_many_threads_share_without_mixing_answers(server: Any) -> None:
    """Each caller gets the answer to its own request."""

    def call(number: int) -> bool:
        for library in (httpx, httpx2, requests):
            answer = (
                get(library, f"{server.url}/{number}", headers={"x-number": str(number)})
                if (library is not requests)
                else requests.get(server.url, headers={"x-number": str(number)}, timeout=10)
            )
            if answer.json()["headers"]["x-number"] != str(number):
                return False
        return True

    with share_connections(4.0) as usage, ThreadPoolExecutor(8) as pool:
        contexts = [copy_context() for _ in range(60)]
        assert all(pool.map(lambda item: item[1].run(call, item[0]), enumerate(contexts)))
    assert server.connections + usage.handshakes_saved == 180
    assert server.connections <= 24


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_leaves_the_connections_to_its_parent(server: Any) -> None:
    """The child connects anew; the parent goes on with its own."""
    with share_connections(4.0):
        get(httpx, server.url)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            answer = b"failed"
            try:
                answer = json.dumps(get(httpx, server.url).json()["connection"]).encode()
            finally:
                os.write(writing, answer)
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as answers:
            assert answers.read() == "1"
        get(httpx, server.url)
    assert connections(server) == [0, 1, 0]


def test_every_installed_library_is_supported() -> None:
    """The versions that the project is locked to."""
    assert {library.__name__: unsupported(library) for library in libraries()} == dict.fromkeys(
        ("httpx", "httpx2", "requests")
    )


@BOTH
@pytest.mark.parametrize(
    ("core", "name", "replacement", "reason"),
    [
        (True, "ConnectionPool", None, "lacks what sharing needs|not of the kind"),
        (True, "AsyncConnectionPool", lambda: _other(connections=[1]), "pools of .* not of the kind"),
        (True, "ConnectionPool", lambda: _other(idle=True), "connections of .* not of the kind"),
        (False, "HTTPTransport", type("T", (), {"__init__": lambda self: None}), "transports of .* not of the kind"),
    ],
)
def test_another_kind_of_library_is_refused(
    library: Any, core: bool, name: str, replacement: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version whose insides are others keeps its connections, and the reason is said."""
    from optiflow.connections import httpx_pools

    owner = __import__(httpx_pools.LIBRARIES[library.__name__]) if core else library
    httpx_pools.unsupported.cache_clear()
    LENDING.forget()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, replacement)
            assert re.search(reason, unsupported(library) or "")
            plain = library.HTTPTransport.__init__, library.AsyncHTTPTransport.__init__
            with LENDING.held():
                assert plain == (library.HTTPTransport.__init__, library.AsyncHTTPTransport.__init__)
    finally:
        httpx_pools.unsupported.cache_clear()
        LENDING.forget()


def _other(connections: Any = (), idle: bool = False) -> Any:
    """A pool of another make."""

    class Connection:
        has_expired = is_available = print

        def is_idle(self) -> bool:
            return idle

    class Pool:
        def __init__(self) -> None:
            self._connections = list(connections)
            self._requests: list[Any] = []
            self._optional_thread_lock = threading.Lock()

        def _assign_requests_to_connections(self) -> list[Any]:
            return []

        def create_connection(self, origin: Any) -> Connection:
            return Connection()

    return Pool()


def test_old_requests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2.32 connections of different certificates were kept together."""
    from optiflow.connections import requests_pools

    requests_pools.unsupported.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.delattr(requests.adapters.HTTPAdapter, "get_connection_with_tls_context")
            assert "older than 2.32" in (unsupported(requests) or "")
        requests_pools.unsupported.cache_clear()
        with monkeypatch.context() as patch:
            patch.delattr("urllib3.HTTPConnectionPool._put_conn")
            assert "not of the kind" in (unsupported(requests) or "")
    finally:
        requests_pools.unsupported.cache_clear()
