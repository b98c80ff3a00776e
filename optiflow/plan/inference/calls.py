"""Calls and attributes in a node's code: what is followed, what is known, what ends the analysis."""

from __future__ import annotations

import ast
import dis
import enum
import functools
import inspect
import sys
import sysconfig
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

from pydantic import BaseModel

from optiflow.plan.inference import runnables
from optiflow.plan.inference.findings import Findings, UnknownCodeError
from optiflow.plan.inference.frame import Frame
from optiflow.plan.inference.knowledge import (
    MAKERS,
    MUTATORS,
    Plain,
    data_class_methods,
    is_outside,
    is_pure,
    pure_methods,
    qualified,
)
from optiflow.plan.inference.values import (
    CONFIG,
    DATA,
    FRESH,
    Value,
    built,
    data,
    field_of,
    fresh,
    known,
    model,
    plain_class,
    value_of,
)
from optiflow.plan.source import syntax_of

__all__ = ["Analysis"]

_DEEPEST = 12
_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
_BUILTIN = (str, bytes, int, float, bool, complex, list, tuple, dict, set, frozenset)


@dataclass(frozen=True)
class Arguments:
    """The evaluated arguments of a call."""

    values: tuple[Value, ...]
    named: dict[str, Value]

    @property
    def all(self) -> tuple[Value, ...]:
        """Every argument."""
        return (*self.values, *self.named.values())

    @property
    def has_state(self) -> bool:
        """Whether the node's state itself is among them."""
        return any(value.kind == "state" for value in self.all)


class Analysis:
    """The analysis of one node, across all functions that its code calls."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._stack: list[object] = []
        self._memo: dict[object, Value] = {}

    # Functions.

    def run(
        self, function: FunctionType, arguments: Arguments, owner: Value | None, caller: Frame | None, node: Any
    ) -> Value:
        """Follow a Python function.

        Raises:
            UnknownCodeError: The function, or what it calls, can't be followed.
        """
        values = arguments.values if owner is None else (owner, *arguments.values)
        key = (
            function,
            tuple(value.signature for value in values),
            tuple((name, value.signature) for name, value in arguments.named.items()),
        )
        # Once a dict is shared with a callee, its keys grow by reference: such calls are looked at each time.
        if key in self._memo and not any(value.shapes for value in arguments.all):
            return self._memo[key]
        if key in self._stack:
            return DATA
        syntax = syntax_of(function)
        if syntax is None:
            raise UnknownCodeError(f"the source of {function.__qualname__!r} is not available")
        if len(self._stack) > _DEEPEST:
            raise UnknownCodeError(f"calls nest deeper than {_DEEPEST} at {function.__qualname__!r}")
        frame = Frame(self, function, {})
        frame.bind(syntax.args, values, arguments.named, _defaults(function))
        self._stack.append(key)
        result = frame.result(syntax.body)
        self._stack.pop()
        self._memo[key] = result
        return result

    def run_nested(self, code: Any, arguments: Arguments, caller: Frame) -> Value:
        """Follow a nested function or lambda."""
        key = (id(code), tuple(value.signature for value in arguments.all))
        if key in self._stack:
            return DATA
        if len(self._stack) > _DEEPEST:
            raise UnknownCodeError(f"calls nest deeper than {_DEEPEST}")
        frame = Frame(self, caller.function, {})
        frame.outer = [caller.env, *caller.outer]
        frame.bind(code.args, arguments.values, arguments.named, {})
        self._stack.append(key)
        result = frame.result(code.body)
        self._stack.pop()
        return result

    # Objects.

    def of_object(self, obj: Any, name: str, frame: Expressions, node: ast.AST) -> Value:
        """A global, a closed-over object or an attribute."""
        if isinstance(obj, list | dict | set | bytearray) and not name.isupper():
            self.findings.touch(f"{frame.place(node)} the mutable {name!r} is not part of the state")
        return known(obj)

    def picked(self, container: Any, key: Value, frame: Expressions, node: ast.AST) -> Value:
        """An item of a known container."""
        if key.kind == "object":
            try:
                return self.of_object(container[key.obj], "ITEM", frame, node)
            except (KeyError, IndexError, TypeError):
                return data()
        if all(isinstance(item, str) for item in (container.values() if isinstance(container, dict) else container)):
            return data(str)
        return data()

    def imported(self, name: str, frame: Expressions, node: ast.AST) -> ModuleType:
        """A module that is loaded already; loading one runs its code."""
        module = sys.modules.get(name)
        if module is None:
            frame.give_up(node, f"imports {name!r}, which is not loaded yet")
        return module

    def enter(self, value: Value, frame: Expressions, node: ast.AST) -> Value:
        """What a ``with`` block binds."""
        if value.kind == "object" or (value.kind == "data" and value.typ is None and not value.fresh):
            frame.give_up(node, "a context manager that is not known")
        return value

    def attribute(self, owner: Value, name: str, frame: Expressions, node: ast.expr) -> Value:
        """``owner.name``."""
        if owner.kind == "state":
            return self._state_attribute(name, frame, node)
        if owner.kind == "config":
            if name in ("context", "configurable"):
                return data() if name == "context" else CONFIG
            self.findings.touch(f"{frame.place(node)} .{name} of the run")
            return DATA
        if owner.kind == "object":
            return self._object_attribute(owner.obj, name, frame, node)
        if owner.kind == "model":
            return data()
        if owner.typ is not None and name == "content" and _is_message(plain_class(owner.typ)):
            return data(str)
        return data(field_of(owner.typ, name))

    def _state_attribute(self, name: str, frame: Expressions, node: ast.expr) -> Value:
        state = self.findings.state
        if state.attributes and name in state.keys:
            self.findings.read(name)
            return data(state.types.get(name))
        self.findings.read_whole(f"{frame.place(node)} .{name}")
        return DATA

    def _object_attribute(self, obj: Any, name: str, frame: Expressions, node: ast.expr) -> Value:
        if isinstance(obj, ModuleType):
            if name in vars(obj):
                return self.of_object(vars(obj)[name], name, frame, node)
            frame.give_up(node, f"{obj.__name__}.{name} is not loaded yet")
        try:
            found = inspect.getattr_static(obj, name)
        except AttributeError:
            frame.give_up(node, f"{name!r} is made up when it is asked for")
        if isinstance(found, property):
            if not isinstance(found.fget, FunctionType):
                return data()
            return self.call_object(found.fget, Arguments((known(obj),), {}), frame, node)
        if isinstance(found, classmethod | staticmethod | FunctionType) or hasattr(type(found), "__get__"):
            owner = None if isinstance(obj, type) else obj
            return known(found.__get__(owner, type(obj) if owner is not None else obj))
        if not isinstance(obj, type) and name in _changing_attributes(type(obj)):
            self.findings.touch(f"{frame.place(node)} .{name} changes as {type(obj).__name__} is used")
        return self.of_object(found, name, frame, node)

    def config_item(self, key: Value, frame: Expressions, node: ast.AST) -> Value:
        """An item of the run's configuration, which is the same for every node but for LangGraph's own entries."""
        if key.texts is None:
            return CONFIG
        for name in key.texts:
            if name == "store" or name.startswith(("__", "checkpoint")):
                self.findings.touch(f"{frame.place(node)} {name!r} of the run")
        return CONFIG if key.texts == {"configurable"} else data()

    def chained(self, left: Value, right: Value) -> Value | None:
        """``prompt | model | parser``, where every part only computes or asks a model."""
        kinds = []
        for value in (left, right):
            if value.kind == "model":
                kinds.append(value.typ)
            elif value.kind == "object" and runnables.is_runnable(value.obj):
                kinds.append(self.answer(value.obj))
            elif value.kind == "object" and isinstance(value.obj, FunctionType):
                self.run(value.obj, Arguments((DATA,), {}), None, None, None)
                kinds.append(None)
            else:
                return None
        return (
            model(kinds[1]) if any(v.kind == "model" or runnables.is_runnable(v.obj) for v in (left, right)) else None
        )

    def answer(self, runnable: Any) -> Any:
        """Look at a Runnable's parts.

        Returns:
            The type of what it gives, where known.

        Raises:
            UnknownCodeError: A part may do what can't be followed.
        """
        parts = runnables.look(runnable)
        if parts.outside is not None:
            self.findings.touch(parts.outside)
        for function in parts.functions:
            self.run_callable(function)
        return parts.answer

    def run_callable(self, function: Any) -> None:
        """Follow a callable that somebody else calls with data."""
        self.call_object(function, Arguments((DATA,), {}), None, None)

    # Calls.

    def call(self, node: ast.Call, frame: Expressions) -> Value:
        """The value of a call, after looking at everything that it does."""
        if isinstance(node.func, ast.Attribute):
            owner = frame.eval(node.func.value)
            if owner.kind == "object" and type(owner.obj) in _BUILTIN:
                owner = data(type(owner.obj))
            if owner.kind != "object":
                return self._call_method(owner, node.func.attr, self._arguments(node, frame), frame, node)
            function = self.attribute(owner, node.func.attr, frame, node.func)
        else:
            function = frame.eval(node.func)
        arguments = self._arguments(node, frame)
        return self.call_value(function, arguments, frame, node)

    def call_value(self, function: Value, arguments: Arguments, frame: Expressions, node: ast.AST) -> Value:
        """Call a value."""
        if function.code is not None:
            return self.run_nested(function.code, arguments, frame)
        if function.kind == "object":
            return self.call_object(function.obj, arguments, frame, node)
        if function.kind == "model":
            return model()
        return frame.give_up(node, f"calls {ast.unparse(node)[:60]!r}, which is not known")

    def _arguments(self, node: ast.Call, frame: Expressions) -> Arguments:
        values: list[Value] = []
        for argument in node.args:
            value = frame.eval(argument)
            if isinstance(argument, ast.Starred) and value.items is not None:
                values.extend(value.items)
            else:
                values.append(value)
        named: dict[str, Value] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                given = frame.use(keyword.value)
                for shape in given.shapes:
                    named.update((key, DATA) for key in shape.keys or ())
            else:
                named[keyword.arg] = frame.eval(keyword.value)
        return Arguments(tuple(values), named)

    def _call_method(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if owner.kind == "state":
            return self._call_on_state(name, arguments, frame, node)
        if owner.kind == "config":
            if name == "get" and arguments.values:
                return self.config_item(arguments.values[0], frame, node)
            self.findings.touch(f"{frame.place(node)} {name}() of the run")
            return DATA
        if owner.kind == "model":
            self._hand_over(arguments, frame, node)
            return runnables.method_of_model(owner, name)
        return self._call_on_data(owner, name, arguments, frame, node)

    def _call_on_state(self, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if name == "get" and arguments.values and not self.findings.state.attributes:
            return frame.read_item(arguments.values[0], node)
        if name in (
            "items",
            "keys",
            "values",
            "copy",
            "model_dump",
            "dict",
            "model_copy",
            "__len__",
            "model_dump_json",
        ):
            self.findings.read_whole(f"{frame.place(node)} .{name}()")
            return FRESH
        return frame.give_up(node, f".{name}() of the state is not followed")

    def _call_on_data(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        self._look_at_functions(arguments, frame, node)
        cls = plain_class(owner.typ)
        if name in MUTATORS and (
            cls is None or cls in (list, dict, set, Plain) or not hasattr(cls, name) or name in pure_methods(cls)
        ):
            return self._change(owner, name, arguments, frame, node)
        if name in pure_methods(cls):
            self._absorb_state(arguments, frame, node)
            return _result_of(owner, cls, name, arguments)
        if cls is not None:
            method = inspect.getattr_static(cls, name, None)
            if (
                name in data_class_methods()
                and (issubclass(cls, BaseModel | tuple) or is_dataclass(cls))
                and not _is_users(method)
            ):
                return FRESH
            if isinstance(method, FunctionType):
                return self.call_function(method, arguments, owner, frame, node)
        if name in MUTATORS:
            return self._change(owner, name, arguments, frame, node)
        return frame.give_up(node, f"calls .{name}() of a value whose type is not known")

    def _change(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if not owner.fresh:
            frame.give_up(node, f".{name}() changes a value that it did not make")
        self._absorb_state(arguments, frame, node)
        for shape in owner.shapes:
            if name == "update":
                shape.add(frozenset(arguments.named))
                for value in arguments.values:
                    shape.add(value.keys)
            elif name == "setdefault":
                shape.add(arguments.values[0].texts if arguments.values else None)
        return data()

    def call_object(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        """Call a known object."""
        if isinstance(obj, functools.partial):
            given = Arguments(
                (*map(known, obj.args), *arguments.values),
                {**{name: known(value) for name, value in obj.keywords.items()}, **arguments.named},
            )
            return self.call_object(obj.func, given, frame, node)
        if isinstance(obj, MethodType):
            return self._call_bound(obj, arguments, frame, node)
        special = runnables.special(obj)
        if special is not None:
            raise UnknownCodeError(_at(frame, node, special))
        if runnables.is_model_factory(obj):
            self._hand_over(arguments, frame, node)
            return model(runnables.MESSAGE)
        if is_outside(obj):
            self._absorb_state(arguments, frame, node)
            self.findings.touch(_at(frame, node, f"calls {'.'.join(qualified(obj))}"))
            return DATA
        if is_pure(obj):
            self._look_at_functions(arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            return _result_of_pure(obj, arguments)
        if isinstance(obj, type):
            return self._construct(obj, arguments, frame, node)
        if isinstance(obj, FunctionType):
            return self.call_function(obj, arguments, None, frame, node)
        method = inspect.getattr_static(type(obj), "__call__", None)
        if isinstance(method, FunctionType) and _is_users(method):
            return self.call_function(method, arguments, known(obj), frame, node)
        wrapped = getattr(obj, "__wrapped__", None)
        if isinstance(wrapped, FunctionType) and type(obj).__module__ == "functools":
            raise UnknownCodeError(_at(frame, node, f"{wrapped.__name__!r} remembers its results"))
        raise UnknownCodeError(_at(frame, node, f"calls {_name(obj)}, which is not known"))

    def call_function(
        self, function: FunctionType, arguments: Arguments, owner: Value | None, frame: Any, node: Any
    ) -> Value:
        """Call a Python function, if it is the user's own."""
        if not _is_users(function):
            raise UnknownCodeError(_at(frame, node, f"calls {'.'.join(qualified(function))}, which is not known"))
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UnknownCodeError(_at(frame, node, f"the generator {function.__name__!r} is not followed"))
        return self.run(function, arguments, owner, frame, node)

    def _call_bound(self, obj: MethodType, arguments: Arguments, frame: Any, node: Any) -> Value:
        owner, function = obj.__self__, obj.__func__
        name = getattr(function, "__name__", "")
        if runnables.is_logger(owner):
            self._absorb_state(arguments, frame, node)
            return known(None)
        if isinstance(owner, type) and is_pure(owner):
            self._look_at_functions(arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            return fresh(owner)
        asked = runnables.asked(owner, name)
        if asked:
            answer = self.answer(owner)
            self._hand_over(arguments, frame, node)
            return runnables.method_of_model(model(answer), name)
        if is_outside(type(owner)) or is_outside(obj):
            self._absorb_state(arguments, frame, node)
            self.findings.touch(_at(frame, node, f"calls {'.'.join(qualified(function))}"))
            return DATA
        if isinstance(owner, type) and issubclass(owner, BaseModel) and name in data_class_methods():
            self._absorb_state(arguments, frame, node)
            return fresh(owner)
        if isinstance(function, FunctionType):
            return self.call_function(function, arguments, known(owner), frame, node)
        return self.call_object(function, arguments, frame, node)

    def _construct(self, cls: type, arguments: Arguments, frame: Any, node: Any) -> Value:
        self._look_at_functions(arguments, frame, node)
        self._absorb_state(arguments, frame, node)
        if runnables.is_trusted_model(cls):
            return model(runnables.MESSAGE)
        if issubclass(cls, dict | enum.Enum) or _only_stores(cls):
            return Value("data", fresh=True, typ=cls, shapes=built(*arguments.named).shapes)
        init = inspect.getattr_static(cls, "__init__", None)
        made = fresh(cls)
        if isinstance(init, FunctionType) and type(cls) is type and cls.__new__ is object.__new__:
            self.call_function(init, arguments, made, frame, node)
            return made
        raise UnknownCodeError(_at(frame, node, f"makes a {cls.__qualname__}, which is not known"))

    # Arguments.

    def _absorb_state(self, arguments: Arguments, frame: Any, node: Any) -> None:
        if arguments.has_state:
            self.findings.read_whole(_at(frame, node, ast.unparse(node)[:60] if node is not None else "a call"))

    def _hand_over(self, arguments: Arguments, frame: Any, node: Any) -> None:
        self._absorb_state(arguments, frame, node)
        self._look_at_functions(arguments, frame, node)

    def _look_at_functions(self, arguments: Arguments, frame: Any, node: Any) -> None:
        """Functions that are handed over will be called, with nobody knows what."""
        for value in arguments.all:
            if value.code is not None and frame is not None:
                self.run_nested(value.code, Arguments((DATA,) * _parameters(value.code), {}), frame)
            elif value.kind == "object" and isinstance(value.obj, FunctionType | MethodType | functools.partial):
                self.call_object(value.obj, Arguments((DATA,), {}), frame, node)


def _defaults(function: FunctionType) -> dict[str, Value]:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    positional = function.__defaults__ or ()
    # A default is one object for all calls: a mutable one is state of its own.
    pairs = [
        *zip(names[len(names) - len(positional) :], positional, strict=True),
        *(function.__kwdefaults__ or {}).items(),
    ]
    return {name: known(value) for name, value in pairs}


@functools.cache
def _changing_attributes(cls: Any) -> frozenset[str]:
    """Attributes that the class's own methods assign after ``__init__``."""
    changing: set[str] = set()
    for base in cls.__mro__:
        for name, method in vars(base).items():
            function = getattr(method, "fget", None) or getattr(method, "__func__", method)
            if name not in ("__init__", "__post_init__", "__new__") and _is_users(function):
                changing.update(i.argval for i in dis.get_instructions(function) if i.opname == "STORE_ATTR")
    return frozenset(changing)


def _parameters(code: Any) -> int:
    return len(code.args.posonlyargs) + len(code.args.args)


def _is_users(function: Any) -> bool:
    """Whether a function is the application's own, not a library's."""
    if not isinstance(function, FunctionType):
        return False
    file = function.__code__.co_filename
    return not file.startswith(_LIBRARIES) and "site-packages" not in Path(file).parts


def _only_stores(cls: type) -> bool:
    """Whether making an instance stores its fields and does nothing else."""
    from optiflow.plan.schema import hidden_readers

    if issubclass(cls, BaseModel) or is_dataclass(cls):
        return hidden_readers(cls) is None
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and not _is_users(inspect.getattr_static(cls, "__new__"))


def _is_message(cls: type | None) -> bool:
    return cls is not None and cls.__module__.startswith("langchain_core.messages")


def _at(frame: Any, node: Any, what: str) -> str:
    return what if frame is None or node is None else f"{frame.place(node)} {what}"


def _name(obj: Any) -> str:
    return repr(".".join(part for part in qualified(obj) if part) or type(obj).__name__)


def _result_of(owner: Value, cls: type | None, name: str, arguments: Arguments) -> Value:
    if cls is Plain:
        return fresh(Plain)
    if cls is None or issubclass(cls, str):
        return fresh(list[str] if name in ("split", "rsplit", "splitlines") else str)
    if issubclass(cls, dict):
        if name == "get":
            key = arguments.values[0].texts if arguments.values else None
            return data(value_of(owner.typ, next(iter(key)) if key is not None and len(key) == 1 else None))
        if name == "copy":
            return Value("data", fresh=True, typ=owner.typ)
        if name == "keys":
            return data(list[str])
        return data()
    return (
        Value("data", fresh=True, typ=owner.typ) if name in ("copy", "union", "difference", "intersection") else data()
    )


def _result_of_pure(obj: Any, arguments: Arguments) -> Value:
    if obj is dict:
        shaped = [value.keys for value in arguments.values]
        if all(keys is not None for keys in shaped):
            return built(*arguments.named, *(key for keys in shaped if keys is not None for key in keys))
        return fresh(dict)
    if obj in (list, tuple, set, sorted, frozenset) and arguments.values:
        typ = arguments.values[0].typ
        return fresh(typ if plain_class(typ) is obj or (obj is sorted and plain_class(typ) is list) else MAKERS[obj])
    if obj in MAKERS:
        return fresh(MAKERS[obj])
    module, name = qualified(obj)
    if module.startswith("json"):
        return fresh(str if name == "dumps" else Plain)
    if name in ("gather",):
        return data()
    if isinstance(obj, type):
        return fresh(obj)
    return fresh() if name in ("deepcopy",) else data()
