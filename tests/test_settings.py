"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from optiflow.settings import Settings, get_settings


def test_defaults_lie_in_the_home_folder(tmp_path: Path) -> None:
    """Store and logs follow OPTIFLOW_HOME."""
    settings = Settings(home=tmp_path)
    assert settings.store_url == f"sqlite:///{tmp_path}/records.sqlite"
    assert settings.logs == tmp_path / "logs"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable has its setting; the kill switch is a comma-separated list."""
    monkeypatch.setenv("OPTIFLOW_STORE", "postgresql://host/db")
    monkeypatch.setenv("OPTIFLOW_LOG_DIR", "debug_logs")
    monkeypatch.setenv("OPTIFLOW_DISABLE", "cache, parallel,")
    settings = get_settings()
    assert settings.store_url == "postgresql://host/db"
    assert settings.logs == Path("debug_logs")
    assert settings.disable == {"cache", "parallel"}
    assert get_settings() is settings
