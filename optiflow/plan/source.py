"""From a function to its syntax tree, only where the source is sure to be that of the running code."""

from __future__ import annotations

import ast
import dis
import linecache
import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Generic, TypeVar

__all__ = ["FunctionNode", "syntax_of"]

_WITHOUT_PLACE = frozenset({"RESUME", "MAKE_CELL", "COPY_FREE_VARS", "RETURN_GENERATOR", "RETURN_VALUE", "POP_TOP"})
"""Instructions that set a function up, and belong to no part of its text."""

_TREE_BYTES = 16 * 2**20
"""Most bytes of trees that are kept, as far as they can be told."""
_TABLE_BYTES = 8 * 2**20
"""Most bytes of tables of files' functions that are kept."""
_NODE_BYTES = 400
"""What a node of a tree takes with its attributes and its share of names and lists, rather more than less."""

_ENTRY_BYTES = 700
"""What a function takes in a table besides its code."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Kept(Generic[K, V]):
    """Values by key, bounded in bytes; the least recently used go, and the newest stays whatever its size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: K) -> V | None:
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        with self._lock:
            _, before = self._held.pop(key, (None, 0))
            self._held[key] = value, size
            self.bytes += size - before
            while self.bytes > self._most and len(self._held) > 1:
                self.bytes -= self._held.popitem(last=False)[1][1]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in its file a function's text is."""

    kind: type[FunctionNode]
    at: tuple[int, int]
    """Line and column where the node begins."""
    lines: tuple[int, int] | None
    """First and last line of the statement that it is or stands in; None where something stands before it there."""


_Table = dict[tuple[int, str], list[tuple[CodeType, _Place]]]

_Read = tuple[int, int]
"""Which reading of a file: its lines are one list as long as it is not read again."""

_Code = tuple[str, CodeType]
"""Equal codes may be of several files."""

_trees: _Kept[_Code, tuple[FunctionNode, _Read]] = _Kept(_TREE_BYTES)
"""Trees by code, with the reading that they were found in."""
_refused: _Kept[_Code, _Read] = _Kept(2**20)
"""Codes without a tree, with the reading that has none."""
_tables: _Kept[str, tuple[bytes, _Table]] = _Kept(_TABLE_BYTES)
"""By file, the digest of its source and its functions."""


def syntax_of(function: FunctionType) -> FunctionNode | None:
    """The syntax tree of a function.

    Functions that are made from one code again and again, as by a factory that is called for each request, have one
    tree, which is looked up and not looked for.

    Returns:
        The ``def`` or ``lambda``, or None where there is no source, or where it is not what runs: edited since it
        was imported, instrumented, or made by ``exec``.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    read = id(lines), len(lines)
    known = _trees.get((code.co_filename, code))
    if known is not None and known[1] == read:
        return known[0]
    if _refused.get((code.co_filename, code)) == read:
        return None
    place = _place_of(code, lines) if lines else None
    if place is None:
        _refused.put((code.co_filename, code), read, _size_of_code(code))
        return None
    tree = known[0] if known is not None else _node_at(place, lines) or _node_in(ast.parse("".join(lines)), place)
    if tree is not None:
        size = sum(_NODE_BYTES for _ in ast.walk(tree)) + _size_of_code(code)
        _trees.put((code.co_filename, code), (tree, read), size)
    return tree


def _place_of(code: CodeType, lines: list[str]) -> _Place | None:
    """Where a code's text is; None where nothing in its file compiles to it."""
    source = "".join(lines)
    digest = blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    known = _tables.get(code.co_filename)
    if known is None or known[0] != digest:
        table = _table(code.co_filename, source, lines)
        known = digest, table
        size = sum(_ENTRY_BYTES + _size_of_code(each) for of in table.values() for each, _ in of)
        _tables.put(code.co_filename, known, size)
    candidates = known[1].get((code.co_firstlineno, code.co_name), ())
    # Two equal lambdas on one line do the same.
    return next((place for compiled, place in candidates if compiled == code), None)


def _node_at(place: _Place, lines: list[str]) -> FunctionNode | None:
    """The node, from the lines of its statement alone; None where these can't be read without the ones around them."""
    if place.lines is None:
        return None
    first, last = place.lines
    text = lines[first - 1 : last]
    indented = text[0][:1].isspace()
    # As many lines before it as in the file, so that it has the same place.
    before = "\n" * (first - 1 - indented) + ("if 1:\n" if indented else "")
    try:
        return _node_in(ast.parse(before + "".join(text)), place)
    except SyntaxError:
        return None


def _node_in(tree: ast.AST, place: _Place) -> FunctionNode | None:
    for node in ast.walk(tree):
        if type(node) is place.kind and (node.lineno, node.col_offset) == place.at:
            return node
    return None


def _table(filename: str, source: str, lines: list[str]) -> _Table:
    """Every function of a file: its code, and where its text is."""
    try:
        tree = ast.parse(source)
        module = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return {}
    nodes: dict[tuple[int, str], list[tuple[FunctionNode, _Place]]] = {}
    for node, statement in _functions(tree, None):
        place = _Place(type(node), (node.lineno, node.col_offset), _lines_of(statement, lines))
        nodes.setdefault(_key(node), []).append((node, place))
    found: _Table = {}
    for code in _codes(module):
        key = (code.co_firstlineno, code.co_name)
        candidates = nodes.get(key, [])
        if len(candidates) > 1:
            candidates = [each for each in candidates if _covers(each[0], code)]
        if candidates:
            # Of a lambda within a lambda, the inner one covers less text.
            found.setdefault(key, []).append((code, min(candidates, key=lambda each: _length(each[0]))[1]))
    return found


def _functions(node: ast.AST, around: ast.stmt | None) -> Iterator[tuple[FunctionNode, ast.stmt]]:
    """Functions, each with the innermost statement that it is or stands in."""
    pending: list[tuple[ast.AST, ast.stmt | None]] = [(node, around)]
    while pending:
        node, around = pending.pop()
        statement = node if isinstance(node, ast.stmt) else around
        if isinstance(node, FunctionNode) and statement is not None:
            yield node, statement
        pending.extend((child, statement) for child in ast.iter_child_nodes(node))


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _lines_of(statement: ast.stmt, lines: list[str]) -> tuple[int, int] | None:
    """The lines of a statement that begins its first one: after the end of a text they might be read as another."""
    first = _first_line(statement)
    before = lines[first - 1].encode("utf-8", "surrogatepass")[: statement.col_offset]
    alone = not before.strip() or (first < statement.lineno and lines[first - 1].lstrip().startswith("@"))
    return (first, statement.end_lineno or statement.lineno) if alone else None


def _first_line(node: ast.stmt) -> int:
    """Where a statement begins, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _key(node: FunctionNode) -> tuple[int, str]:
    return (node.lineno, "<lambda>") if isinstance(node, ast.Lambda) else (_first_line(node), node.name)


def _size_of_code(code: CodeType) -> int:
    """Bytes that a code takes, those of the functions within it included: they live as long as it does."""
    parts = (code, code.co_code, code.co_linetable, code.co_exceptiontable, code.co_names, code.co_varnames)
    constants: int = sum(
        _size_of_code(each) if isinstance(each, CodeType) else sys.getsizeof(each) for each in code.co_consts
    )
    own: int = sum(map(sys.getsizeof, parts))
    return own + sys.getsizeof(code.co_consts) + constants


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
