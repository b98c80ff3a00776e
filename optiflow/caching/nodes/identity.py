"""What code is: a digest that changes with everything that could change what a node does.

Bytecode, constants, defaults, closures, and the globals that the code names, followed through the application's own
functions and classes; of libraries, names and versions. Computed for each call, because values that a node closes over
may be replaced at any time; what never changes, the code objects, is remembered.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import sha256
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import ormsgpack
from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import Runnable
from langgraph.pregel.protocol import PregelProtocol
from pydantic import BaseModel, SecretBytes, SecretStr

from optiflow.caching.encoding import UncacheableError, canonical, class_path
from optiflow.caching.nodes.bytecode import Code, code_of, is_application, version_of
from optiflow.plan.inference.classes import changing_attributes, is_users
from optiflow.plan.inference.runnables import is_model_factory

__all__ = ["Identity", "UnidentifiedError", "identify"]

Tree = Any
_OPAQUE = (SecretStr, SecretBytes, logging.Logger, logging.LoggerAdapter)
"""What never changes an answer: keys of providers, and loggers."""
_LOGGING = ("structlog", "loguru", "optiflow")
_MUTABLE = (list, dict, set, bytearray)


class UnidentifiedError(Exception):
    """Something that the code uses has no identity that could be compared; the text says what."""


@dataclass(frozen=True)
class Identity:
    """What the code is, and what it uses."""

    digest: bytes
    models: tuple[Any, ...]
    """Language models that it can reach."""
    uses: frozenset[int]
    """``id`` of every object that it names."""
    graphs: bool
    """Whether it can reach a graph, which would run under the same configuration."""
    makes: str | None
    """Where it makes a model; None: nowhere."""
    tunes: bool
    """Whether it names what sets how random a model is."""


def identify(functions: Iterable[Any], *, vouched: bool = False) -> Identity:
    """Find out what some functions are.

    Args:
        functions: The callables of a node.
        vouched: Whether somebody answers for it that they depend on nothing but their input and constants. What
            changes as the program runs (lower-case containers, counters, what has no identity) then does not count.

    Raises:
        UnidentifiedError: They use something that can't be compared.
    """
    walk = _Walk(vouched)
    try:
        tree = [walk.of(function) for function in functions]
        digest = sha256(ormsgpack.packb(tree)).digest()
    except UnidentifiedError:
        raise
    except Exception as error:
        # Looking at an application's objects may run its code, and nothing of that may stop it.
        raise UnidentifiedError(f"its code can't be compared: {error!r}") from error
    return Identity(digest, tuple(walk.models), frozenset(walk.uses), walk.graphs, walk.makes, walk.tunes)


@dataclass
class _Walk:
    vouched: bool
    models: list[Any] = field(default_factory=list)
    uses: set[int] = field(default_factory=set)
    graphs: bool = False
    makes: str | None = None
    tunes: bool = False
    begun: dict[int, int] = field(default_factory=dict)
    done: dict[int, bytes] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    """Objects made on the way, whose ``id`` must not be used again."""

    def of(self, obj: Any) -> Tree:
        """An object as a tree of plain values."""
        self.uses.add(id(obj))
        if obj is None or (isinstance(obj, str | int | float | bytes) and type(obj) in (str, int, float, bytes, bool)):
            return ["is", obj if not isinstance(obj, int) else str(obj)]
        at = id(obj)
        if at in self.done:
            return self.done[at]
        if at in self.begun:
            return ["again", self.begun[at]]
        self.begun[at] = len(self.begun)
        self.kept.append(obj)
        self.done[at] = sha256(ormsgpack.packb(self._of_object(obj))).digest()
        del self.begun[at]
        return self.done[at]

    def _of_object(self, obj: Any) -> Tree:
        cls = type(obj)
        if cls in (list, tuple):
            return [cls.__name__, *map(self.of, obj)]
        if cls in (set, frozenset):
            return [cls.__name__, *sorted(ormsgpack.packb(self.of(each)) for each in obj)]
        if cls is dict:
            return ["dict", *self._items(obj)]
        if isinstance(obj, functools.partial):
            return ["partial", self.of(obj.func), self.of(obj.args), self.of(obj.keywords)]
        if isinstance(obj, MethodType):
            return ["method", self.of(obj.__func__), self.of(obj.__self__)]
        if isinstance(obj, FunctionType):
            return self._function(obj)
        if isinstance(obj, type):
            return self._class(obj)
        if isinstance(obj, ModuleType):
            return ["module", obj.__name__, version_of(obj.__name__)]
        if isinstance(obj, BuiltinFunctionType):
            owner = None if isinstance(obj.__self__, ModuleType | None) else self.of(obj.__self__)
            return ["builtin", str(obj.__module__), obj.__qualname__, owner]
        if isinstance(obj, re.Pattern):
            return ["pattern", self.of(obj.pattern), obj.flags]
        if isinstance(obj, _OPAQUE) or cls.__module__.partition(".")[0] in _LOGGING:
            return ["opaque", class_path(cls), *self._closed_over(obj)]
        return self._instance(obj, cls)

    def _closed_over(self, obj: Any) -> list[Tree]:
        return [self.of(obj.model)] if isinstance(getattr(obj, "model", None), BaseLanguageModel) else []

    def _items(self, entries: Mapping[Any, Any]) -> list[Tree]:
        keyed = sorted(((ormsgpack.packb(self.of(key)), key) for key in entries), key=lambda pair: pair[0])
        return [[packed, self.of(entries[key])] for packed, key in keyed]

    def _function(self, function: FunctionType) -> Tree:
        code = code_of(function.__code__)
        # A library's decorator closes over the application's function.
        cells = self._cells(function, code)
        if not is_users(function):
            if is_model_factory(function):
                self.makes = self.makes or f"it makes a model with {function.__name__}"
            return ["library", function.__module__, function.__qualname__, version_of(function.__module__), cells]
        if (function.__module__ or "").partition(".")[0] == "optiflow":
            return ["optiflow", function.__qualname__, code.digest, cells]
        self.tunes = self.tunes or code.tunes
        named = []
        for name in code.global_names:
            if name in function.__globals__ and not self._is_state(name, function.__globals__[name], code):
                value = function.__globals__[name]
                named.append([name, self.of(value), self._from_module(value, code)])
        return ["function", function.__qualname__, code.digest, self.of(function.__defaults__),
                self.of(function.__kwdefaults__), named, cells]  # fmt: skip

    def _cells(self, function: FunctionType, code: Code) -> list[Tree]:
        cells: list[Tree] = []
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                raise UnidentifiedError(f"{name!r} has no value yet") from None
            if not self._is_state(name, value, code):
                cells.append([name, self.of(value)])
        return cells

    def _is_state(self, name: str, value: Any, code: Code) -> bool:
        """Whether a variable is what the program does with it rather than part of the code."""
        return self.vouched and (name in code.assigned or (isinstance(value, _MUTABLE) and not name.isupper()))

    def _from_module(self, module: Any, code: Code) -> list[Tree]:
        """What the code takes from a module of the application."""
        if not isinstance(module, ModuleType) or not is_application(module):
            return []
        return [[name, self.of(vars(module)[name])] for name in code.names if name in vars(module)]

    def _class(self, cls: type) -> Tree:
        if issubclass(cls, BaseLanguageModel):
            self.makes = self.makes or f"it makes a model of class {cls.__name__}"
        if not is_application(sys.modules.get(cls.__module__)):
            return ["library", class_path(cls), version_of(cls.__module__)]
        return self._body(cls)

    def _body(self, cls: type) -> Tree:
        bases = [self._body(base) if is_application(sys.modules.get(base.__module__)) else class_path(base)
                 for base in cls.__mro__[1:]]  # fmt: skip
        members = []
        for name, member in sorted(vars(cls).items()):
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            function = getattr(function, "func", function)
            if isinstance(function, FunctionType) and is_users(function):
                members.append([name, self.of(function)])
            elif isinstance(member, str | int | float | bytes | tuple | frozenset) and (
                name == "__doc__" or name[:2] != "__"
            ):
                members.append([name, self.of(member)])
        return ["class", class_path(cls), bases, members, _declared(cls)]

    def _instance(self, obj: Any, cls: type) -> Tree:
        if isinstance(obj, PregelProtocol):
            self.graphs = True
            return self._unknown("a graph", cls)
        if isinstance(obj, BaseLanguageModel):
            self.models.append(obj)
        before = self.makes, self.tunes
        kind = self._class(cls)
        # What a model's own code makes and names is its affair.
        self.makes, self.tunes = before
        users = is_application(sys.modules.get(cls.__module__))
        if isinstance(obj, BaseModel):
            known = type(obj).model_fields
            held = {name: each for name, each in vars(obj).items() if name in known and not known[name].exclude}
            held |= obj.__pydantic_private__ or {}
        elif is_dataclass(obj):
            held = {each.name: getattr(obj, each.name, None) for each in fields(obj)}
        elif hasattr(obj, "__dict__") and (users or isinstance(obj, Runnable)):
            held = dict(vars(obj))
        else:
            return self._plain(obj, cls)
        if self.vouched and users:
            changing = changing_attributes(cls)
            held = {n: each for n, each in held.items() if n not in changing and not isinstance(each, _MUTABLE)}
        return ["instance", kind, self._items(held)]

    def _plain(self, obj: Any, cls: type) -> Tree:
        wrapped = getattr(obj, "__wrapped__", None)
        if isinstance(wrapped, FunctionType):
            return ["wrapped", class_path(cls), self.of(wrapped)]
        try:
            return ["value", class_path(cls), canonical(obj)]
        except UncacheableError:
            pass
        if cls.__module__ in ("pathlib", "builtins", "typing", "types", "zoneinfo", "functools", "operator"):
            return ["shown", class_path(cls), re.sub(r" at 0x[0-9a-f]+", "", repr(obj))]
        return self._unknown(f"a {cls.__name__}", cls)

    def _unknown(self, what: str, cls: type) -> Tree:
        if not self.vouched:
            raise UnidentifiedError(f"it uses {what}, which can't be compared")
        return ["some", class_path(cls), version_of(cls.__module__)]


def _declared(cls: type) -> str:
    """Fields as they are written in a class; of a pydantic model, what a model provider is told of them."""
    declared = {name: repr(hint) for name, hint in vars(cls).get("__annotations__", {}).items()}
    if issubclass(cls, BaseModel):
        declared |= {name: repr(info) for name, info in cls.model_fields.items()}
    return re.sub(r" at 0x[0-9a-f]+", "", repr(declared))
