"""That every module imports, and that LangGraph Studio takes the reference graph."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module

import optiflow
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.studio import studio_line

__all__ = ["check"]


def check(_context: Context) -> Iterable[Line]:
    """Imports and Studio."""
    names, broken = [], []
    for module in pkgutil.walk_packages(optiflow.__path__, "optiflow."):
        # Neither is a module to import: the one runs the program, the other belongs to a starting interpreter.
        if module.name.endswith(("__main__", "sitecustomize")):
            continue
        names.append(module.name)
        try:
            import_module(module.name)
        except ImportError as error:
            broken.append(f"{module.name}: {error}")
    yield Line("No import errors", not broken, "; ".join(broken) or f"{len(names)} modules")
    yield studio_line()
