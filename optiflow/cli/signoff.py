"""``optiflow signoff``: the whole checklist, filled in from measurements."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from optiflow.cli.logs import log_as_configured
from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

__all__ = ["USAGE", "main"]

USAGE = "usage: python -m optiflow signoff [--output FILE | -] [OVERRIDE ...]   (default: signoff.md)"


def main(argv: Sequence[str]) -> int:
    """Measure everything that the checklist asks for and write it down.

    Args:
        argv: ``--output FILE`` (``-``: standard output), and overrides behind ``+opt=all``.

    Returns:
        0 where every box is ticked, else 3.
    """
    output, overrides = _output(argv)
    if output is not None and not output.resolve().parent.is_dir():
        raise ConfigurationError(f"--output {str(output)!r}: its folder does not exist")

    from optiflow.checklist.phases import Context
    from optiflow.checklist.signoff import sign_off, write_text

    context = Context(tuple(overrides), get_settings(), say=lambda text: print(text, file=sys.stderr, flush=True))
    with log_as_configured(context.config):
        document = sign_off(context)
    if output is None:
        print(document.markdown(), end="")
    else:
        write_text(output, document.markdown())
        ticked = sum(line.passed for line in document.lines)
        print(f"{output}: {ticked} of {len(document.lines)} boxes ticked")
    return 0 if document.passed else 3


def _output(argv: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Where the checklist goes, None being standard output; and the overrides."""
    arguments, output = list(argv), "signoff.md"
    if "--output" in arguments:
        index = arguments.index("--output")
        if index + 1 == len(arguments):
            raise ConfigurationError(f"--output needs a file, or - for standard output; {USAGE}")
        output = arguments[index + 1]
        del arguments[index : index + 2]
    for argument in arguments:
        if "=" not in argument:
            raise ConfigurationError(f"{argument!r} is neither an option nor an override; {USAGE}")
    return None if output == "-" else Path(output), arguments
