"""What tests of caches share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tenacity

_LOCK = "optiflow-test-cache-lock"


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[str]:
    """A logical database of the shared Redis server in which no cache is kept by any other test at the same time.

    Only the cache's own keys are ever deleted: other programs may keep theirs beside them.
    """
    import redis

    for number in range(15, 3, -1):
        url = urlsplit(redis_url)._replace(path=f"/{number}").geturl()
        client = redis.Redis.from_url(url)
        if client.set(_LOCK, "taken", nx=True, ex=120):
            break
        client.close()
    else:
        pytest.fail("no free database in Redis")
    _forget(client)
    try:
        yield url
    finally:
        _forget(client)
        client.delete(_LOCK)
        client.close()


class Line:
    """A connection to a service that can be cut: passes everything on until then.

    Args:
        url: The service's own address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        port = self._listening.getsockname()[1]
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = parts._replace(netloc=f"{user}127.0.0.1:{port}").geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """The service is gone."""
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                there = socket.create_connection(self._target)
                self._open += [here, there]
                for source, target in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)


@pytest.fixture
def line() -> Iterator[Callable[[str], Line]]:
    """Makes lines to services, which are cut in the end."""
    lines: list[Line] = []

    def make(url: str) -> Line:
        lines.append(Line(url))
        return lines[-1]

    yield make
    for each in lines:
        each.cut()


class OwnServer:
    """A server of a test's own behind a socket in a folder, which may be killed, frozen and started again.

    Args:
        url: Its address.
        command: Starts it.
        is_ready: Whether it answers; raises if not.
        user: Whom it runs as; None: whoever runs the tests.
    """

    def __init__(self, url: str, command: Sequence[str], is_ready: Callable[[], object], user: int | None) -> None:
        self.url = url
        self._command = command
        self._is_ready = is_ready
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        silent = subprocess.DEVNULL
        for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.05)):
            with attempt:
                # PostgreSQL does not start as long as a process of the one that was killed is left.
                if self._process is None or self._process.poll() is not None:
                    self._process = subprocess.Popen(self._command, stdout=silent, stderr=silent, user=self._user)
                self._is_ready()

    def kill(self) -> None:
        """As a kernel does that is short of memory."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """It keeps its connections, and says nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """Be gone, in whatever state."""
        if self._process is not None:
            self.kill()


@pytest.fixture(params=["redis", "postgres"])
def own_server(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    """A running server that no other test uses."""
    # The path of a socket may have some hundred characters, and those of pytest are longer.
    with tempfile.TemporaryDirectory() as folder:
        server = {"redis": _own_redis, "postgres": _own_postgres}[request.param](Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()


def _own_redis(folder: Path) -> OwnServer:
    import redis

    socket_file = str(folder / "redis.sock")
    command = [_program("redis-server"), "--port", "0", "--unixsocket", socket_file, "--save", "", "--dir", str(folder)]
    return OwnServer(f"unix://{socket_file}", command, redis.Redis(unix_socket_path=socket_file).ping, None)


def _own_postgres(folder: Path) -> OwnServer:
    import psycopg

    url, data = f"postgresql://postgres@/postgres?host={folder}", str(folder / "data")
    # It refuses to run as root.
    user = 65534 if os.geteuid() == 0 else None
    folder.chmod(0o777)
    make = [_program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "--no-locale"]
    subprocess.run(make, check=True, capture_output=True, user=user)
    command = [_program("postgres"), "-D", data, "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    return OwnServer(url, command, lambda: psycopg.connect(url).close(), user)


def _program(name: str) -> str:
    """Where a server's program is; without it the test is skipped, or fails where services are a must."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"needs the program {name}"
    if os.environ.get("OPTIFLOW_REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


def _forget(client: object) -> None:
    for key in client.scan_iter("{optiflow:cache}*"):  # type: ignore[attr-defined]
        client.delete(key)  # type: ignore[attr-defined]
