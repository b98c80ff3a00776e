"""The document: its Markdown, its verdict and how it is written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from optiflow.checklist.lines import Line
from optiflow.checklist.signoff.document import Document, Section, merged, write_text
from optiflow.errors import ConfigurationError

_RIGHT, _WRONG = Line("Runs", True, "3 of 3"), Line("Stable: always", False, "2 of 3")


def test_boxes_are_ticked_by_their_lines() -> None:
    """Each line is a box with its figure, and the total stands at the top."""
    document = Document(
        "Title", "About.", [Section("One", text="Said.", lines=[_RIGHT]), Section("Two", 3, lines=[_WRONG])]
    )
    assert document.markdown() == (
        "# Title\n\nAbout.\n\n**1 of 2 boxes ticked.**\n\n"
        "## One\n\nSaid.\n\n- [x] Runs — 3 of 3\n\n"
        "### Two\n\n- [ ] Stable: always — 2 of 3\n"
    )
    assert not document.passed
    assert Document("Title", "", [Section("One", lines=[_RIGHT])]).passed


def test_several_lines_make_one_box() -> None:
    """One that fails fails the box; no line at all can't tick it."""
    assert merged("Both", [_RIGHT, _WRONG]) == Line("Both", False, "Runs: 3 of 3; Stable: 2 of 3")
    assert merged("One", [_RIGHT]) == Line("One", True, "3 of 3")
    assert merged("None", []) == Line("None", False, "nothing was measured")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new text stands in place of the old one, readable as any file, and nothing else is left."""
    path = tmp_path / "signoff.md"
    path.write_text("old", encoding="utf-8")
    write_text(path, "new ✅\n")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.read_text(encoding="utf-8") == "new ✅\n"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [plain, path]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A folder in the file's place is one line of error, and no half-written file stays behind."""
    path = tmp_path / "signoff.md"
    path.mkdir()
    with pytest.raises(ConfigurationError, match=r"signoff\.md: can't be written: Is a directory"):
        write_text(path, "text")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        write_text(tmp_path / "nowhere" / "signoff.md", "text")
