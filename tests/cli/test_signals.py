"""Ctrl-C, SIGTERM and a sudden death in mid-run, in processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from optiflow import cli
from optiflow.record.store import RecordStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

_SLOW = ["clock=real", "model.latency.time_to_first_token_s=60", "log=stderr"]


def _default_interrupt() -> None:
    """A shell without job control makes its background processes ignore Ctrl-C; the children here must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _mid_run(here: Path, arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A run whose first model call is under way, and which would take two minutes."""
    command = [sys.executable, "-m", "optiflow", *arguments, *_SLOW]
    with subprocess.Popen(
        command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_default_interrupt
    ) as process:
        assert process.stderr is not None
        try:
            assert any('event="prompt prepared"' in line for line in process.stderr), "the run ended by itself"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_says_so(
    optiflow: Callable[..., tuple[int, str, str]], tiny: list[str], here: Path, store: RecordStore, name: str
) -> None:
    """Exit code 130, one line, the record marked; the store is intact and the next run is fine."""
    with _mid_run(here, [*tiny, "+opt=all"]) as process:
        process.send_signal(signal.Signals[name])
        out, err = process.communicate(timeout=30)
    (record,) = store.newest(9)
    assert process.returncode == 130
    assert out == ""
    assert f"optiflow: interrupted; the record {record.record_id} says so" in err.splitlines()
    assert "Traceback" not in err
    assert record.status == "interrupted"
    assert record.toggles_on == (), "the baseline was under way"
    assert [call.error for call in record.model_calls] != [None]
    assert record.timings is not None
    assert optiflow(*tiny).code == 0


def test_a_killed_run_is_found_interrupted(
    optiflow: Callable[..., tuple[int, str, str]], tiny: list[str], here: Path, store: RecordStore
) -> None:
    """A process that could say nothing any more leaves a record, which is seen to be of the dead."""
    with _mid_run(here, tiny) as process:
        assert [record.status for record in store.newest(9)] == ["running"]
        process.kill()
        process.communicate()
    assert [record.status for record in store.newest(9)] == ["interrupted"]
    assert optiflow(*tiny).code == 0
    assert [record.status for record in store.newest(9)] == ["ok", "interrupted"]


class _Dying:
    """Is told to end while it is being finalized, where Python drops whatever is raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def default_interrupt() -> Iterator[None]:
    """Ctrl-C as in a terminal, even where the tests run in the background."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("default_interrupt")
def test_sigterm_in_a_finalizer_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is told to end at a moment when no exception can be raised ends all the same."""

    async def run() -> None:
        _Dying()
        await asyncio.wait_for(asyncio.Event().wait(), 30)

    def dispatch(_arguments: list[str]) -> int:
        asyncio.run(run())
        return 0

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    assert cli.main([]) == 130
    assert capsys.readouterr().err == "optiflow: interrupted\n"


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_sigterm_ends_a_command_without_a_loop(monkeypatch: pytest.MonkeyPatch, handler: signal.Handlers) -> None:
    """Where no event loop runs it is Ctrl-C too, also of a process whose shell has it ignore Ctrl-C."""

    def dispatch(_arguments: list[str]) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    previous = signal.signal(signal.SIGINT, handler)
    try:
        assert cli.main([]) == 130
    finally:
        signal.signal(signal.SIGINT, previous)
