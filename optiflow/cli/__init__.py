"""The command line: dispatches a command, and turns every error into one line and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import FrameType

from optiflow.errors import ConfigurationError, OptiflowError, RunInterruptedError, nearest_name

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "bisect": "find the smallest set of toggles to blame, and the rollback that cures it",
    "cache": "show or empty what is kept from run to run",
    "check": "run baseline and optimized side by side and print the first difference",
    "compare": "compare two records, or the two newest",
    "exec": "run a program with every StateGraph in it optimized",
    "experiment": "plan, watch, resume and report experiments",
    "explain": "what each toggle did to each node, or why it refused",
    "phase": "check one phase of the checklist against its own operation without the toggle",
    "records": "carry records between stores, files and MLflow",
    "signoff": "write the whole checklist filled in from measurements",
    "verify": "a gate for CI: exit code, GitHub job summary, JUnit XML",
}
"""Commands beside the main job, each a module of this package with ``main(argv) -> int``."""


_STRICT = "OPTIFLOW_STRICT"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: Arguments without the program's name; default: those of the process.

    Returns:
        The exit code: 0 pass, 1 a job failed, 2 configuration error, 3 criteria or equivalence failed,
        125 inconclusive, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command_line = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in command_line
    if debug:
        arguments.remove("--debug")
    strict = "--strict" in command_line and command_line[0] != "exec"  # which hands it to its program
    if strict:
        arguments.remove("--strict")
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _strictly() if strict else nullcontext():
            code = _dispatch(arguments)
        # What is still buffered counts too: written only at exit, its failure would be Python's to report.
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except OptiflowError as error:
        return _fail(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return _fail("interrupted", RunInterruptedError.exit_code, debug)
    except BrokenPipeError:
        # The reader of our output is gone; Python must not complain about it once more at exit.
        sys.stdout = None
        return 1
    except Exception as error:
        if debug:
            raise
        return _fail(f"{type(error).__name__}: {error} (--debug shows where)", OptiflowError.exit_code, debug)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    wants_help = "--help" in own or "-h" in own
    if name in COMMANDS:
        command = import_module(f"optiflow.cli.{name}")
        if wants_help:
            print(f"{command.USAGE}\n\n{COMMANDS[name]}")
            return 0
        code: int = command.main(arguments[1:])
        return code
    # Everything else is Hydra's: overrides hold a '=' or begin with a sign, its flags with a dash.
    if name and "=" not in name and name[0] not in "+~-":
        raise ConfigurationError(f"{name!r} is neither a command nor an override; {nearest_name(name, COMMANDS)}")
    if wants_help:
        return int(import_module("optiflow.cli.help").main())
    if "--version" in arguments:
        return int(import_module("optiflow.cli.help").version())
    return int(import_module("optiflow.cli.job").main(arguments))


@contextmanager
def _strictly() -> Iterator[None]:
    """Raise what fails of OptiFlow, in processes that are started from here too."""
    import os

    from optiflow.settings import get_settings

    before = os.environ.get(_STRICT)
    os.environ[_STRICT] = "1"
    get_settings.cache_clear()
    try:
        yield
    finally:
        os.environ.pop(_STRICT)
        if before is not None:
            os.environ[_STRICT] = before
        get_settings.cache_clear()


def _fail(text: str, code: int, debug: bool) -> int:
    if debug:
        raise
    from optiflow.record.redact import Redactor

    # Errors quote what was given, and what was given may be the URL of a database, password and all.
    print(f"optiflow: {Redactor().text(' '.join(text.split()))}", file=sys.stderr)
    return code


def _interrupt(_signal: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does, so that its record says so.

    While an event loop runs, asyncio takes Ctrl-C by cancelling what it runs. An exception raised here instead would
    be lost wherever Python can't hand it on, as in a finalizer or the callback of a weak reference.
    """
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    if not callable(on_ctrl_c):
        raise KeyboardInterrupt
    on_ctrl_c(signal.SIGINT, frame)
