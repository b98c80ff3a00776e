"""``optiflow exec +opt=all -- COMMAND``: a program with every graph in it optimized, its children too.

A folder with a ``sitecustomize`` goes first on ``PYTHONPATH``. Every Python interpreter of the program runs it at
start; it waits for LangGraph, and hands over to the ``sitecustomize`` that would have run without it.

What it can't reach, because such an interpreter does not look at ``PYTHONPATH`` or runs no ``sitecustomize``:
Python started with ``-I``, ``-E`` or ``-S``, and a child started with an environment of its own. A launcher that
puts its own ``sitecustomize`` before everything and never hands over (``opentelemetry-instrument``) hides ours.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping

from optiflow.errors import ConfigurationError

__all__ = ["USAGE", "environment", "main"]

USAGE = "usage: python -m optiflow exec [--strict] [OVERRIDE ...] -- COMMAND [ARGUMENT ...]"

_IGNORED_BY_PYTHON = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
"""What is ignored here would stay so in the program that takes our place."""


def main(argv: list[str]) -> int:
    """Replace this process by the command, which keeps its arguments, streams, signals and exit code.

    Args:
        argv: ``--strict``, overrides such as ``+opt=all``, then ``--`` and the command. Under ``--strict``
            a failure of OptiFlow is raised in the program; without it, it costs one line on standard error.

    Returns:
        Nothing where the command starts: the process is the command from then on.

    Raises:
        ConfigurationError: No command, one that can't be started, or a wrong override.
    """
    if "--" not in argv or argv[-1] == "--":
        raise ConfigurationError(f"exec: no command; {USAGE}")
    separator = argv.index("--")
    overrides, command = argv[:separator], argv[separator + 1 :]
    strict = "--strict" in overrides
    variables = environment([each for each in overrides if each != "--strict"], strict, os.environ)
    program = shutil.which(command[0])
    if program is None:
        raise ConfigurationError(f"exec: {command[0]!r} is no program that can be started")
    sys.stdout.flush()
    sys.stderr.flush()
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execve(program, command, variables)


def environment(overrides: list[str], strict: bool, base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which every Python interpreter optimizes the graphs of its program.

    Args:
        overrides: What follows ``exec`` on the command line, as in the main command.
        strict: Whether a failure of OptiFlow is raised in the program.
        base: The environment to add to.

    Raises:
        ConfigurationError: A wrong override.
    """
    from optiflow.config.compose import compose
    from optiflow.injection import SITE
    from optiflow.injection.hook import CONFIGURATION, STRICT
    from optiflow.optimizations.registry import resolve

    opt = compose(overrides).opt
    resolve(opt)
    outer = base.get("PYTHONPATH")
    path = [entry for entry in outer.split(os.pathsep) if entry != str(SITE)] if outer else []
    variables = {**base, CONFIGURATION: json.dumps(opt), "PYTHONPATH": os.pathsep.join([str(SITE), *path])}
    variables.pop(STRICT, None)
    return {**variables, STRICT: "1"} if strict else variables
