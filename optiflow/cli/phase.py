"""``optiflow phase NAME ... [OVERRIDE ...]``: the checklist's lines, measured."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from optiflow.checklist.phases import PHASES, Context, check_phase
from optiflow.cli.logs import log_as_configured
from optiflow.errors import ConfigurationError, nearest_name
from optiflow.settings import get_settings

__all__ = ["USAGE", "main"]

USAGE = "usage: python -m optiflow phase NAME ... [--log-level LEVEL] [OVERRIDE ...]\n\n" + "\n".join(
    f"  {name:<20}{meaning}" for name, meaning in {**PHASES, "all": "every phase"}.items()
)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def main(argv: Sequence[str]) -> int:
    """Check phases of the checklist and print a line for each thing asked for.

    Args:
        argv: Names of phases (``all``: every one), ``--log-level LEVEL``, and overrides behind ``+opt=all``.

    Returns:
        0 where every line passes, else 3.
    """
    arguments = list(argv)
    level = _log_level(arguments)
    overrides = tuple(each for each in arguments if "=" in each)
    names = [each for each in arguments if "=" not in each]
    for name in names:
        if name != "all" and name not in PHASES:
            raise ConfigurationError(f"{name!r} is no phase of the checklist; {nearest_name(name, [*PHASES, 'all'])}")
    if not names:
        raise ConfigurationError("no phase named; phase --help lists them")
    chosen = list(PHASES) if "all" in names else names
    context = Context(overrides, get_settings(), level, say=lambda text: print(text, file=sys.stderr))
    passed = True
    with log_as_configured(context.config):
        for name in chosen:
            print(f"{name}: {PHASES[name]}", flush=True)
            for line in check_phase(name, context):
                print(f"  {line}", flush=True)
                passed &= line.passed
    return 0 if passed else 3


def _log_level(arguments: list[str]) -> str:
    if "--log-level" not in arguments:
        return "ERROR"
    index = arguments.index("--log-level")
    value = arguments[index + 1] if index + 1 < len(arguments) else ""
    if value.upper() not in _LEVELS:
        raise ConfigurationError(f"--log-level {value!r} is no level; {nearest_name(value.upper(), _LEVELS)}")
    del arguments[index : index + 2]
    return value.upper()
