"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from optiflow.settings import get_settings


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
