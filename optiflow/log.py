"""Structured logs, written through structlog; a call below the level costs next to nothing.

A level is applied by exchanging the methods of `Logger` itself: every logger of the process follows a
change of level at once, and a filtered call only steps a counter. Beside it a context may have a level of its own
(`context_level`), which holds for nobody else. structlog is imported when the first line is really written.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TextIO

from optiflow.errors import ConfigurationError, nearest_name

if TYPE_CHECKING:
    from structlog.typing import EventDict

__all__ = [
    "DEFAULT_LEVEL",
    "Level",
    "Logger",
    "Renderer",
    "configure",
    "context_level",
    "get_logger",
    "level_filter",
    "logging_to",
    "severity",
]

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
"""How grave a line has to be in order to be written."""

Renderer = Literal["logfmt", "json"]
"""How a line looks: ``key=value`` pairs, or one JSON object."""

DEFAULT_LEVEL: Level = "INFO"
"""The chatty level that applications start with."""

context_level: ContextVar[int] = ContextVar("optiflow_log_level", default=0)
"""The severity below which lines of this context are dropped, whatever the process writes."""

_SEVERITY: dict[str, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


class Logger:
    """Writes lines of an event and fields; a line below the level is dropped before anything is computed."""

    __slots__ = ("_fields",)

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def bind(self, **fields: object) -> Logger:
        """A logger that adds ``fields`` to each of its lines."""
        return Logger(**{**self._fields, **fields})

    def debug(self, event: str, /, **fields: object) -> None:
        """Write detail that only matters in the search for a fault."""
        if context_level.get() > 10:
            _filtered.step()
            return
        _emit("debug", event, {**self._fields, **fields})

    def info(self, event: str, /, **fields: object) -> None:
        """Write the normal course of things."""
        if context_level.get() > 20:
            _filtered.step()
            return
        _emit("info", event, {**self._fields, **fields})

    def warning(self, event: str, /, **fields: object) -> None:
        """Write what a user should know although the run goes on."""
        if context_level.get() > 30:
            _filtered.step()
            return
        _emit("warning", event, {**self._fields, **fields})

    def error(self, event: str, /, **fields: object) -> None:
        """Write what failed."""
        if context_level.get() > 40:
            _filtered.step()
            return
        _emit("error", event, {**self._fields, **fields})

    def exception(self, event: str, /, **fields: object) -> None:
        """Write what failed, with the traceback of the exception being handled; the level is ERROR."""
        if context_level.get() > 40:
            _filtered.step()
            return
        _emit("error", event, {**self._fields, "exc_info": True, **fields})

    def critical(self, event: str, /, **fields: object) -> None:
        """Write what ends the program."""
        if context_level.get() > 50:
            _filtered.step()
            return
        _emit("critical", event, {**self._fields, **fields})


class _Tally:
    """Counts calls from any thread without a lock; `itertools.count` steps atomically."""

    def __init__(self) -> None:
        self._steps = itertools.count()
        self._reads = 0
        self._lock = threading.Lock()
        self.step = self._steps.__next__

    def read(self) -> int:
        """The number of steps so far; reading takes a step too, which is deducted."""
        with self._lock:
            steps = next(self._steps) - self._reads
            self._reads += 1
        return steps


_METHODS: dict[str, tuple[int, Callable[..., None]]] = {
    "debug": (10, Logger.debug),
    "info": (20, Logger.info),
    "warning": (30, Logger.warning),
    "error": (40, Logger.error),
    "exception": (40, Logger.exception),
    "critical": (50, Logger.critical),
}
_filtered = _Tally()
_lock = threading.RLock()
_configured: Level = DEFAULT_LEVEL
_filters: list[Level] = []
_stream: TextIO | None = None
_renderer: Renderer = "logfmt"


def get_logger(name: str) -> Logger:
    """A logger whose lines carry ``logger=name``; it follows every later change of level or stream."""
    return Logger(logger=name)


def configure(level: Level = DEFAULT_LEVEL, stream: TextIO | None = None, renderer: Renderer = "logfmt") -> None:
    """Say what is logged, where and how, for the whole process.

    Args:
        level: Lines below it are dropped.
        stream: Where lines go; None: the standard error stream of the moment of writing.
        renderer: How lines look.

    Raises:
        ConfigurationError: The level or the renderer does not exist.
    """
    global _configured, _stream, _renderer
    _check(level)
    if renderer not in ("logfmt", "json"):
        raise ConfigurationError(
            f"log renderer {renderer!r} does not exist; {nearest_name(str(renderer), ('logfmt', 'json'))}"
        )
    with _lock:
        _configured, _stream, _renderer = level, stream, renderer
        _apply()


@contextmanager
def logging_to(stream: TextIO | None, level: Level = DEFAULT_LEVEL) -> Iterator[None]:
    """Log to ``stream`` from ``level`` on for the block; what was configured before holds again after it.

    Raises:
        ConfigurationError: The level does not exist.
    """
    before = (_configured, _stream, _renderer)
    configure(level, stream, _renderer)
    try:
        yield
    finally:
        configure(*before)


@contextmanager
def level_filter(level: Level) -> Iterator[Callable[[], int]]:
    """Drop lines below ``level`` for the block, whatever was configured; the strictest level in force wins.

    Yields:
        A function that tells how many calls were dropped since the block began, by any filter.

    Raises:
        ConfigurationError: The level does not exist.
    """
    _check(level)
    before = _filtered.read()
    with _lock:
        _filters.append(level)
        _apply()
    try:
        yield lambda: _filtered.read() - before
    finally:
        with _lock:
            _filters.remove(level)
            _apply()


def severity(level: Level) -> int:
    """How grave a level is, as `context_level` holds it."""
    return _SEVERITY[level]


def _check(level: str) -> None:
    if level not in _SEVERITY:
        raise ConfigurationError(f"log level {level!r} does not exist; {nearest_name(level, _SEVERITY)}")


def _apply() -> None:
    threshold = max(_SEVERITY[level] for level in (_configured, *_filters))
    for name, (severity, method) in _METHODS.items():
        wanted = method if severity >= threshold else _drop
        # Assigning to a class makes the interpreter forget what it learned about calls of all its methods.
        if getattr(Logger, name) is not wanted:
            setattr(Logger, name, wanted)


def _drop(self: Logger, event: str, /, **fields: object) -> None:
    _filtered.step()


def _emit(level: str, event: str, fields: dict[str, object]) -> None:
    try:
        getattr(_structlog(), level)(event, **fields)
    # The caller's own values are rendered here; whatever their methods raise, a log line is not worth a
    # run.
    except Exception as error:  # noqa: BLE001
        _write(f"level={level} event={event!r} unrendered={error!r}")


@cache
def _structlog() -> Any:
    import structlog

    def order(_logger: object, _method: str, event: EventDict) -> EventDict:
        first = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event") if key in event}
        return {**first, **event}

    renderers: dict[Renderer, Callable[..., str | bytes]] = {
        "logfmt": structlog.processors.LogfmtRenderer(),
        "json": structlog.processors.JSONRenderer(default=repr, ensure_ascii=False),
    }

    def render(logger: object, method: str, event: EventDict) -> str | bytes:
        return renderers[_renderer](logger, method, event)

    return structlog.wrap_logger(
        _Sink(),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            order,
            render,
        ],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Sink:
    """What structlog hands finished lines to."""

    def debug(self, line: str) -> None:
        _write(line)

    info = warning = error = critical = debug


def _write(line: str) -> None:
    with _lock:
        stream = _stream or sys.stderr
        if stream is None:  # as under pythonw, which has no console
            return
        # A stream that is closed, full or broken loses its lines: there is nowhere left to tell it.
        with suppress(OSError, ValueError):
            try:
                stream.write(f"{line}\n")
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                stream.write(f"{line.encode(encoding, 'backslashreplace').decode(encoding)}\n")
            stream.flush()


_apply()
