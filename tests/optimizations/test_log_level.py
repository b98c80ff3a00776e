"""Tests of the toggle ``log_level``."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from optiflow import log
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.log_level import LogLevel, LogLevelOptions

AskToggle = Callable[[Optimization[Any]], Decision]
CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "log_level.yaml"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield stream
    log.configure()


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    configured = yaml.safe_load(CONFIGURED.read_text(encoding="utf-8"))
    assert configured == {"log_level": LogLevelOptions().model_dump()}


def test_an_unknown_level_is_refused() -> None:
    """Only levels that exist are levels."""
    with pytest.raises(ValidationError):
        LogLevelOptions.model_validate({"level": "QUIET"})


def test_the_decision_names_the_level(decision_of: AskToggle) -> None:
    """The graph stays as it is; what the toggle does is said."""
    decision = decision_of(LogLevel(LogLevelOptions(level="ERROR")))
    assert (decision.toggle, decision.node, decision.action) == ("log_level", "*", "applied")
    assert "ERROR" in decision.reason


def test_lines_below_the_level_are_dropped_and_counted(lines: io.StringIO) -> None:
    """Within the run only what is grave enough is written; afterwards everything is again."""
    logger = log.get_logger("app")
    with LogLevel(LogLevelOptions()).activate() as statistics:
        for _ in range(5):
            logger.info("chatter")
        logger.warning("grave")
        assert statistics() == {"level": "WARNING", "filtered": 5}
    logger.info("afterwards")
    assert [line.rpartition("event=")[2] for line in lines.getvalue().splitlines()] == ["grave", "afterwards"]
