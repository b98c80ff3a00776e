"""Reading folders of reports."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from optiflow.config.workflow import FolderInput
from optiflow.errors import InputError
from optiflow.workflow.reports import read_reports


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two reports and something else."""
    (tmp_path / "north.txt").write_text("It rained.", encoding="utf-8")
    (tmp_path / "south.md").write_text("\ufeffIt snowed: 5 °C.", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\x00")
    (tmp_path / "more.txt").mkdir()
    return tmp_path


def config(folder: Path, **changes: Any) -> FolderInput:
    """The input that a folder makes."""
    return FolderInput(kind="folder", folder=folder, **changes)


def test_every_file_that_matches_is_a_report(folder: Path) -> None:
    """By the file's name without its ending; folders and other files are none; a byte order mark is no text."""
    documents, reference = read_reports(config(folder))
    assert documents == {"north": {"text": "It rained."}, "south": {"text": "It snowed: 5 °C."}}
    assert reference is None


def test_the_reference_is_no_report(folder: Path) -> None:
    """Inside the folder, by path or by bare name, it is read as the reference only."""
    for reference in (folder / "south.md", Path("south.md")):
        documents, text = read_reports(config(folder, reference=reference))
        assert list(documents) == ["north"]
        assert text == "It snowed: 5 °C."


def test_a_reference_may_lie_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Then every report stays a report."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "sum.txt"
    elsewhere.write_text("Weather.", encoding="utf-8")
    documents, text = read_reports(config(folder, reference=elsewhere))
    assert (len(documents), text) == (2, "Weather.")


def test_a_missing_folder_is_named(folder: Path) -> None:
    """As is a file in a folder's place."""
    with pytest.raises(InputError, match=r"workflow.input.folder: '.*none' does not exist"):
        read_reports(config(folder / "none"))
    with pytest.raises(InputError, match=r"north.txt' is not a folder"):
        read_reports(config(folder / "north.txt"))


def test_a_folder_without_reports_is_refused(folder: Path) -> None:
    """With the names that were looked for; a reference alone is no report."""
    with pytest.raises(InputError, match=r"has no report; expected files like \*.rst"):
        read_reports(config(folder, patterns=("*.rst",)))
    with pytest.raises(InputError, match="has no report"):
        read_reports(config(folder, patterns=("*.md",), reference=Path("south.md")))


def test_a_missing_reference_is_named(folder: Path) -> None:
    """With both places where it was looked for."""
    with pytest.raises(InputError, match=r"workflow.input.reference: 'sum.txt' is no file, neither here nor in"):
        read_reports(config(folder, reference=Path("sum.txt")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad.txt' is empty; remove it"),
        (b" \n\t\n", r"bad.txt' is empty; remove it"),
        (b"caf\xe9", r"bad.txt' is not UTF-8 text \(byte 0xe9\); convert it first"),
        (b"It rained\x00 and rained.", r"bad.txt' is not text: it has the control character '\\x00'"),
    ],
)
def test_what_is_no_text_is_named(folder: Path, content: bytes, message: str) -> None:
    """Empty files, other encodings and binary files get one line each."""
    (folder / "bad.txt").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_reports(config(folder))
    assert "\n" not in str(caught.value)


def test_a_very_long_document_is_read_so_far(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five megabytes don't break anything; what is left out is logged."""
    (folder / "north.txt").write_text("Rain. " * 900_000, encoding="utf-8")
    documents, _ = read_reports(config(folder, max_chars=50_000))
    assert documents["north"]["text"] == ("Rain. " * 9000)[:50_000]
    assert "document is longer than what is read of it" in capsys.readouterr().err


def test_two_reports_of_one_name_are_refused(folder: Path) -> None:
    """Names are keys; what LangGraph does not allow in them is replaced first."""
    (folder / "north.md").write_text("It hailed.", encoding="utf-8")
    with pytest.raises(InputError, match=r"north.md and north.txt in .* have one name; rename one"):
        read_reports(config(folder))


def test_names_are_fit_for_nodes(folder: Path) -> None:
    """Colons, bars and braces have a meaning in node names and placeholders."""
    (folder / "a:b|c{d}.txt").write_text("x", encoding="utf-8")
    assert "a-b-c-d-" in read_reports(config(folder))[0]


@pytest.mark.parametrize("pattern", ["/etc/*", ""])
def test_a_pattern_that_is_none_is_refused(folder: Path, pattern: str) -> None:
    """Absolute and empty patterns are no file patterns."""
    with pytest.raises(InputError, match=r"workflow.input.patterns: .* is no file pattern"):
        read_reports(config(folder, patterns=(pattern,)))


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_can_not_be_read_is_named(folder: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's reason is given."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "glob" if what == "folder" else "open", refuse)
    with pytest.raises(InputError, match="can't be read: Permission denied"):
        read_reports(config(folder))
