"""Copying SQLite's write-ahead log back into the database, so that the log stays short and the file is worth a backup.

SQLite copies every 1000 pages, while the graph waits. Here the log may grow longer, so it is copied when nothing waits
for it: what little there is at the end of the last run, what is much once nothing was written for a moment.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

from optiflow.log import get_logger

__all__ = ["Log"]

LITTLE = 4_096_000
"""Bytes of a log that is copied at once; SQLite itself lets as much gather, in pages of 4096 bytes."""

QUIET_S = 0.05
"""Time without a write, in seconds, after which a longer log is copied."""

_log = get_logger(__name__)


class Log:
    """The write-ahead log of one connection's database.

    Its methods are called by whoever may use the connection at that time.
    """

    def __init__(self) -> None:
        """Nothing is known until something is written."""
        self._file: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._dirty = False
        self._last_write = 0.0
        self._thread: threading.Thread | None = None

    def written(self, connection: sqlite3.Connection) -> None:
        """Take note of a transaction; copy the first, with the tables, and see to a log that grew long.

        Args:
            connection: Wrote it to a write-ahead log, and has no transaction open.
        """
        self._dirty = True
        self._last_write = monotonic()
        if self._connection is not connection:
            self._connection = connection
            self._file = _file(connection)
            self._copy(connection)
        elif self._length() > LITTLE and (self._thread is None or not self._thread.is_alive()):
            # It has nothing to lose that is not in the log, so an interpreter that exits need not wait for it.
            self._thread = threading.Thread(target=self._tend, name="checkpoint log", daemon=True)
            with suppress(RuntimeError):  # no thread can be started: a later write tries again
                self._thread.start()

    def settled(self, connection: sqlite3.Connection) -> None:
        """Copy what was written, as nothing more will be for now.

        Args:
            connection: What wrote it; closed, maybe.
        """
        if self._dirty and self._length() <= LITTLE:
            self._copy(connection)

    def _copy(self, connection: sqlite3.Connection) -> None:
        """Copy what can be copied without waiting for anybody; who reads an older state keeps what is newer there."""
        try:
            if not connection.in_transaction:
                self._dirty = not _all_copied(connection)
        except sqlite3.Error as error:
            # Everything is in the log, and the connection's closing copies it as ever.
            _log.debug("the write-ahead log was not copied", reason=str(error))

    def _length(self) -> int:
        try:
            return Path(f"{self._file}-wal").stat().st_size if self._file else 0
        except FileNotFoundError:
            return 0

    def _tend(self) -> None:
        """Copy the log and cut it off, once nothing was written for a moment."""
        pause = threading.Event()
        while True:
            while (left := self._last_write + QUIET_S - monotonic()) > 0:
                pause.wait(left)
            seen = self._last_write
            self._copy_aside()
            self._thread = None
            if self._last_write == seen:
                return
            self._thread = threading.current_thread()

    def _copy_aside(self) -> None:
        """Copy the log over a connection of our own: nobody waits for the user's, which may be closed meanwhile."""
        if self._file is None or self._connection is None:
            return
        try:
            _ = self._connection.total_changes  # raises where it is closed, and the log is gone
            with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=rw", timeout=0, uri=True)) as own:
                if _all_copied(own):
                    own.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
                    self._dirty = False
        except sqlite3.Error as error:
            _log.debug("the write-ahead log was not copied", reason=str(error))


def _all_copied(connection: sqlite3.Connection) -> bool:
    cursor = connection.cursor()
    cursor.row_factory = None
    with closing(cursor):
        _, pages, copied = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(pages == copied)


def _file(connection: sqlite3.Connection) -> Path | None:
    """Where a connection's database is, if another connection may be opened to it."""
    cursor = connection.cursor()
    cursor.row_factory = None
    with closing(cursor):
        # A connection that keeps the file to itself has no locks that others would see.
        if cursor.execute("PRAGMA locking_mode").fetchone() != ("normal",):
            return None
        names = {name: file for _, name, file in cursor.execute("PRAGMA database_list")}
    return Path(names["main"]) if names.get("main") else None
