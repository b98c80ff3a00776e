"""Calls in a node's code: what is followed, what is known, what ends the analysis."""

from __future__ import annotations

import ast
import asyncio
import enum
import functools
import inspect
import logging
import operator
from abc import abstractmethod
from dataclasses import is_dataclass, replace
from types import (
    ClassMethodDescriptorType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from optiflow.plan.guards.reads import ClassAttribute, Computed, FunctionPart, Item, Itself, Methods
from optiflow.plan.inference import results, runnables
from optiflow.plan.inference.classes import filled_fields, is_users
from optiflow.plan.inference.clocks import reads_clock
from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.handing import CALLED_BY_OTHERS, Handing, at, look_at_codec
from optiflow.plan.inference.hidden import hidden_code, is_typed_dict
from optiflow.plan.inference.inherited import inherited, is_super, stores
from optiflow.plan.inference.knowledge import (
    FILLING,
    MUTATORS,
    Plain,
    data_class_methods,
    is_outside,
    is_print,
    is_pure,
    pure_methods,
    qualified,
    varies,
)
from optiflow.plan.inference.objects import Arguments
from optiflow.plan.inference.operators import ANY
from optiflow.plan.inference.static import class_attribute, is_opaque
from optiflow.plan.inference.values import DATA, FRESH, Value, built, data, fresh, known, model, plain_class
from optiflow.plan.inference.vouching import home, name_of_class

if TYPE_CHECKING:
    from optiflow.plan.inference.expressions import Expressions

__all__ = ["Calls"]

_KNOWN_CALLABLES = frozenset(CALLED_BY_OTHERS) | {ClassMethodDescriptorType}
"""Types of callables that keep nothing; any other is an instance of a class with ``__call__``."""

_LOGGERS = (logging.Logger, logging.RootLogger, logging.LoggerAdapter)
_LOGGING = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"})
"""Methods of loggers that make a record and do nothing else."""

_OWN_METHODS = (*ANY, "__init__", "__new__", "__getattribute__", "__getattr__", "__setattr__", "__pydantic_validator__")
"""What a class may be given later, and is asked of its instances without being called by name."""

_BUILTIN = (str, bytes, int, float, bool, complex, list, tuple, dict, set, frozenset)


class Calls(Handing):
    """Evaluates calls; a subclass follows functions into their bodies."""

    @abstractmethod
    def run(self, function: FunctionType, arguments: Arguments, owner: Value | None) -> Value:
        """Follow a Python function."""

    @abstractmethod
    def run_nested(self, code: Any, arguments: Arguments, caller: Any) -> Value:
        """Follow a nested function or lambda."""

    @abstractmethod
    def answer(self, runnable: Any) -> Any:
        """Look at a Runnable's parts; the type of what it gives, where known."""

    def call(self, node: ast.Call, frame: Expressions) -> Value:
        """The value of a call, after looking at everything that it does."""
        if isinstance(node.func, ast.Attribute) and is_super(node.func.value, frame):
            return self._call_inherited(node.func.attr, self._arguments(node, frame), frame, node)
        if isinstance(node.func, ast.Attribute):
            owner = frame.eval(node.func.value)
            if owner.kind == "object" and type(owner.obj) in _BUILTIN:
                self.plain(owner.obj, frame, node)
                owner = data(type(owner.obj))
            if owner.kind != "object":
                return self._call_method(owner, node.func.attr, self._arguments(node, frame), frame, node)
            function = self.attribute(owner, node.func.attr, frame, node.func)
        else:
            function = frame.eval(node.func)
        arguments = self._arguments(node, frame)
        return self.call_value(function, arguments, frame, node)

    def _call_inherited(self, name: str, arguments: Arguments, frame: Any, node: ast.Call) -> Value:
        """``super().name(...)``."""
        found = inherited(name, frame)
        method = None if found is None else found[1].value()
        if found is not None:
            self.findings.see(found[1], "class", f"super().{name}", method)
        if found is not None and isinstance(method, FunctionType):
            return self.call_function(method, arguments, found[0], frame, node)
        if found is None or not stores(method):
            raise UnknownCodeError(at(frame, node, f"super().{name}() is not followed"))
        self._look_at_functions(arguments, frame, node)
        self._absorb_state(arguments, frame, node)
        return known(None)

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
        named: dict[str, Value] = {}
        more = False
        for argument in node.args:
            value = frame.eval(argument)
            if not isinstance(argument, ast.Starred):
                values.append(value)
            elif value.items is not None and not more:
                values.extend(value.items)
            else:
                more = True
        for keyword in node.keywords:
            if keyword.arg is None:
                frame.use(keyword.value)
                more = True
            else:
                named[keyword.arg] = frame.eval(keyword.value)
        return Arguments(tuple(values), named, more)

    def _call_method(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if owner.kind == "state":
            return self._call_on_state(name, arguments, frame, node)
        if owner.kind == "config":
            if name == "get" and arguments.values:
                return self.config_item(arguments.values[0], frame, node)
            self.findings.touch(f"{frame.place(node)} {name}() of the run")
            return DATA
        if owner.kind == "model":
            self.findings.waits = self.findings.asks = True
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
            if name in ("format", "format_map"):
                self._look_at_attributes(arguments, frame, node)
            if name in ("encode", "decode"):
                look_at_codec(arguments, 0, frame, node)
            self._absorb_state(arguments, frame, node)
            return results.of_method(owner, cls, name, arguments.values)
        if cls is not None:
            method = class_attribute(cls, name)
            if name in data_class_methods() and _has_fields(cls) and not is_users(getattr(method, "__func__", method)):
                if name_of_class(cls) is None:
                    self._look_into(cls, owner, Arguments((), {}, more=True), frame, node)
                return FRESH
            if isinstance(method, FunctionType) and not is_opaque(cls):
                self.findings.see(ClassAttribute(cls, name), "class", f"{cls.__name__}.{name}", method)
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
        if type(obj) not in _KNOWN_CALLABLES and not isinstance(obj, type):
            return self._call_instance(obj, arguments, frame, node)
        if isinstance(obj, functools.partial):
            for name in obj.keywords:
                self.findings.see(Item(obj.keywords, name), "code", name, obj.keywords[name])
            for value in obj.args:
                self.findings.see(Itself(value), "content", "an argument of a partial function", value)
            given = Arguments(
                (*map(known, obj.args), *arguments.values),
                {**{name: known(value) for name, value in obj.keywords.items()}, **arguments.named},
            )
            return self.call_object(obj.func, given, frame, node)
        if isinstance(obj, MethodType):
            return self._call_bound(obj, arguments, frame, node)
        special = runnables.special(obj)
        if special is not None:
            raise UnknownCodeError(at(frame, node, special))
        if runnables.is_model_factory(obj):
            self._hand_over(arguments, frame, node)
            return model(runnables.MESSAGE)
        if is_print(obj) and "file" not in arguments.named and not arguments.more:
            # Held back until the node's turn; what is printed is rendered at once, as by `str`.
            self.call_object(str, replace(arguments, named={}), frame, node)
            self.findings.speaks = True
            return known(None)
        if is_outside(obj):
            self._follow_functions(arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            self.findings.touch(at(frame, node, f"calls {'.'.join(qualified(obj))}"))
            return DATA
        if obj is asyncio.to_thread and arguments.values:
            self.findings.waits = self.findings.asks = True
            return self.call_value(arguments.values[0], replace(arguments, values=arguments.values[1:]), frame, node)
        if (obj is getattr or obj is hasattr) and len(arguments.values) > 1 and arguments.values[1].kind == "object":
            return self.attribute(arguments.values[0], arguments.values[1].obj, frame, node)
        if is_pure(obj):
            if type(obj) is FunctionType and home(obj) is not None:
                self.see_library(obj)
            if isinstance(obj, type):
                made = Methods(obj, ("__init__", "__new__"))
                self.findings.see(made, "class", f"constructors of {obj.__name__}", made.value())
            self._look_at_time(obj, frame, node)
            if obj is str or obj is bytes:
                # Whoever calls it for a text gives it nothing else.
                look_at_codec(replace(arguments, more=False), 1, frame, node)
            if getattr(obj, "__name__", "") in ("encode", "decode"):
                look_at_codec(arguments, 1 if hasattr(obj, "__objclass__") else 0, frame, node)
            self.findings.varies = self.findings.varies or varies(obj)
            self._look_at_functions(arguments, frame, node)
            self._look_at_called(obj, arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            owner = getattr(obj, "__self__", None)
            if owner is not None and not isinstance(owner, type | ModuleType):
                # A method that was taken off its object earlier.
                self.plain(owner, frame, node)
                self.findings.see(Itself(owner), "content", f"what {_name(obj)} belongs to", owner)
            if reads_clock(obj) and isinstance(owner, type):
                return fresh(owner)
            return results.of_pure(obj, arguments.values, list(arguments.named))
        if isinstance(obj, type):
            return self._construct(obj, arguments, frame, node)
        if isinstance(obj, FunctionType):
            return self.call_function(obj, arguments, None, frame, node)
        raise UnknownCodeError(at(frame, node, f"calls {_name(obj)}, which is not known"))

    def _call_instance(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        """Call an instance of a class, of which nothing is asked but what its class holds."""
        cls = type(obj)
        if cls is functools._lru_cache_wrapper:
            raise UnknownCodeError(at(frame, node, f"{obj.__name__!r} remembers its results"))
        if cls is operator.itemgetter:
            self._look_at_functions(arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            return data()
        method = class_attribute(cls, "__call__")
        if not is_users(method) or is_opaque(cls):
            raise UnknownCodeError(at(frame, node, f"calls a {cls.__qualname__}, which is not known"))
        self.findings.see(ClassAttribute(cls, "__call__"), "class", f"{cls.__name__}.__call__", method)
        return self.call_function(method, arguments, known(obj), frame, node)

    def call_function(
        self, function: FunctionType, arguments: Arguments, owner: Value | None, frame: Any, node: Any
    ) -> Value:
        """Call a Python function, if it is the user's own."""
        if not is_users(function):
            raise UnknownCodeError(at(frame, node, f"calls {'.'.join(qualified(function))}, which is not known"))
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UnknownCodeError(at(frame, node, f"the generator {function.__name__!r} is not followed"))
        return self.run(function, arguments, owner)

    def _call_bound(self, obj: MethodType, arguments: Arguments, frame: Any, node: Any) -> Value:
        owner, function = obj.__self__, obj.__func__
        name = getattr(function, "__name__", "")
        if runnables.is_logger(owner):
            if type(owner) not in _LOGGERS or name not in _LOGGING or arguments.more:
                raise UnknownCodeError(at(frame, node, f".{name}() of a {type(owner).__name__} is not followed"))
            self._look_at_functions(arguments, frame, node)
            self.findings.see(
                Computed(logging.getLogRecordFactory), "code", "the factory of log records", logging.LogRecord
            )
            self.findings.speaks = True
            self._absorb_state(arguments, frame, node)
            return known(None)
        if runnables.is_other_logger(owner):
            self._absorb_state(arguments, frame, node)
            self.findings.touch(at(frame, node, f"writes a log with {type(owner).__module__}"))
            return known(None)
        if isinstance(owner, type) and is_pure(obj):
            self._look_at_time(obj, frame, node)
            self.findings.varies = self.findings.varies or varies(obj)
            self._look_at_functions(arguments, frame, node)
            self._absorb_state(arguments, frame, node)
            return results.of_pure(owner, (), ())
        asked = runnables.asked(owner, name)
        if asked:
            answer = self.answer(owner)
            self._hand_over(arguments, frame, node)
            if runnables.shapes(name) and isinstance(function, FunctionType) and is_users(function):
                return self.call_function(function, arguments, known(owner), frame, node)
            return runnables.method_of_model(model(answer), name)
        if (is_outside(type(owner)) and name not in FILLING) or is_outside(obj):
            self._absorb_state(arguments, frame, node)
            self.findings.touch(at(frame, node, f"calls {'.'.join(qualified(function))}"))
            return DATA
        if (
            isinstance(owner, type)
            and issubclass(owner, BaseModel)
            and name in data_class_methods()
            and not is_users(function)
        ):
            self._absorb_state(arguments, frame, node)
            if name_of_class(owner) is None:
                self._look_into(owner, fresh(owner), Arguments((), {}, more=True), frame, node)
            return fresh(owner)
        if isinstance(function, FunctionType):
            return self.call_function(function, arguments, known(owner), frame, node)
        return self.call_object(function, arguments, frame, node)

    def _construct(self, cls: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        self._look_at_functions(arguments, frame, node)
        self._absorb_state(arguments, frame, node)
        if runnables.is_trusted_model(cls):
            return model(runnables.MESSAGE)
        if is_typed_dict(cls):
            return built(*arguments.named)
        if issubclass(cls, enum.Enum):
            self._look_into(cls, data(cls), Arguments((), {}), frame, node)
            return data(cls)
        given = built(*arguments.named, *filled_fields(cls))
        made = Value("data", fresh=True, typ=cls, shapes=given.shapes) if _has_fields(cls) else fresh(cls)
        self._look_into(cls, made, arguments, frame, node)
        return made

    def _look_into(self, cls: type, made: Value, arguments: Arguments, frame: Any, node: Any) -> None:
        """An instance is made, copied or dumped: the application's code that runs then is followed."""
        hidden = hidden_code(cls)
        if hidden.refused is not None:
            raise UnknownCodeError(at(frame, node, hidden.refused))
        own = Methods(cls, _OWN_METHODS)
        self.findings.see(own, "class", f"methods of {cls.__name__}", own.value())
        for name in ("__init__", "__new__", "__post_init__"):
            method = class_attribute(cls, name)
            if is_users(getattr(method, "__func__", method)):
                self.findings.see(ClassAttribute(cls, name), "class", f"{cls.__name__}.{name}", method)
            function = getattr(method, "__func__", method)
            if isinstance(function, FunctionType) and function.__defaults__ is not None:
                # Of fields, where the method was generated.
                place = FunctionPart(function, "__defaults__")
                self.findings.see(place, "class", f"{cls.__name__}.{name}", function.__defaults__)
        if hidden.init is not None:
            self.call_function(hidden.init, arguments, made, frame, node)
        for after in hidden.after:
            self.call_function(after, Arguments((), {}, more=True), made, frame, node)
        for function in hidden.functions:
            self.call_object(function, Arguments((DATA,), {}, more=True), frame, node)


def _has_fields(cls: type) -> bool:
    return issubclass(cls, BaseModel) or is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def _name(obj: Any) -> str:
    return repr(".".join(part for part in qualified(obj) if part) or type(obj).__name__)
