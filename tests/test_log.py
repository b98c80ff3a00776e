"""Tests of the structured log."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator

import pytest

from optiflow import log
from optiflow.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _default_log() -> Iterator[None]:
    yield
    log.configure()


def test_writes_logfmt_with_level_logger_and_fields() -> None:
    """A line carries time, level, logger, event and fields, in that order."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    log.get_logger("room").bind(run=7).info("node done", node="a b")
    line = stream.getvalue()
    assert line.startswith("timestamp=")
    assert line.endswith('level=info logger=room event="node done" run=7 node="a b"\n')


def test_writes_json_lines() -> None:
    """As JSON each line is one object, whatever its fields are."""
    stream = io.StringIO()
    log.configure("DEBUG", stream, "json")
    logger = log.get_logger("room")
    logger.debug("one", what=object)
    logger.error("two\nlines")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["event"], first["what"]) == ("debug", "one", repr(object))
    assert (second["level"], second["event"]) == ("error", "two\nlines")


def test_defaults_to_the_standard_error_stream_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream, lines go to whatever is standard error then, and nothing goes to standard output."""
    log.configure()
    log.get_logger("room").info("hello")
    written = capsys.readouterr()
    assert "event=hello" in written.err
    assert written.out == ""


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("DEBUG", ["debug", "info", "warning", "error", "error", "critical"]),
        ("INFO", ["info", "warning", "error", "error", "critical"]),
        ("WARNING", ["warning", "error", "error", "critical"]),
        ("ERROR", ["error", "error", "critical"]),
        ("CRITICAL", ["critical"]),
    ],
)
def test_existing_loggers_follow_a_change_of_level(level: log.Level, written: list[str]) -> None:
    """A logger made before `configure` drops what is below the new level."""
    stream = io.StringIO()
    logger = log.get_logger("room")
    log.configure(level, stream, "json")
    for name in ("debug", "info", "warning", "error", "exception", "critical"):
        getattr(logger, name)("line")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == written


def test_exception_writes_the_traceback() -> None:
    """`exception` adds what is being handled."""
    stream = io.StringIO()
    log.configure("INFO", stream, "json")
    try:
        raise KeyError("gone")
    except KeyError:
        log.get_logger("room").exception("failed")
    assert "KeyError: 'gone'" in json.loads(stream.getvalue())["exception"]


def test_level_filter_counts_and_ends() -> None:
    """A filter drops and counts within its block, and only there."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    logger = log.get_logger("room")
    with log.level_filter("WARNING") as filtered:
        logger.info("dropped")
        logger.info("dropped")
        assert filtered() == 2
        logger.debug("dropped")
        assert filtered() == 3
        assert filtered() == 3
    logger.info("written")
    assert "dropped" not in stream.getvalue()
    assert "written" in stream.getvalue()


def test_the_strictest_level_in_force_wins() -> None:
    """Filters may overlap and end in any order; a stricter configured level stays."""
    stream = io.StringIO()
    log.configure("INFO", stream, "json")
    logger = log.get_logger("room")
    outer, inner = log.level_filter("ERROR"), log.level_filter("WARNING")
    outer.__enter__()
    inner.__enter__()
    logger.warning("dropped by the outer one")
    outer.__exit__(None, None, None)
    logger.warning("let through by the inner one")
    logger.info("dropped by the inner one")
    inner.__exit__(None, None, None)
    log.configure("ERROR", stream, "json")
    with log.level_filter("DEBUG"):
        logger.warning("dropped by configuration")
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["let through by the inner one"]


def test_level_filter_ends_with_an_exception() -> None:
    """An exception passes through a filter and ends it."""
    with pytest.raises(ZeroDivisionError), log.level_filter("CRITICAL"):
        raise ZeroDivisionError
    stream = io.StringIO()
    log.configure("INFO", stream)
    log.get_logger("room").info("written")
    assert "written" in stream.getvalue()


def test_what_does_not_exist_is_refused() -> None:
    """Unknown levels and renderers give one line with what would be right, and change nothing."""
    with pytest.raises(ConfigurationError, match="log level 'WARN' does not exist; did you mean 'WARNING'"):
        log.configure("WARN")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="log level 'quiet'"), log.level_filter("quiet"):  # type: ignore[arg-type]
        pytest.fail("not reached")
    with pytest.raises(ConfigurationError, match="log renderer 'xml' does not exist; known: json, logfmt"):
        log.configure(renderer="xml")  # type: ignore[arg-type]


def test_a_closed_stream_loses_lines_and_nothing_else() -> None:
    """A stream that is closed raises nothing."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    stream.close()
    log.get_logger("room").info("lost")


def test_without_any_stream_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a console there is no standard error stream at all."""
    monkeypatch.setattr("sys.stderr", None)
    log.configure("INFO")
    log.get_logger("room").info("lost")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_text_that_the_stream_cannot_encode_is_escaped(encoding: str) -> None:
    """Characters that the stream can't encode appear as escapes, lone surrogates too."""
    raw = io.BytesIO()
    log.configure("INFO", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    log.get_logger("room").info("snow \udc80 ☃")
    assert rb"snow \udc80" in raw.getvalue()


def test_what_cannot_be_rendered_is_written_without_its_fields() -> None:
    """A value that can't be shown, or a field named like the event, costs the fields and not the run."""

    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    stream = io.StringIO()
    log.configure("INFO", stream)
    logger = log.get_logger("room")
    logger.info("first", value=Rude())
    logger.info("second", **{"event": "twice"})
    first, second = stream.getvalue().splitlines()
    assert "event='first' unrendered=RuntimeError('no')" in first
    assert "event='second' unrendered=TypeError" in second


def test_lines_of_many_threads_stay_whole() -> None:
    """Concurrent writers don't mix their lines."""
    stream = io.StringIO()
    log.configure("INFO", stream, "json")
    logger = log.get_logger("room")

    def write(thread: int) -> None:
        for line in range(50):
            logger.info("line", thread=thread, line=line)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {(line["thread"], line["line"]) for line in map(json.loads, stream.getvalue().splitlines())}
    assert len(seen) == 400
