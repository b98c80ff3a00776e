"""Reading a folder of text reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from optiflow.config.workflow import FolderInput
from optiflow.errors import InputError
from optiflow.log import get_logger
from optiflow.workflow.base import Documents

__all__ = ["read_reports"]

_log = get_logger(__name__)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_UNUSABLE_IN_NAMES = re.compile(r'[:|"<>{}\r\n\t]')


def read_reports(config: FolderInput) -> tuple[Documents, str | None]:
    """Read the reports of a folder, by name, and the reference if there is one.

    Raises:
        InputError: The folder or the reference is missing, there is no report, or one is empty or not text.
    """
    folder = config.folder.expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"workflow.input.folder: {str(folder)!r} {what}")
    reference_path = _reference_path(config.reference, folder)
    paths = {path for pattern in config.patterns for path in _matching(folder, pattern) if path.is_file()}
    reports = sorted(path for path in paths if reference_path is None or not path.samefile(reference_path))
    if not reports:
        raise InputError(
            f"workflow.input.folder: {str(folder)!r} has no report; expected files like {' or '.join(config.patterns)}"
        )
    names = _names(reports)
    documents = {name: {"text": _text(path, config.max_chars)} for name, path in zip(names, reports, strict=True)}
    return documents, _text(reference_path, config.max_chars) if reference_path else None


def _matching(folder: Path, pattern: str) -> Sequence[Path]:
    try:
        return list(folder.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"workflow.input.patterns: {pattern!r} is no file pattern: {error}") from error
    except OSError as error:
        raise InputError(f"workflow.input.folder: {str(folder)!r} can't be read: {error.strerror}") from error


def _reference_path(reference: Path | None, folder: Path) -> Path | None:
    if reference is None:
        return None
    given = reference.expanduser()
    # A bare name is looked for beside the reports, where it usually is.
    for path in (given, folder / given):
        if path.is_file():
            return path
    raise InputError(f"workflow.input.reference: {str(given)!r} is no file, neither here nor in {str(folder)!r}")


def _names(paths: Sequence[Path]) -> list[str]:
    names = [_UNUSABLE_IN_NAMES.sub("-", path.stem) for path in paths]
    for name, path in zip(names, paths, strict=True):
        same = [other.name for other in paths if _UNUSABLE_IN_NAMES.sub("-", other.stem) == name]
        if len(same) > 1:
            raise InputError(
                f"workflow.input.folder: {' and '.join(same)} in {str(path.parent)!r} have one name; rename one"
            )
    return names


def _text(path: Path, max_chars: int) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(max_chars + 1)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{str(path)!r} is not UTF-8 text (byte 0x{error.object[error.start]:02x}); convert it first"
        ) from error
    except OSError as error:
        raise InputError(f"{str(path)!r} can't be read: {error.strerror}") from error
    if control := _CONTROL.search(text):
        raise InputError(f"{str(path)!r} is not text: it has the control character {control.group()!r}")
    if not text.strip():
        raise InputError(f"{str(path)!r} is empty; remove it or put the report's text into it")
    if len(text) > max_chars:
        _log.warning("document is longer than what is read of it", document=str(path), read_characters=max_chars)
    return text[:max_chars]
