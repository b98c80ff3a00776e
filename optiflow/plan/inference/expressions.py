"""Expressions of a node's code, on abstract values."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from optiflow.plan.inference.classes import is_users
from optiflow.plan.inference.operators import (
    ARITHMETIC,
    AWAITING,
    COMPARISON,
    FORMATTING,
    HASHING,
    ITEM,
    ITERATION,
    MEMBERSHIP,
    TRUTH,
    hidden_operator,
)
from optiflow.plan.inference.static import class_attribute, is_plain_metaclass
from optiflow.plan.inference.values import (
    DATA,
    FRESH,
    Value,
    built,
    data,
    element_of,
    fresh,
    join,
    known,
    plain_class,
    value_of,
)

if TYPE_CHECKING:
    from optiflow.plan.inference.analysis import Analysis

__all__ = ["Expressions"]


class Expressions(ABC):
    """Evaluates expressions; a subclass knows names and statements."""

    env: dict[str, Value]

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.findings = analysis.findings
        self._evaluating: list[ast.expr] = []

    @abstractmethod
    def give_up(self, node: ast.AST, what: str) -> NoReturn:
        """End the analysis: the code may do anything."""

    @abstractmethod
    def place(self, node: ast.AST) -> str:
        """Where a piece of code is, for a reason that a person reads."""

    @abstractmethod
    def look_up(self, name: str, node: ast.AST) -> Value:
        """A name's value, by Python's scoping."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target; changing anything that the code did not make ends the analysis."""

    def eval(self, node: ast.expr) -> Value:
        """The value of an expression."""
        method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
        if method is None:
            self.give_up(node, f"{type(node).__name__} is not followed")
        self._evaluating.append(node)
        value: Value = method(node)
        self._evaluating.pop()
        return value

    def use_of(self, node: ast.AST) -> tuple[str | None, ast.Call | None]:
        """The attribute that is taken of the expression being evaluated, and the call of that, where there are such."""
        user = self._evaluating[-2] if len(self._evaluating) > 1 else None
        if isinstance(user, ast.Call) and isinstance(user.func, ast.Attribute) and user.func.value is node:
            return user.func.attr, user
        return (user.attr, None) if isinstance(user, ast.Attribute) else (None, None)

    def use(self, node: ast.expr) -> Value:
        """The value of an expression whose content is looked at as a whole."""
        value = self.eval(node)
        if value.kind == "state":
            self.findings.read_whole(f"{self.place(node)} {ast.unparse(node)}")
            return DATA
        if value.kind == "config":
            self.findings.configure(None)
        return value

    def operate(self, value: Value, methods: tuple[str, ...], node: ast.AST) -> None:
        """An operator is applied to a value; one that runs code of its own ends the analysis."""
        hidden = hidden_operator(value, methods)
        if hidden is not None:
            self.give_up(node, f"uses {hidden}, which may do anything")

    def test(self, node: ast.expr) -> None:
        """An expression is asked for its truth."""
        self.operate(self.use(node), TRUTH, node)

    def _on_constant(self, node: ast.Constant) -> Value:
        return known(node.value)

    def _on_name(self, node: ast.Name) -> Value:
        return self.look_up(node.id, node)

    def _on_namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.eval(node.value)
        self.assign(node.target, value)
        return value

    def _on_await(self, node: ast.Await) -> Value:
        self.findings.waits = True
        value = self.eval(node.value)
        if value.kind == "object":
            self.give_up(node, "awaits what it did not start")
        self.operate(value, AWAITING, node)
        return value

    def _on_joinedstr(self, node: ast.JoinedStr) -> Value:
        parts = [self.use(part) for part in node.values]
        if all(part.kind == "object" and type(part.obj) in (str, int) for part in parts):
            return known("".join(str(part.obj) for part in parts))
        return fresh(str)

    def _on_formattedvalue(self, node: ast.FormattedValue) -> Value:
        if node.format_spec is not None:
            self.eval(node.format_spec)
        value = self.use(node.value)
        self.operate(value, FORMATTING, node)
        plain = node.format_spec is None and node.conversion == -1
        return value if plain else fresh(str)

    def _on_tuple(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        use = self._hashed if isinstance(node, ast.Set) else self.use
        items = [self.element(self.eval(e.value), e) if isinstance(e, ast.Starred) else use(e) for e in node.elts]
        starred = any(isinstance(e, ast.Starred) for e in node.elts)
        types = {_name(item.typ): item.typ for item in items}
        cls = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
        typ = cls[next(iter(types.values()))] if len(types) == 1 and items and not starred and items[0].typ else cls  # type: ignore[index]
        return Value("data", fresh=True, typ=typ, items=tuple(items) if cls is tuple and not starred else None)

    _on_list = _on_set = _on_tuple

    def _on_dict(self, node: ast.Dict) -> Value:
        result = built()
        (shape,) = result.shapes
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self.use(value)
            if key is None:
                self.operate(inner, ITERATION, node)
            shape.add(inner.keys if key is None else self._hashed(key).texts)
        return result

    def _hashed(self, node: ast.expr) -> Value:
        """A key of a dict, or an element of a set."""
        value = self.use(node)
        self.operate(value, HASHING, node)
        return value

    def _on_binop(self, node: ast.BinOp) -> Value:
        left, right = self.use(node.left), self.use(node.right)
        for value in (left, right):
            # ``%`` prints what is put into a text.
            self.operate(value, ARITHMETIC + FORMATTING if isinstance(node.op, ast.Mod) else ARITHMETIC, node)
        if isinstance(node.op, ast.BitOr):
            chained = self.analysis.chained(left, right)
            if chained is not None:
                return chained
        if isinstance(node.op, ast.Add) and type(left.obj) is str and type(right.obj) is str:
            return known(left.obj + right.obj)
        return fresh(left.typ if left.typ == right.typ or left.typ is str else None)

    def _on_unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.use(node.operand)
        self.operate(value, TRUTH if isinstance(node.op, ast.Not) else ARITHMETIC, node)
        return fresh(bool if isinstance(node.op, ast.Not) else value.typ)

    def _on_boolop(self, node: ast.BoolOp) -> Value:
        value: Value | None = None
        for part in node.values:
            operand = self.eval(part)
            self.operate(operand, TRUTH, part)
            value = join(value, operand)
        return value if value is not None else DATA

    def _on_compare(self, node: ast.Compare) -> Value:
        left = self.eval(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.eval(comparator)
            if isinstance(op, ast.In | ast.NotIn):
                self.operate(right, MEMBERSHIP, node)
                self.operate(left, HASHING, node)
            elif not isinstance(op, ast.Is | ast.IsNot):
                self.operate(left, COMPARISON, node)
                self.operate(right, COMPARISON, node)
            if "config" in (left.kind, right.kind) and not isinstance(op, ast.Is | ast.IsNot):
                self.findings.configure(left.texts if isinstance(op, ast.In | ast.NotIn) else None)
            if right.kind == "state" and isinstance(op, ast.In | ast.NotIn) and left.texts is not None:
                self.findings.read(*left.texts)
            elif "state" in (left.kind, right.kind) and not isinstance(op, ast.Is | ast.IsNot):
                self.findings.read_whole(f"{self.place(node)} {ast.unparse(node)}")
            left = right
        return fresh(bool)

    def _on_ifexp(self, node: ast.IfExp) -> Value:
        self.test(node.test)
        return join(self.eval(node.body), self.eval(node.orelse))

    def _on_lambda(self, node: ast.Lambda) -> Value:
        return Value("data", fresh=True, code=node)

    def _on_starred(self, node: ast.Starred) -> Value:
        value = self.use(node.value)
        self.operate(value, ITERATION, node)
        return value

    def _on_slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.use(part)
        return fresh(slice)

    def _on_subscript(self, node: ast.Subscript) -> Value:
        owner, key = self.eval(node.value), self._hashed(node.slice)
        if owner.kind == "state":
            return self.read_item(key, node)
        if owner.kind == "config":
            return self.analysis.config_item(key, self, node)
        self.operate(owner, ITEM, node)
        if isinstance(node.slice, ast.Slice):
            # A slice of a built-in sequence is a new one; of anything else it may be a view.
            return Value("data", fresh=plain_class(owner.typ) in (list, tuple, str, bytes), typ=owner.typ)
        at = key.obj if isinstance(key.obj, int) else None
        if owner.items is not None and at is not None and -len(owner.items) <= at < len(owner.items):
            return owner.items[at]
        if owner.kind == "object" and isinstance(owner.obj, type):
            return self._specialized(owner, node)
        if owner.kind == "object" and type(owner.obj) in (dict, list, tuple):
            return self.analysis.picked(owner.obj, key, self, node)
        name = next(iter(key.texts)) if key.texts is not None and len(key.texts) == 1 else None
        return data(value_of(owner.typ, name))

    def _specialized(self, cls: Value, node: ast.Subscript) -> Value:
        """``list[int]``."""
        method = class_attribute(cls.obj, "__class_getitem__")
        if is_users(getattr(method, "__func__", method)) or not is_plain_metaclass(type(cls.obj)):
            self.give_up(node, f"{cls.obj.__name__} has a say in how it is subscripted")
        return cls

    def read_item(self, key: Value, node: ast.expr) -> Value:
        """``state[key]``."""
        if key.texts is None:
            self.findings.read_whole(f"{self.place(node)} a computed key")
            return DATA
        self.findings.read(*key.texts)
        types = [self.findings.state.types.get(name) for name in key.texts]
        return data(types[0] if len(types) == 1 else None)

    def _on_attribute(self, node: ast.Attribute) -> Value:
        return self.analysis.attribute(self.eval(node.value), node.attr, self, node)

    def _on_call(self, node: ast.Call) -> Value:
        return self.analysis.call(node, self)

    def _on_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        element = self._comprehension(node.generators, node.elt)
        cls = {ast.ListComp: list, ast.SetComp: set, ast.GeneratorExp: list}[type(node)]
        return fresh(cls[element.typ] if element.typ is not None else cls)  # type: ignore[index]

    _on_setcomp = _on_generatorexp = _on_listcomp

    def _on_dictcomp(self, node: ast.DictComp) -> Value:
        before = dict(self.env)
        self._generators(node.generators)
        keys, value = self.use(node.key), self.use(node.value)
        self.env = before
        typ = dict[keys.typ, value.typ] if keys.typ is not None and value.typ is not None else dict  # type: ignore[name-defined]
        return built(*keys.texts, typ=typ) if keys.texts is not None else fresh(typ)

    def _comprehension(self, generators: list[ast.comprehension], element: ast.expr) -> Value:
        before = dict(self.env)
        self._generators(generators)
        value = self.use(element)
        self.env = before
        return value

    def _generators(self, generators: list[ast.comprehension]) -> None:
        for generator in generators:
            self.assign(generator.target, self.element(self.eval(generator.iter), generator.iter))
            for test in generator.ifs:
                self.test(test)

    def element(self, value: Value, node: ast.expr) -> Value:
        """What iterating over a value gives."""
        if value.kind == "state":
            self.findings.read_whole(f"{self.place(node)} {ast.unparse(node)}")
            return Value("data", typ=str)
        if value.kind == "config":
            self.findings.configure(None)
        if value.kind == "object" and type(value.obj) in (tuple, list, frozenset, set, dict):
            self.analysis.plain(value.obj, self, node)
            texts = [item for item in value.obj if type(item) is str]
            if len(texts) == len(value.obj):
                return Value("data", typ=str, choices=frozenset(texts))
            return data()
        if value.kind == "object" and type(value.obj) not in (str, bytes, range):
            self.give_up(node, f"iterates over {ast.unparse(node)[:40]!r}, which that may change")
        if value.items is not None:
            together: Value | None = None
            for item in value.items:
                together = join(together, item)
            return together if together is not None else FRESH
        if value.kind == "model":
            return data(value.typ)
        self.operate(value, ITERATION, node)
        return replace(data(element_of(value.typ)), choices=value.keys)

    def _on_yield(self, node: ast.expr) -> Value:
        self.give_up(node, "a generator is not followed")

    _on_yieldfrom = _on_yield


def _name(typ: Any) -> str:
    return repr(typ)
