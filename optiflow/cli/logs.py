"""Where a command's logs go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError
from optiflow.log import logging_to
from optiflow.settings import get_settings

__all__ = ["log_as_configured"]


@contextmanager
def log_as_configured(config: RunConfig) -> Iterator[None]:
    """Send logs where the configuration says; beside JSON on standard output, to standard error.

    Raises:
        ConfigurationError: The folder for logs can't be written.
    """
    if config.log.destination == "stderr" or config.report.format == "json":
        with logging_to(sys.stderr, config.log.level):
            yield
        return
    path = get_settings().logs / "optiflow.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: can't write logs there: {error.strerror}; set OPTIFLOW_LOG_DIR") from error
    with stream, logging_to(stream, config.log.level):
        yield
