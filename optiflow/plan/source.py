"""From a function to its syntax tree, only where the source is sure to be that of the running code."""

from __future__ import annotations

import ast
import dis
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType

__all__ = ["FunctionNode", "syntax_of"]

_WITHOUT_PLACE = frozenset({"RESUME", "MAKE_CELL", "COPY_FREE_VARS", "RETURN_GENERATOR", "RETURN_VALUE", "POP_TOP"})
"""Instructions that set a function up, and belong to no part of its text."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def syntax_of(function: FunctionType) -> FunctionNode | None:
    """The syntax tree of a function.

    Returns:
        The ``def`` or ``lambda``, or None where there is no source, or where it is not what runs: edited since it
        was imported, instrumented, or made by ``exec``.
    """
    code = function.__code__
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    found = _functions(code.co_filename, source).get((code.co_firstlineno, code.co_name), ())
    matching = [node for node, compiled in found if compiled == code]
    # Two equal lambdas on one line do the same.
    return matching[0] if matching else None


@lru_cache(maxsize=256)
def _functions(filename: str, source: str) -> dict[tuple[int, str], list[tuple[FunctionNode, CodeType]]]:
    try:
        tree = ast.parse(source)
        module = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return {}
    nodes: dict[tuple[int, str], list[FunctionNode]] = {}
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            nodes.setdefault(_key(node), []).append(node)
    found: dict[tuple[int, str], list[tuple[FunctionNode, CodeType]]] = {}
    for code in _codes(module):
        key = (code.co_firstlineno, code.co_name)
        candidates = nodes.get(key, [])
        if len(candidates) > 1:
            candidates = [node for node in candidates if _covers(node, code)]
        if candidates:
            # Of a lambda within a lambda, the inner one covers less text.
            found.setdefault(key, []).append((min(candidates, key=_length), code))
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(node: FunctionNode) -> tuple[int, str]:
    if isinstance(node, ast.Lambda):
        return node.lineno, "<lambda>"
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.name


def _covers(node: FunctionNode, code: CodeType) -> bool:
    """Whether the code's instructions lie in the lambda's body."""
    start, end = _span(node)
    for instruction in dis.get_instructions(code):
        at = instruction.positions
        if instruction.opname in _WITHOUT_PLACE or at is None or at.lineno is None or at.col_offset is None:
            continue
        if not start <= (at.lineno, at.col_offset) <= end:
            return False
    return True


def _length(node: FunctionNode) -> tuple[int, int]:
    (line, column), (end_line, end_column) = _span(node)
    return end_line - line, end_column - column


def _span(node: FunctionNode) -> tuple[tuple[int, int], tuple[int, int]]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return (body.lineno, body.col_offset), (body.end_lineno or body.lineno, body.end_col_offset or body.col_offset)
