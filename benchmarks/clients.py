"""What ``clients`` does for calls through fresh clients, and for a cold start; ``python benchmarks/clients.py``.

The server is on the loopback interface, behind TLS; a real provider's handshake takes two round trips more.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import httpx2
import requests
from measure import Interval, interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish
from tls_server import TlsServer, make_certificates, serve

from optiflow.connections import share_connections
from optiflow.optimizations.clients import ClientsOptions

CALLS = 50


def sync_calls(library: Any, url: str) -> Callable[[], None]:
    """Calls through a client for each."""

    def calls() -> None:
        for _ in range(CALLS):
            with library.Client() as client:
                client.get(url).raise_for_status()

    return calls


def async_calls(library: Any, url: str) -> Callable[[], None]:
    """The same, asynchronously."""

    async def calls() -> None:
        for _ in range(CALLS):
            async with library.AsyncClient() as client:
                (await client.get(url)).raise_for_status()

    return lambda: asyncio.run(calls())


def requests_calls(url: str) -> Callable[[], None]:
    """Calls through ``requests.get``."""

    def calls() -> None:
        for _ in range(CALLS):
            requests.get(url, timeout=30).raise_for_status()

    return calls


def shared(calls: Callable[[], None]) -> Callable[[], None]:
    """The calls within a run."""

    def run() -> None:
        with share_connections(ClientsOptions().keep_alive_s):
            calls()

    return run


def fresh_clients(server: TlsServer, repetitions: int) -> list[Figure]:
    """Calls through as many clients."""
    figures = []
    for name, calls in (
        ("httpx", sync_calls(httpx, server.url)),
        ("httpx, async", async_calls(httpx, server.url)),
        ("httpx2", sync_calls(httpx2, server.url)),
        ("httpx2, async", async_calls(httpx2, server.url)),
        ("requests.get", requests_calls(server.url)),
    ):
        samples = interleave({"plain": calls, "clients": shared(calls)}, repetitions)
        ratio = ratio_interval(samples["plain"], samples["clients"])
        figures.append(Figure(f"{CALLS} calls through {CALLS} clients, {name}", "x", ratio, ">= 5"))
    return figures


def cold_start(server: TlsServer, repetitions: int) -> list[Figure]:
    """A fresh process: from its own start, from compiling, and from the run's start, to the first request."""
    names = {"compiled": "the run's start", "begun": "compiling", "launched": "the process's start"}
    seconds: dict[str, dict[str, list[float]]] = {arm: {since: [] for since in names} for arm in ("plain", "clients")}
    app = Path(__file__).with_name("cold_app.py")
    # What is installed has its bytecode: the unmeasured round may write what is missing.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def start(arm: str) -> None:
        server.requests.clear()
        command = [sys.executable, str(app), arm, server.url]
        launched = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for since, at in {**json.loads(done.stdout), "launched": launched}.items():
            seconds[arm][since].append(server.requests[0].at - at)

    interleave({arm: partial(start, arm) for arm in seconds}, repetitions)
    figures = []
    for since, name in names.items():
        plain, clients = (seconds[arm][since][1:] for arm in seconds)
        figures += [
            Figure(f"cold, {name} to the first request, {arm}", "s", median_interval(samples))
            for arm, samples in (("plain", plain), ("clients", clients))
        ]
        ratio = ratio_interval(clients, plain)
        saved = Interval(*(100 * (1 - each) for each in (ratio.median, ratio.high, ratio.low)))
        figures.append(Figure(f"cold, {name} to the first request, less time", "%", saved, ">= 30"))
    return figures


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=7).parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        certificates = make_certificates(Path(folder))
        os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(certificates.bundle)
        with serve(certificates) as server:
            figures = fresh_clients(server, options.repetitions) + cold_start(server, options.repetitions)
    publish(figures, options)


if __name__ == "__main__":
    main()
