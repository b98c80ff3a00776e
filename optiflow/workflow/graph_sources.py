"""The files that a graph's nodes are written in."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optiflow

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

__all__ = ["graph_sources"]

_INSTALLED = (Path(optiflow.__file__).parent, Path(sys.prefix), Path(sys.base_prefix))


def graph_sources(builder: StateGraph[Any, Any, Any, Any] | None) -> tuple[Path, ...]:
    """The Python files of a graph's own nodes, sorted; OptiFlow and installed packages are left out.

    Args:
        builder: The graph; None for one of the functional API, whose files are not known.
    """
    nodes = {} if builder is None else builder.nodes
    files = {file for node in nodes.values() for file in _files(node.runnable)}
    return tuple(sorted(file for file in files if not any(file.is_relative_to(folder) for folder in _INSTALLED)))


def _files(runnable: Any) -> Iterator[Path]:
    for at in ("func", "afunc"):
        target: Any = getattr(runnable, at, None)
        while isinstance(target, functools.partial):
            target = target.func
        candidates: tuple[Any, Any] = (target, type(target))
        for candidate in candidates:
            try:
                file = Path(inspect.getsourcefile(inspect.unwrap(candidate)) or "")
            except TypeError:
                # Built in, or an instance: then its class is asked.
                continue
            if file.is_file():
                yield file.resolve()
