"""The command line in this process, and a workflow small enough to be run often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from optiflow.cli import main
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

_TINY = """
kind: declared
name: tiny
input: {kind: distributions, packages: [idna], max_chars: 20000}
nodes:
  - name: reader
    kind: prompts
    retry: {max_attempts: 2, initial_interval_s: 0.01, backoff_factor: 1.0, max_interval_s: 0.01}
    prompts:
      - writes: note
        instruction: Describe in at most 30 words what this is.
        reads: [{tag: dossier, document: idna, tokens: 100}]
  - name: editor
    kind: prompts
    prompts:
      - writes: brief
        instruction: Cut in at most 20 words of the note.
        reads: [{tag: note, state: note, name: idna, tokens: 100}]
output: brief
"""


class Ran(NamedTuple):
    """What one command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Arguments that choose a workflow of two nodes, with criteria that any run meets."""
    folder = tmp_path / "own conf ü"
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow" / "tiny.yaml").write_text(_TINY, encoding="utf-8")
    return ["--config-dir", str(folder), "workflow=tiny", "criteria=none"]


@pytest.fixture
def optiflow(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line in an empty folder."""

    def run(*arguments: str) -> Ran:
        get_settings.cache_clear()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def store() -> Iterator[RecordStore]:
    """The store that the command line writes to."""
    with closing(RecordStore(get_settings().store_url)) as store:
        yield store
