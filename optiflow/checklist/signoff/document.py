"""The checklist as a document: sections of lines, ticked or not, with the figure that decided it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optiflow.checklist.lines import Line
from optiflow.errors import ConfigurationError

__all__ = ["Document", "Section", "merged", "write_text"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    title: str
    level: int = 2
    """Depth of the heading, 2 or 3."""
    text: str = ""
    """Markdown between the heading and the boxes."""
    lines: Sequence[Line] = ()
    """The boxes."""

    def markdown(self) -> str:
        """The section as Markdown."""
        boxes = "\n".join(f"- [{'x' if line.passed else ' '}] {line.text} — {line.measured}" for line in self.lines)
        return "\n\n".join(part for part in (f"{'#' * self.level} {self.title}", self.text, boxes) if part)


@dataclass(frozen=True, slots=True)
class Document:
    """The filled-in checklist."""

    title: str
    text: str
    """Markdown under the title."""
    sections: Sequence[Section]

    @property
    def lines(self) -> list[Line]:
        """Every box."""
        return [line for section in self.sections for line in section.lines]

    @property
    def passed(self) -> bool:
        """Whether every box is ticked."""
        return all(line.passed for line in self.lines)

    def markdown(self) -> str:
        """The document as Markdown."""
        lines = self.lines
        ticked = f"**{sum(line.passed for line in lines)} of {len(lines)} boxes ticked.**"
        parts = [f"# {self.title}", self.text, ticked, *(section.markdown() for section in self.sections)]
        return "\n\n".join(parts) + "\n"


def merged(text: str, lines: Iterable[Line]) -> Line:
    """One box for several lines: ticked where all of them pass, and there is one."""
    found = list(lines)
    shown = [f"{line.text.partition(':')[0]}: {line.measured}" for line in found]
    measured = found[0].measured if len(found) == 1 else "; ".join(shown) or "nothing was measured"
    return Line(text, bool(found) and all(line.passed for line in found), measured)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigurationError: It can't be written; what was there before is still there.
    """
    # In the same folder, since only there is the last step a single one.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise ConfigurationError(f"{path}: can't be written: {error.strerror or error}") from error
