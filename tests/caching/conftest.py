"""What tests of caches share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

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


def _forget(client: object) -> None:
    for key in client.scan_iter("{optiflow:cache}*"):  # type: ignore[attr-defined]
        client.delete(key)  # type: ignore[attr-defined]
