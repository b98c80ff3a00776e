"""One function of a node's code, read statement by statement."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, NoReturn

from optiflow.plan.guards.reads import MISSING, Cell, Item, Kind, Place
from optiflow.plan.inference.expressions import Expressions
from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.objects import Arguments
from optiflow.plan.inference.operators import ANY, ARITHMETIC, ITEM
from optiflow.plan.inference.rebound import is_rebound
from optiflow.plan.inference.static import sets_by_code
from optiflow.plan.inference.values import DATA, Value, fresh, join, known, plain_class

if TYPE_CHECKING:
    from optiflow.plan.inference.analysis import Analysis

__all__ = ["Frame"]

Env = dict[str, Value]

_MOST_PASSES = 6


class Frame(Expressions):
    """Executes a function's body on abstract values."""

    def __init__(self, analysis: Analysis, function: FunctionType, env: Env) -> None:
        super().__init__(analysis)
        self.function = function
        self.env = env
        self.returned: Value | None = None
        self.outer: list[Env] = []

    def give_up(self, node: ast.AST, what: str) -> NoReturn:
        """End the analysis: the code may do anything."""
        raise UnknownCodeError(f"{self.place(node)} {what}")

    def place(self, node: ast.AST) -> str:
        """Where a piece of code is, for a reason that a person reads."""
        return f"{self.function.__name__}, line {getattr(node, 'lineno', '?')}:"

    def result(self, body: Sequence[ast.stmt] | ast.expr) -> Value:
        """What the function returns, after looking at all of its body."""
        if isinstance(body, ast.expr):
            return self.eval(body)
        self.block(body)
        # A function that may fall off its end returns None; joining it always costs nothing.
        return known(None) if self.returned is None else self.returned

    def look_up(self, name: str, node: ast.AST) -> Value:
        """A name's value, by Python's scoping."""
        for env in (self.env, *self.outer):
            if name in env:
                return env[name]
        return self._outside(name, node)

    def _outside(self, name: str, node: ast.AST) -> Value:
        """A variable of an enclosing function that has returned, a global, or a builtin."""
        function = self.function
        code, variables = function.__code__, function.__globals__
        place: Place | None = None
        kind: Kind = "global"
        if name in code.co_freevars and function.__closure__ is not None:
            place, kind = Cell(function.__closure__[code.co_freevars.index(name)]), "closure"
        elif name in variables:
            place = Item(variables, name)
        elif hasattr(builtins, name):
            if name == "print":
                # It is another function while something is held back.
                return known(builtins.print)
            place = Item(vars(builtins), name)
        if place is None or place.value() is MISSING:
            self.give_up(node, f"{name!r} has no value yet")
        steady = not is_rebound(name, function)
        return self.analysis.found(place, kind, name, self, node, steady=steady)

    def block(self, statements: Iterable[ast.stmt]) -> None:
        """Execute statements one after another."""
        for statement in statements:
            method = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if method is None:
                self.give_up(statement, f"{type(statement).__name__} is not followed")
            method(statement)

    def _do_expr(self, node: ast.Expr) -> None:
        self.eval(node.value)

    def _do_pass(self, node: ast.stmt) -> None:
        """Nothing happens."""

    _do_break = _do_continue = _do_pass

    def _do_return(self, node: ast.Return) -> None:
        value = known(None) if node.value is None else self.eval(node.value)
        self.returned = value if self.returned is None else join(self.returned, value)

    def _do_raise(self, node: ast.Raise) -> None:
        for part in (node.exc, node.cause):
            raised = None if part is None else self.eval(part)
            if raised is not None and raised.kind == "object" and isinstance(raised.obj, type):
                # ``raise Failure`` makes one.
                self.analysis.call_object(raised.obj, Arguments((), {}), self, node)

    def _do_assert(self, node: ast.Assert) -> None:
        self.test(node.test)
        if node.msg is not None:
            self.eval(node.msg)

    def _do_assign(self, node: ast.Assign) -> None:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        operand = self.eval(node.value)
        self.operate(operand, ARITHMETIC, node)
        if not isinstance(node.target, ast.Name):
            self.assign(node.target, operand)
            return
        before = self.look_up(node.target.id, node)
        self.operate(before, ARITHMETIC, node)
        # ``+=`` changes a list in place, whoever made it.
        if not before.fresh and not _immutable(before):
            self.give_up(node, f"may change {node.target.id!r} in place, which it did not make")
        self.env[node.target.id] = fresh(before.typ)

    def _do_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.env.pop(target.id, None)
            else:
                self.assign(target, DATA)

    def _do_if(self, node: ast.If) -> None:
        self.test(node.test)
        self._branches(node.body, node.orelse)

    def _branches(self, *blocks: Sequence[ast.stmt]) -> None:
        before, after = self.env, []
        for block in blocks:
            self.env = dict(before)
            self.block(block)
            after.append(self.env)
        self.env = _joined(after)

    def _loop(self, node: ast.AST, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt]) -> None:
        for _ in range(_MOST_PASSES):
            before = self.env
            self.env = dict(before)
            self._start_loop(node)
            self.block(body)
            self.env = _joined([before, self.env])
            if _signature(self.env) == _signature(before):
                break
        else:
            self.give_up(node, "a loop that the analysis can't settle")
        self.block(orelse)

    def _start_loop(self, node: ast.AST) -> None:
        if isinstance(node, ast.While):
            self.test(node.test)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self.assign(node.target, self.element(self.eval(node.iter), node.iter))

    def _do_while(self, node: ast.While) -> None:
        self._loop(node, node.body, node.orelse)

    def _do_for(self, node: ast.For | ast.AsyncFor) -> None:
        self._loop(node, node.body, node.orelse)

    _do_asyncfor = _do_for

    def _do_with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            value = self.eval(item.context_expr)
            entered = self.analysis.enter(value, self, node)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered)
        self.block(node.body)

    _do_asyncwith = _do_with

    def _do_try(self, node: ast.Try) -> None:
        before = dict(self.env)
        self.block(node.body)
        middle = _joined([before, self.env])
        self.block(node.orelse)
        after = [self.env]
        for handler in node.handlers:
            self.env = dict(middle)
            caught = None if handler.type is None else self.eval(handler.type)
            if handler.name is not None:
                typ = caught.obj if caught is not None and isinstance(caught.obj, type) else None
                self.env[handler.name] = fresh(typ)
            self.block(handler.body)
            after.append(self.env)
        self.env = _joined(after)
        self.block(node.finalbody)

    _do_trystar = _do_try

    def _do_match(self, node: ast.Match) -> None:
        subject = self.eval(node.subject)
        if subject.kind == "state":
            self.findings.read_whole(f"{self.place(node)} match")
        before, after = self.env, [self.env]
        for case in node.cases:
            self.env = dict(before)
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchClass):
                    self._match_class(part, subject)
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.env[name] = DATA
            if case.guard is not None:
                self.test(case.guard)
            self.block(case.body)
            after.append(self.env)
        self.env = _joined(after)

    def _match_class(self, pattern: ast.MatchClass, subject: Value) -> None:
        """``case Point(x=0)`` asks for attributes of the subject."""
        cls = self.eval(pattern.cls)
        if cls.kind != "object" or not isinstance(cls.obj, type):
            self.give_up(pattern, "a class pattern that is not known")
        self.operate(subject, ANY, pattern)
        for name in (*pattern.kwd_attrs, *(getattr(cls.obj, "__match_args__", ()) if pattern.patterns else ())):
            self.analysis.attribute(fresh(cls.obj), name, self, pattern.cls)

    def _do_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.decorator_list:
            self.give_up(node, f"the decorated inner function {node.name!r} is not followed")
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)):
            self.eval(default)
        self.env[node.name] = Value("data", fresh=True, code=node)

    _do_asyncfunctiondef = _do_functiondef

    def _do_import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = self.analysis.imported(alias.name, self, node)
            root = self.analysis.imported(alias.name.partition(".")[0], self, node)
            self.env[alias.asname or alias.name.partition(".")[0]] = known(module if alias.asname else root)

    def _do_importfrom(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:
            self.give_up(node, "a relative import is not followed")
        module = self.analysis.imported(node.module, self, node)
        for alias in node.names:
            if alias.name not in vars(module):
                self.give_up(node, f"imports {alias.name!r}, which is not loaded yet")
            place = Item(vars(module), alias.name)
            self.env[alias.asname or alias.name] = self.analysis.found(place, "global", alias.name, self, node)

    def _do_global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.give_up(node, f"rebinds {', '.join(node.names)}, which others may read")

    _do_nonlocal = _do_global

    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target; changing anything that the code did not make ends the analysis."""
        if isinstance(target, ast.Name):
            self.env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.items
            if value.kind == "object" and isinstance(value.obj, tuple):
                items = tuple(known(item) for item in value.obj)
            if items is not None and len(items) != len(target.elts):
                items = None
            for at, part in enumerate(target.elts):
                inner = part.value if isinstance(part, ast.Starred) else part
                self.assign(inner, items[at] if items is not None else self.element(value, target))
        elif isinstance(target, ast.Subscript):
            self._set_item(target, value)
        elif isinstance(target, ast.Attribute):
            owner = self.eval(target.value)
            if not owner.fresh:
                self.give_up(target, f"assigns .{target.attr} of something that it did not make")
            cls = plain_class(owner.typ)
            if cls is not None and sets_by_code(cls, target.attr):
                self.give_up(target, f"assigns .{target.attr}, which runs code of {cls.__name__}")
        else:
            self.give_up(target, "an assignment that is not followed")

    def _set_item(self, target: ast.Subscript, value: Value) -> None:
        owner, key = self.eval(target.value), self.eval(target.slice)
        self.operate(owner, ITEM, target)
        if owner.kind == "state":
            self.give_up(target, "changes its own copy of the state")
        if not owner.fresh:
            self.give_up(target, "changes a value that it did not make")
        for shape in owner.shapes:
            shape.add(key.texts)

    def bind(self, parameters: ast.arguments, arguments: Arguments, defaults: dict[str, Value]) -> None:
        """Put a call's arguments into the environment."""
        positional = [*parameters.posonlyargs, *parameters.args]
        values = arguments.values
        self.env.update((parameter.arg, value) for parameter, value in zip(positional, values, strict=False))
        if parameters.vararg is not None:
            rest = None if arguments.more else tuple(values[len(positional) :])
            self.env[parameters.vararg.arg] = Value("data", fresh=True, typ=tuple, items=rest)
        for parameter in (*positional, *parameters.kwonlyargs):
            if parameter.arg in arguments.named:
                self.env[parameter.arg] = arguments.named[parameter.arg]
            elif parameter.arg not in self.env:
                # What was unpacked into the call may or may not be for this parameter.
                self.env[parameter.arg] = DATA if arguments.more else defaults.get(parameter.arg, DATA)
        if parameters.kwarg is not None:
            self.env[parameters.kwarg.arg] = fresh(dict)


def _immutable(value: Value) -> bool:
    return value.typ in (str, int, float, bool, bytes, tuple, complex, type(None))


def _joined(envs: Sequence[Env]) -> Env:
    together: Env = {}
    for env in envs:
        for name, value in env.items():
            together[name] = join(together.get(name), value)
    return together


def _signature(env: Env) -> dict[str, object]:
    return {name: value.signature for name, value in env.items()}
