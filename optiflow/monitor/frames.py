"""Which line of the application a stack of frames, or a callback of an event loop, belongs to."""

from __future__ import annotations

import asyncio
import inspect
import os
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal

__all__ = ["Place", "application_place", "place_of_callback"]

Kind = Literal["application", "library", "passing", "ignored"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source."""

    file: str
    """The file's path as Python knows it."""

    line: int
    """The line's number, from 1."""

    function: str
    """The function's qualified name."""

    def __str__(self) -> str:
        """``file:line function``, the file relative to the working directory if it is below it."""
        path = Path(self.file)
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        return f"{path}:{self.line} {self.function}"


def application_place(frame: FrameType | None) -> Place | None:
    """The innermost line of the application within the callback that ``frame`` is running in.

    Where a callback has nothing but libraries in it, the innermost line of those. None where the line is
    not the application's doing: imports, logging, and OptiFlow's own bookkeeping.
    """
    application: Place | None = None
    library: Place | None = None
    decided = False
    while frame is not None and not _runs_callbacks(frame.f_code):
        file = frame.f_code.co_filename
        # A module's body is the application's, but while it is being imported further out it is an import.
        if file.startswith("<frozen importlib"):
            return None
        if not decided:
            kind = _kind(file)
            decided = kind in ("application", "ignored")
            if kind == "ignored":
                library = None
            elif kind == "application":
                application = _place(frame)
            elif kind == "library" and library is None:
                library = _place(frame)
        frame = frame.f_back
    return application or library


def place_of_callback(handle: asyncio.Handle) -> Place | None:
    """Where the function or coroutine begins that ``handle`` runs; None where that is not Python's."""
    callback: Any = handle._callback  # type: ignore[attr-defined]
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        code = getattr(owner.get_coro(), "cr_code", None)
    elif callable(callback):
        code = getattr(inspect.unwrap(callback), "__code__", None)
    else:  # a handle that was cancelled has let go of its callback
        code = None
    return Place(code.co_filename, code.co_firstlineno, code.co_qualname) if code is not None else None


def _place(frame: FrameType) -> Place:
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def _runs_callbacks(code: CodeType) -> bool:
    return code.co_qualname == "Handle._run"


_PACKAGE = Path(__file__).parents[1]
_OWN = ("log.py", "run.py", "record", "report", "cli", "monitor")
_BOOKKEEPING = tuple(str(_PACKAGE / room) for room in _OWN)
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib"))
_PASSING = (
    *(str(_PACKAGE / room) for room in ("clock", "monitor/blocking.py", "monitor/performance_monitor.py")),
    *(str(Path(folder) / "blockbuster") for folder in _LIBRARIES),
)
_STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_LOGGING = tuple(str(Path(folder) / "logging") for folder in _STANDARD)


@lru_cache(maxsize=4096)
def _kind(file: str) -> Kind:
    if file.startswith(_LOGGING):
        return "ignored"
    if file.startswith(_PASSING):
        return "passing"
    if file.startswith(_BOOKKEEPING):
        return "ignored"
    if file.startswith(f"{_PACKAGE}{os.sep}"):
        return "application"
    if file.startswith(_LIBRARIES) or "site-packages" in file or "dist-packages" in file:
        return "library"
    if file.startswith(_STANDARD) or file.startswith("<frozen "):
        return "passing"
    return "application"
