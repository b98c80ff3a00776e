"""What every test shares."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from optiflow.monitor.observation import ModelCall, NodeSpan
from optiflow.record.environment import capture
from optiflow.record.normalise import digest
from optiflow.record.schema import (
    Memory,
    NodeEffects,
    Output,
    QualityRecord,
    RunRecord,
    Timings,
    Tokens,
    new_record_id,
)
from optiflow.settings import get_settings

_SERVICES = {name: os.environ.get(f"OPTIFLOW_TEST_{name.upper()}_URL") for name in ("redis", "postgres")}
"""Addresses of the services, read before the tests take the project's variables out of the environment."""


def _service(name: str) -> str:
    """The address of a service, or a skip, or a failure where skips are none."""
    address = _SERVICES[name]
    if address:
        return address
    reason = f"needs a {name} server: set OPTIFLOW_TEST_{name.upper()}_URL"
    if os.environ.get("OPTIFLOW_REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def redis_url() -> str:
    """A Redis server that other tests use too: take keys of a prefix of your own."""
    return _service("redis")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database of this test's own, dropped at its end."""
    import psycopg
    from psycopg import sql

    server = _service("postgres")
    name = f"optiflow_test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def model_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Any, str]]]:
    """Starts providers on this machine that behave as the keywords say; gives each server and its address."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    provider_server = import_module("provider_server")
    with ExitStack() as stack:
        yield lambda **told: stack.enter_context(
            provider_server.running(provider_server.Behaviour(**{"mean_s": 0.02, **told}))
        )


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that everyone may write, and a user who is not above all permissions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            for inner in [folder, *folder.rglob("*")]:
                inner.chmod(0o777)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records and logs of a test go to its own folder, whatever the developer's environment says."""
    for name in list(os.environ):
        if name.startswith("OPTIFLOW_") and name != "OPTIFLOW_REQUIRE_SERVICES":
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPTIFLOW_HOME", str(tmp_path / "optiflow-home"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def finished_record(tmp_path: Path) -> Callable[..., RunRecord]:
    """Makes records of runs that went well, with every figure; keyword arguments replace fields."""
    environment = capture(tmp_path)

    def make(*, runtime_s: float = 10.0, grade: str | None = "A+", **fields: Any) -> RunRecord:
        provider = runtime_s - 1
        state = {"brief": "text"}
        standard: dict[str, Any] = {
            "record_id": new_record_id(),
            "status": "ok",
            "workflow": "two_steps",
            "config_sha256": "0" * 64,
            "toggles": {"cache": False, "parallel": False},
            "environment": environment,
            "clock": "virtual",
            "started_at": datetime.now(UTC),
            "code_sha256": "1" * 64,
            "input_sha256": "2" * 64,
            "comparison_key": "key",
            "timings": Timings.of(runtime_s=runtime_s, provider_s=provider, provider_total_s=provider, cpu_s=0.5),
            "tokens": Tokens(prompt=80, completion=20, total=100),
            "memory": Memory(peak_rss_mb=100.0, start_rss_mb=90.0),
            "model_calls": (ModelCall("read", "read", "offline", "d", 0.0, provider, 80, 20),),
            "nodes": (
                NodeSpan("read", "", 0.0, provider),
                NodeSpan("write", "", provider, runtime_s),
            ),
            "effects": {
                "read": NodeEffects(reads=("input",), writes=("note",)),
                "write": NodeEffects(reads=("note",), writes=("brief",)),
            },
            "output": Output(state=state, sha256=digest(state), text="text"),
            "quality": grade and QualityRecord(kind="truth", score=0.99, grade=grade, right=9, missing=0, wrong=0),
        }
        return RunRecord(**{**standard, **fields})

    return make
