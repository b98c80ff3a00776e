"""Where a command's logs go."""

from __future__ import annotations

from pathlib import Path

import pytest

from optiflow.cli.logs import log_as_configured
from optiflow.config.compose import compose
from optiflow.errors import ConfigurationError
from optiflow.log import get_logger
from optiflow.settings import get_settings

log = get_logger("test")


def test_logs_go_to_a_file_and_are_added_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the folder of the settings, one command after another, and nowhere else."""
    for event in ("first", "second"):
        with log_as_configured(compose()):
            log.info(event)
    text = (tmp_path / "optiflow-home" / "logs" / "optiflow.log").read_text(encoding="utf-8")
    assert [f"event={event}" in line for event, line in zip(("first", "second"), text.splitlines(), strict=True)] == [
        True,
        True,
    ]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("overrides", [["log=stderr"], ["report=json"], ["report=json", "log=file"]])
def test_logs_go_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str]) -> None:
    """Where asked to, and beside JSON, so that standard output is the object alone."""
    with log_as_configured(compose(overrides)):
        log.info("seen")
    out, err = capsys.readouterr()
    assert out == ""
    assert "seen" in err
    assert not (tmp_path / "optiflow-home").exists()


def test_the_level_is_the_configured_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below it are dropped."""
    with log_as_configured(compose(["log=stderr", "log.level=ERROR"])):
        log.info("quiet")
        log.error("loud")
    assert "quiet" not in (err := capsys.readouterr().err)
    assert "loud" in err


def test_a_folder_that_cannot_be_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to set instead."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("OPTIFLOW_LOG_DIR", str(tmp_path / "file" / "logs"))
    get_settings.cache_clear()
    with (
        pytest.raises(ConfigurationError, match=r"can't write logs there: .*; set OPTIFLOW_LOG_DIR"),
        log_as_configured(compose()),
    ):
        pass
