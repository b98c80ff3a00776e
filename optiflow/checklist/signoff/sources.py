"""What the package's own sources say: which functions call a given one, and where."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import optiflow

__all__ = ["Call", "calls_of"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call in the sources."""

    module: str
    """File within the package, such as ``tokens/counting.py``."""
    line: int
    in_coroutine: bool
    """Whether the innermost function around it is an ``async def``."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line}"


def calls_of(name: str, root: Path | None = None) -> list[Call]:
    """Every call of a function, by whatever way its name is reached.

    Args:
        name: The function's name.
        root: Folder of sources; default: this package's.
    """
    folder = root or Path(optiflow.__file__).parent
    return [
        Call(path.relative_to(folder).as_posix(), node.lineno, in_coroutine)
        for path in sorted(folder.rglob("*.py"))
        for node, in_coroutine in _calls(_parsed(path), in_coroutine=False)
        if _called_name(node) == name
    ]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _calls(node: ast.AST, in_coroutine: bool) -> Iterator[tuple[ast.Call, bool]]:
    if isinstance(node, ast.Call):
        yield node, in_coroutine
    for child in ast.iter_child_nodes(node):
        inside = in_coroutine
        if isinstance(child, ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda):
            inside = isinstance(child, ast.AsyncFunctionDef)
        yield from _calls(child, inside)


def _called_name(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None
