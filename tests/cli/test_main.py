"""Dispatch of commands, and every error as one line with its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import optiflow.cli.job
from optiflow.cli import COMMANDS, main
from optiflow.errors import ConfigurationError, ProviderError, RunInterruptedError

Run = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes the main job raise."""

    def set_error(error: BaseException) -> None:
        def job(_arguments: list[str]) -> int:
            raise error

        monkeypatch.setattr(optiflow.cli.job, "main", job)

    return set_error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigurationError("seed: 'abc': no integer"), 2, "optiflow: seed: 'abc': no integer\n"),
        (ProviderError("two\n  lines"), 1, "optiflow: two lines\n"),
        (
            RunInterruptedError("interrupted; the record x says so"),
            130,
            "optiflow: interrupted; the record x says so\n",
        ),
        (KeyboardInterrupt(), 130, "optiflow: interrupted\n"),
        (ZeroDivisionError("by zero"), 1, "optiflow: ZeroDivisionError: by zero (--debug shows where)\n"),
    ],
)
def test_an_error_is_one_line(
    optiflow: Run, failing: Callable[[BaseException], None], error: BaseException, code: int, line: str
) -> None:
    """On standard error, with the exit code of its kind, and no traceback."""
    failing(error)
    assert optiflow("seed=1") == (code, "", line)


@pytest.mark.parametrize(
    "error",
    [ConfigurationError("wrong"), ZeroDivisionError("by zero"), KeyboardInterrupt()],
    ids=lambda error: str(error),
)
def test_debug_shows_where(failing: Callable[[BaseException], None], error: BaseException) -> None:
    """With --debug the exception itself comes out, wherever the flag stands."""
    failing(error)
    for arguments in (["--debug", "seed=1"], ["seed=1", "--debug"]):
        with pytest.raises(type(error)):
            main(arguments)


def test_debug_of_a_program_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind ``--`` every argument belongs to the program that is run."""
    import optiflow.cli.exec

    seen: list[list[str]] = []
    monkeypatch.setattr(optiflow.cli.exec, "main", lambda argv: seen.append(argv) or 0)
    assert main(["exec", "+opt=all", "--", "program", "--debug"]) == 0
    assert seen == [["+opt=all", "--", "program", "--debug"]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It gets the arguments behind its name, and its exit code is the program's."""
    module = pytest.importorskip(f"optiflow.cli.{name}")
    monkeypatch.setattr(module, "main", lambda argv: 40 + len(argv))
    assert main([name, "one", "two"]) == 42


@pytest.mark.parametrize(
    ("word", "hint"), [("comparee", "did you mean 'compare'?"), ("xyz", "known: bisect, cache, check, compare")]
)
def test_an_unknown_command_names_the_nearest(optiflow: Run, word: str, hint: str) -> None:
    """A word that is no override has to be a command."""
    code, out, err = optiflow(word)
    assert (code, out) == (2, "")
    assert err.startswith(f"optiflow: {word!r} is neither a command nor an override; {hint}")


def test_sigterm_is_as_ctrl_c_and_the_handler_is_put_back(
    optiflow: Run, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that a scheduler ends says so, and an embedding program keeps its own handler."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("optiflow.cli.job.main", lambda _: signal.raise_signal(signal.SIGTERM) or 0)
    assert optiflow("seed=1")[0] == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_arguments_default_to_the_process_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console script calls it without any."""
    monkeypatch.setattr(sys, "argv", ["optiflow", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("optiflow ")


class TestStreams:
    """Where the output goes may be gone, full or not there at all."""

    def _run(self, folder: Path, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", script],
            cwd=folder,
            env={**os.environ, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_a_reader_that_stops_reading(self, here: Path) -> None:
        """``| true`` and ``| head -1`` get no traceback, however little is written."""
        for arguments in ("--version", "--help"):
            done = self._run(here, f'"$PYTHON" -m optiflow {arguments} | true')
            assert done.returncode in (0, 1)
            assert done.stderr == ""
        done = self._run(here, '"$PYTHON" -m optiflow --help | head -1')
        assert done.stdout.startswith("optiflow: makes a LangGraph application")
        assert done.stderr == ""

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
    def test_a_full_disk_behind_standard_output(self, here: Path) -> None:
        """What could not be written is an error, in one line."""
        done = self._run(here, '"$PYTHON" -m optiflow --version > /dev/full')
        assert done.returncode == 1
        assert done.stderr.startswith("optiflow: OSError: ")
        assert done.stderr.count("\n") == 1

    def test_streams_that_are_closed(self, here: Path, tiny: list[str]) -> None:
        """A service manager may start it with neither output nor error."""
        quoted = " ".join(f"'{argument}'" for argument in tiny)
        assert self._run(here, f'"$PYTHON" -m optiflow {quoted} >&- 2>&-').returncode == 0


@pytest.mark.parametrize("before", [None, "0"])
def test_strict_holds_for_the_command_and_its_children(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    """As a setting, for as long as the command runs."""
    import os

    import optiflow.cli.explain
    from optiflow.settings import get_settings

    if before is None:
        monkeypatch.delenv("OPTIFLOW_STRICT", raising=False)
    else:
        monkeypatch.setenv("OPTIFLOW_STRICT", before)
    get_settings.cache_clear()
    seen: list[object] = []

    def explain(argv: list[str]) -> int:
        seen.extend([argv, get_settings().strict, os.environ["OPTIFLOW_STRICT"]])
        return 0

    monkeypatch.setattr(optiflow.cli.explain, "main", explain)
    assert main(["explain", "--strict", "+opt=all"]) == 0
    assert seen == [["+opt=all"], True, "1"]
    assert (os.environ.get("OPTIFLOW_STRICT"), get_settings().strict) == (before, False)


def test_strict_of_exec_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hands it to the program."""
    import optiflow.cli.exec

    seen: list[list[str]] = []
    monkeypatch.setattr(optiflow.cli.exec, "main", lambda argv: seen.append(argv) or 0)
    assert main(["exec", "--strict", "+opt=all", "--", "program", "--strict"]) == 0
    assert seen == [["--strict", "+opt=all", "--", "program", "--strict"]]
