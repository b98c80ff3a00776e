"""Whether a callback handler may change what it is told of: a question before it is asked, an answer before it is used.

One that only reads it may be told later. Whether it does shows in the code of its methods: what it is told, and every
name that stands for a part of it, may be read, printed, compared and kept, and nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from optiflow.plan.inference.knowledge import MUTATORS
from optiflow.plan.inference.static import class_attribute
from optiflow.plan.inference.vouching import is_users
from optiflow.plan.source import syntax_of

__all__ = ["may_change_what_it_is_told"]

_READING = frozenset(
    {
        "str", "repr", "len", "print", "isinstance", "type", "bool", "int", "float", "list", "tuple", "dict", "set",
        "sorted", "sum", "min", "max", "any", "all", "enumerate", "zip", "range", "getattr", "hasattr", "id", "hash",
        "reversed", "format", "vars", "next", "iter", "map", "filter", "deepcopy", "copy", "dumps",
    }
)  # fmt: skip
"""Functions, by name, that change nothing of what they are given."""

_MAKING = frozenset({"str", "repr", "len", "int", "float", "bool", "id", "hash", "type", "isinstance", "format"})
"""Those whose result is no part of it."""

_KEEPING = frozenset(
    {
        "append", "add", "put", "put_nowait", "set", "extend", "insert", "appendleft", "update", "setdefault", "get",
        "pop", "remove", "discard", "index", "count", "join", "format", "startswith", "endswith", "replace",
        *("debug", "info", "warning", "error", "exception", "critical", "log", "write"),
    }
)  # fmt: skip
"""Methods, of objects that the handler is not told of, that keep or look at what they are given."""


def may_change_what_it_is_told(handler: object) -> bool:
    """Whether one of the application's own methods of a handler may change its arguments.

    Args:
        handler: A callback handler. Those of other packages are taken to observe; of listeners, the functions count.
    """
    if type(handler).__module__.startswith("optiflow."):
        return False
    todo: list[Any] = list(_told_functions(handler))
    done: set[FunctionType] = set()
    while todo:
        function = todo.pop()
        if function in done:
            continue
        done.add(function)
        watch = _watch(function)
        if watch is None or watch.meddles:
            return True
        for name in watch.methods:
            todo.append(class_attribute(type(handler), name))
        for name in watch.functions:
            todo.append(function.__globals__.get(name))
        # What is handed on has to be followed; a function of another package may do anything with it.
        if not all(is_users(each) for each in todo):
            return True
    return False


def _told_functions(handler: object) -> Iterator[FunctionType]:
    for base in type(handler).__mro__:
        for name, method in vars(base).items():
            if name.startswith("on_") and is_users(method):
                yield method
    # LangChain keeps listeners in a handler of its own.
    for name, kept in object.__getattribute__(handler, "__dict__").items():
        if name.startswith("_arg_on_") and is_users(kept):
            yield kept


_kept: dict[Any, _Watch | None] = {}


def _watch(function: FunctionType) -> _Watch | None:
    """What a function does with its arguments; None where its code can't be read."""
    code = function.__code__
    if code not in _kept:
        syntax = syntax_of(function)
        # Handlers are few; a program that makes new code for ever must not fill the memory.
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[code] = None if syntax is None else _Watch(syntax, method=code.co_varnames[:1] == ("self",))
    return _kept[code]


_MOST = 1024


class _Watch(ast.NodeVisitor):
    """Looks for changes of a function's arguments, under whatever name."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, *, method: bool) -> None:
        arguments = function.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        self._told = {each.arg for each in given[1 if method else 0 :]}
        self.meddles = False
        self.methods: set[str] = set()
        """Methods of the same object that are handed a part of it."""
        self.functions: set[str] = set()
        """Functions of the same module that are."""
        body = function.body if isinstance(function.body, list) else [function.body]
        before = -1
        # A name may stand for a part of what is told before the line that says so, in a loop.
        while before != len(self._told) and not self.meddles:
            before = len(self._told)
            for statement in body:
                self.visit(statement)

    def _tells(self, node: ast.AST | None) -> bool:
        """Whether an expression may be a part of what the handler is told."""
        if node is None or isinstance(node, ast.JoinedStr | ast.Compare | ast.Constant):
            return False
        if isinstance(node, ast.Name):
            return node.id in self._told
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKING:
            return False
        return any(self._tells(child) for child in ast.iter_child_nodes(node))

    def _bind(self, target: ast.AST, value: ast.AST | None) -> None:
        if self._tells(value):
            self._told |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)} - {"self"}

    def _store(self, target: ast.AST) -> None:
        """An attribute or an item is assigned or deleted."""
        if isinstance(target, ast.Attribute | ast.Subscript):
            self.meddles = self.meddles or self._tells(target.value)
        elif isinstance(target, ast.Tuple | ast.List | ast.Starred):
            for part in ast.iter_child_nodes(target):
                self._store(part)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._store(target)
            if not isinstance(target, ast.Attribute | ast.Subscript):
                self._bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._store(node.target)
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        # ``+=`` changes a list in place, and an item of one.
        self._store(node.target)
        self.meddles = self.meddles or (isinstance(node.target, ast.Name) and self._tells(node.target))
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._store(target)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        self._store(node.target)
        self._bind(node.target, node.iter)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._loop(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._loop(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._bind(node.optional_vars, node.context_expr)
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        self.meddles = self.meddles or self._tells(node.subject)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        handed = any(self._tells(each) for each in (*node.args, *(keyword.value for keyword in node.keywords)))
        if isinstance(function, ast.Attribute):
            of_told = self._tells(function.value)
            name = function.attr
            if of_told:
                self.meddles = self.meddles or name in MUTATORS or name.startswith("set") or name == "__setitem__"
            elif handed and isinstance(function.value, ast.Name) and function.value.id == "self":
                self.methods.add(name)
            elif handed and not self._is_inherited(function):
                self.meddles = self.meddles or name not in _KEEPING | _READING
        elif handed and not (isinstance(function, ast.Name) and function.id in _READING):
            if isinstance(function, ast.Name):
                self.functions.add(function.id)
            else:
                self.meddles = True
        self.generic_visit(node)

    @staticmethod
    def _is_inherited(function: ast.Attribute) -> bool:
        """Whether this is ``super().on_…``, which is looked at by itself."""
        owner = function.value
        return (
            isinstance(owner, ast.Call)
            and isinstance(owner.func, ast.Name)
            and owner.func.id == "super"
            and function.attr.startswith("on_")
        )
