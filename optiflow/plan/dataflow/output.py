"""What early work prints and logs is held back until its turn, so that output comes in the order of the program.

``print`` and ``logging`` are told once, when the first graph is scheduled; outside of early work they do what they did.
Text is rendered when it is printed, a log record when it is made: only the writing waits.
"""

from __future__ import annotations

import builtins
import functools
import io
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

__all__ = ["Output", "held_output", "hold_output", "install"]

_held: ContextVar[Output | None] = ContextVar("optiflow_held_output", default=None)


class Output:
    """What one node's early work has printed and logged, in its order."""

    def __init__(self) -> None:
        self._writes: list[Callable[[], object]] = []

    def add(self, write: Callable[[], object]) -> None:
        """Keep one piece of output for later."""
        self._writes.append(write)

    def take(self) -> list[Callable[[], object]]:
        """What is kept, which is then kept no more."""
        writes, self._writes = self._writes, []
        return writes

    def release(self) -> None:
        """Write everything, once."""
        for write in self.take():
            write()

    async def arelease(self) -> None:
        """As `release`, in an asynchronous run."""
        self.release()


def held_output() -> Output | None:
    """Where output goes in early work; None outside of it."""
    return _held.get()


@contextmanager
def hold_output(output: Output) -> Iterator[None]:
    """Keep what the block prints and logs, in whichever tasks and threads it does so with this context."""
    install()
    token = _held.set(output)
    try:
        yield
    finally:
        _held.reset(token)


@functools.cache
def install() -> None:
    """Teach ``print`` and ``logging`` to hold back; once per process."""
    builtins.print = _held_print(builtins.print)
    logging.Logger.handle = _held_handle(logging.Logger.handle)  # type: ignore[method-assign]


def _held_print(write: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(write)
    def print_or_hold(*values: object, sep: Any = " ", end: Any = "\n", file: Any = None, flush: bool = False) -> None:
        output = _held.get()
        if output is None or file not in (None, sys.stdout, sys.stderr):
            write(*values, sep=sep, end=end, file=file, flush=flush)
            return
        text = io.StringIO()
        write(*values, sep=sep, end=end, file=text)
        # The stream is looked up in the node's turn, as `print` itself would then.
        output.add(lambda: write(text.getvalue(), end="", file=file, flush=flush))

    return print_or_hold


def _held_handle(handle: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handle)
    def handle_or_hold(self: logging.Logger, record: logging.LogRecord) -> Any:
        output = _held.get()
        if output is None:
            return handle(self, record)
        _render(record)
        output.add(lambda: handle(self, record))
        return None

    return handle_or_hold


def _render(record: logging.LogRecord) -> None:
    """Render a record whose arguments may change before its turn; handlers then see no arguments."""
    values = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    if all(isinstance(value, str | int | float | None) for value in values):
        return
    # What can't be rendered is left for the handlers, whose business such errors are.
    with suppress(Exception):
        record.msg, record.args = record.getMessage(), None
