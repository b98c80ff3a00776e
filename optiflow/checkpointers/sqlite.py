"""Checkpoints in an SQLite file, which several processes may share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver

from optiflow.checkpointers.in_threads import AsyncInThreads
from optiflow.errors import ConfigurationError

__all__ = ["opened"]

_PATIENCE_S = 30.0
"""How long to wait for another process that is writing, s."""
_PAUSE_S = 0.02


class _SqliteSaver(AsyncInThreads, SqliteSaver):
    """LangGraph's own, for both kinds of runs."""


@contextmanager
def opened(url: str) -> Iterator[SqliteSaver]:
    """Open, or create, a file of checkpoints.

    Args:
        url: ``sqlite:///`` and a path.

    Raises:
        ConfigurationError: Its folder is not there, or it can't be written, or is no database.
    """
    path = url.removeprefix("sqlite:///")
    where = f"workflow.checkpointer: SQLite file {path!r}"
    folder = Path(path).parent
    if not folder.is_dir():
        raise ConfigurationError(f"{where}: there is no folder {str(folder)!r}; create it, or name a file elsewhere")
    try:
        connection = sqlite3.connect(path, timeout=_PATIENCE_S, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{where}: {error}; name a file in a folder that may be written") from error
    with closing(connection):
        saver = _SqliteSaver(connection)
        try:
            _patiently(saver.setup)
            # A file that may only be read is set up without complaint.
            connection.execute("DELETE FROM checkpoints WHERE false")
            connection.rollback()
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"{where}: {error}; expected a database, or a new file, that may be written with its folder"
            ) from error
        try:
            yield saver
        finally:
            saver.close_threads()


def _patiently(step: Callable[[], object]) -> None:
    """Repeat a step while another process holds the file: SQLite does not wait where the journal's mode changes."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            step()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
