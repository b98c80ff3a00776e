"""What the tests of connections share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load() -> ModuleType:
    """The server of the benchmarks."""
    path = Path(__file__).parents[2] / "benchmarks" / "tls_server.py"
    spec = importlib.util.spec_from_file_location("tls_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An authority and a server's certificate."""
    return _load().make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A TLS server whose authority the environment trusts."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificates.authority))
    with sys.modules["tls_server"].serve(certificates) as seen:
        yield seen


@pytest.fixture
def untrusted(certificates: Any) -> Iterator[Any]:
    """A TLS server that nobody knows."""
    with sys.modules["tls_server"].serve(certificates) as seen:
        yield seen
