"""Attributes, items and other objects in a node's code: found without running any code of the application's."""

from __future__ import annotations

import ast
import contextlib
import sys
from abc import abstractmethod
from collections import namedtuple
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, EnumMeta
from functools import lru_cache
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from langchain_core.prompts.message import BaseMessagePromptTemplate
from langchain_core.runnables import Runnable

from optiflow.plan.guards.content import CONTAINERS, LEAVES, SCALARS, is_plain
from optiflow.plan.guards.reads import (
    MISSING,
    Attribute,
    Attributes,
    ClassAttribute,
    ClassOf,
    FunctionPart,
    Item,
    Kind,
    Methods,
    Place,
    Slot,
)
from optiflow.plan.inference.classes import changing_attributes, is_message, is_users
from optiflow.plan.inference.findings import Findings
from optiflow.plan.inference.knowledge import MUTATORS
from optiflow.plan.inference.static import BINDING, class_attribute, has_dict, is_opaque, is_plain_metaclass
from optiflow.plan.inference.stored import is_changed, is_stored
from optiflow.plan.inference.values import CONFIG, DATA, Value, data, field_of, known, plain_class
from optiflow.plan.inference.vouching import home

if TYPE_CHECKING:
    from optiflow.plan.inference.expressions import Expressions

__all__ = ["Arguments", "Objects"]


@dataclass(frozen=True)
class Arguments:
    """The evaluated arguments of a call."""

    values: tuple[Value, ...]
    named: dict[str, Value]
    more: bool = False
    """Whether there may be others, unpacked from something."""

    @property
    def all(self) -> tuple[Value, ...]:
        """Every argument."""
        return (*self.values, *self.named.values())

    @property
    def has_state(self) -> bool:
        """Whether the node's state itself is among them."""
        return any(value.kind == "state" for value in self.all)


_HARMLESS_CONTEXTS = (contextlib.suppress, contextlib.nullcontext)
_TUPLE_FIELD: Any = type(namedtuple("_Field", "it").it)  # type: ignore[attr-defined]
_RUNNING = (
    "invoke", "ainvoke", "stream", "astream", "batch", "abatch", "_generate", "_agenerate", "_stream", "_astream",
    "_call", "_acall",
)  # fmt: skip
"""Methods of Runnables that do their work."""

_HELPING = (
    "parse", "aparse", "parse_result", "aparse_result", "format", "aformat", "format_prompt", "aformat_prompt",
    "format_messages", "aformat_messages", "_convert_input", "generate", "agenerate", "generate_prompt",
    "agenerate_prompt",
)  # fmt: skip
"""Methods of parsers, prompts and models, those that have them, by which they do it."""

_READING = BINDING | {
    property, MemberDescriptorType, GetSetDescriptorType, _TUPLE_FIELD, type(class_attribute(Enum, "value")),
}  # fmt: skip
"""Types of attributes of a class that give what is stored, and keep nothing."""

_HEAP_TYPE = 1 << 9
"""Flag of classes that are no builtins: their instances may be given another class."""

_REGISTERS = frozenset({list, tuple, frozenset})

_NAMES = frozenset({"__name__", "__qualname__", "__module__", "__doc__"})
"""Attributes of classes and functions that Python itself keeps."""


class Objects:
    """Looks at objects; a subclass follows calls."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    @abstractmethod
    def call_object(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        """Call a known object."""

    def found(
        self, place: Place, kind: Kind, label: str, frame: Expressions, node: ast.AST, *, steady: bool = True
    ) -> Value:
        """What the code finds in a place outside of its state."""
        obj = place.value()
        if type(obj) in CONTAINERS:
            fixed = type(obj) in (tuple, frozenset) and LEAVES.issuperset(map(type, obj))
            steady = steady and (fixed or not is_changed(label.rpartition(".")[2]))
            if not label.rpartition(".")[2].isupper() and type(obj) not in (tuple, frozenset):
                self.findings.touch(f"{frame.place(node)} the mutable {label!r} is not part of the state")
        self.findings.see(place, kind, label, obj, steady=steady)
        return known(obj)

    def picked(self, container: Any, key: Value, frame: Expressions, node: ast.AST) -> Value:
        """An item of a known list, dict or tuple."""
        if key.kind == "object" and type(key.obj) in SCALARS:
            try:
                return known(container[key.obj])
            except (KeyError, IndexError, TypeError):
                return data()
        self.plain(container, frame, node)
        if all(type(item) is str for item in (container.values() if type(container) is dict else container)):
            return data(str)
        return data()

    def plain(self, obj: Any, frame: Expressions, node: ast.AST) -> None:
        """An object is looked into; one that is not plain data ends the analysis."""
        if not is_plain(obj):
            frame.give_up(node, f"looks into a {type(obj).__name__} that holds more than plain data")

    def imported(self, name: str, frame: Expressions, node: ast.AST) -> ModuleType:
        """A module that is loaded already; loading one runs its code."""
        module = sys.modules.get(name)
        if type(module) is not ModuleType:
            frame.give_up(node, f"imports {name!r}, which is not loaded yet")
        self.findings.see(Item(sys.modules, name), "global", name, module)
        return module

    def enter(self, value: Value, frame: Expressions, node: ast.AST) -> Value:
        """What a ``with`` block binds."""
        if value.typ not in _HARMLESS_CONTEXTS:
            frame.give_up(node, "a context manager that is not known")
        return value

    def attribute(self, owner: Value, name: str, frame: Expressions, node: ast.expr) -> Value:
        """``owner.name``."""
        if owner.kind == "state":
            return self._state_attribute(name, frame, node)
        if owner.kind == "config":
            if name in ("context", "configurable"):
                self.findings.configure(frozenset({name}))
                return data() if name == "context" else CONFIG
            self.findings.touch(f"{frame.place(node)} .{name} of the run")
            return DATA
        if owner.kind == "object":
            return self._object_attribute(owner.obj, name, frame, node)
        if owner.kind == "model":
            return data()
        if owner.typ is not None and name == "content" and is_message(plain_class(owner.typ)):
            return data(str)
        if not owner.fresh and name in MUTATORS:
            frame.give_up(node, f"takes .{name} of a value that it did not make")
        cls = plain_class(owner.typ)
        return self._attribute_of(owner, cls, name, frame, node) if cls is not None else data()

    def _attribute_of(self, owner: Value, cls: type, name: str, frame: Expressions, node: ast.expr) -> Value:
        """An attribute of a value of which only the class is known."""
        inherited = class_attribute(cls, name)
        if is_opaque(cls):
            frame.give_up(node, f"{cls.__name__} has a say in how its attributes are read")
        if type(inherited) is property and is_users(inherited.fget):
            self.findings.see(ClassAttribute(cls, name), "class", f"{cls.__name__}.{name}", inherited)
            return self.call_object(inherited.fget, Arguments((owner,), {}), frame, node)
        if type(inherited) not in _READING and class_attribute(type(inherited), "__get__") is not MISSING:
            frame.give_up(node, f".{name} of {cls.__name__} is computed when it is asked for")
        self.findings.see(ClassAttribute(cls, name), "class", f"{cls.__name__}.{name}", inherited)
        own = field_of(owner.typ, name)
        if inherited is MISSING and own is None and is_users(class_attribute(cls, "__getattr__")):
            frame.give_up(node, f".{name} of {cls.__name__} is made up when it is asked for")
        return data(own)

    def _state_attribute(self, name: str, frame: Expressions, node: ast.expr) -> Value:
        state = self.findings.state
        if state.attributes and name in state.keys:
            self.findings.read(name)
            return data(state.types.get(name))
        if name in state.computed:
            frame.give_up(node, f".{name} of the state is computed by code of its schema")
        self.findings.read_whole(f"{frame.place(node)} .{name}")
        return DATA

    def _object_attribute(self, obj: Any, name: str, frame: Expressions, node: ast.expr) -> Value:
        cls = type(obj)
        if cls is ModuleType:
            if name in vars(obj):
                return self.found(Item(vars(obj), name), "global", name, frame, node)
            frame.give_up(node, f"{obj.__name__}.{name} is not loaded yet")
        if issubclass(cls, type):
            return self._class_attribute(obj, name, frame, node)
        if is_opaque(cls) or issubclass(cls, ModuleType):
            frame.give_up(node, f"{cls.__name__} has a say in how its attributes are read")
        if cls is FunctionType and name in _NAMES:
            return data(str)
        label = f"{cls.__name__}.{name}"
        if type.__getattribute__(cls, "__flags__") & _HEAP_TYPE:
            self.findings.see(ClassOf(obj), "class", f"the class of a {cls.__name__}", cls)
        place = ClassAttribute(cls, name)
        inherited = place.value()
        if type(inherited) is MemberDescriptorType:
            self._is_changing(obj, name, frame, node)
            slot = Slot(obj, inherited)
            if slot.value() is MISSING:
                frame.give_up(node, f"{label} has no value yet")
            return self.found(slot, "attribute", label, frame, node, steady=_is_steady(name, slot.value()))
        if type(inherited) is GetSetDescriptorType:
            if cls not in LEAVES:
                frame.give_up(node, f"takes .{name} of a {cls.__name__}, which is not known")
            return data()
        if type(inherited) is property:
            self.findings.see(place, "class", label, inherited)
            if not isinstance(inherited.fget, FunctionType):
                frame.give_up(node, f".{name} of {cls.__name__} is computed when it is asked for")
            return self.call_object(inherited.fget, Arguments((known(obj),), {}), frame, node)
        if issubclass(cls, Enum) and inherited is class_attribute(Enum, name) and name in ("name", "value"):
            return self.found(Attribute(obj, f"_{name}_"), "attribute", label, frame, node)
        if type(inherited) is _TUPLE_FIELD:
            return known(inherited.__get__(obj))
        own = Attribute(obj, name) if has_dict(cls) else None
        if own is not None and own.value() is not MISSING and class_attribute(type(inherited), "__set__") is MISSING:
            self.findings.see(place, "class", label, inherited)
            self._is_changing(obj, name, frame, node)
            return self.found(own, "attribute", label, frame, node, steady=_is_steady(name, own.value()))
        if inherited is MISSING:
            frame.give_up(node, f"{name!r} is made up when it is asked for")
        if own is not None:
            self.findings.see(own, "attribute", label, MISSING)
        return self._inherited(place, inherited, obj, cls, label, frame, node)

    def _inherited(
        self, place: Place, inherited: Any, obj: Any, cls: type, label: str, frame: Expressions, node: ast.expr
    ) -> Value:
        """What a class has under a name, asked for by way of an instance, or of the class where there is none."""
        if type(inherited) in BINDING:
            self.findings.see(place, "class", label, inherited)
            return known(inherited.__get__(obj, cls))
        if class_attribute(type(inherited), "__get__") is not MISSING:
            frame.give_up(node, f"{label} is computed when it is asked for")
        return self.found(place, "class", label, frame, node, steady=_is_steady(label.rpartition(".")[2], inherited))

    def _class_attribute(self, cls: Any, name: str, frame: Expressions, node: ast.expr) -> Value:
        if name in _NAMES:
            return data(str)
        if not is_plain_metaclass(type(cls)):
            frame.give_up(node, f"the class of {cls.__name__} has a say in how its attributes are read")
        if isinstance(cls, EnumMeta) and name in cls.__members__:
            return known(cls.__members__[name])
        place = ClassAttribute(cls, name)
        inherited = place.value()
        if inherited is MISSING:
            inherited = class_attribute(type(cls), name)
            if type(inherited) is not FunctionType:
                frame.give_up(node, f"{name!r} is made up when it is asked for")
            return known(inherited.__get__(cls))
        return self._inherited(place, inherited, None, cls, f"{cls.__name__}.{name}", frame, node)

    def _is_changing(self, obj: Any, name: str, frame: Expressions, node: ast.expr) -> None:
        if name in changing_attributes(cast(Hashable, type(obj))):
            self.findings.touch(f"{frame.place(node)} .{name} changes as {type(obj).__name__} is used")

    def see_function(self, function: FunctionType) -> None:
        """A function is followed: its code and its defaults have to stay what they are."""
        name = function.__name__
        self.findings.see(FunctionPart(function, "__code__"), "code", name, function.__code__)
        if function.__defaults__ is not None:
            self.findings.see(
                FunctionPart(function, "__defaults__"), "code", name, function.__defaults__,
                steady=is_steady(function.__defaults__),
            )  # fmt: skip
        if function.__kwdefaults__ is not None:
            self.findings.see(
                FunctionPart(function, "__kwdefaults__"), "code", name, function.__kwdefaults__, steady=False
            )

    def see_library(self, function: FunctionType) -> None:
        """A library's function is called: it has to stay what it is, and what it names with it.

        Dicts and sets in which it remembers things are its own business; lists are registers, such as those of the
        schemes of addresses.
        """
        calling = [function]
        for name in _global_names(function.__code__):
            value = function.__globals__.get(name, MISSING)
            if value is not MISSING and (type(value) in _REGISTERS or type(value) not in CONTAINERS):
                self.findings.see(Item(function.__globals__, name), "code", f"{function.__module__}.{name}", value)
                if type(value) is FunctionType and home(value) is not None:
                    calling.append(value)
        for each in calling:
            self.see_function(each)

    def see_runnable(self, runnable: Any) -> None:
        """A Runnable is asked: its class's methods, and what it is set to, have to stay what they are."""
        todo, done = [runnable], set[int]()
        while todo:
            each = todo.pop()
            cls = type(each)
            helping = (name for name in _HELPING if class_attribute(cls, name) is not MISSING)
            methods = Methods(cls, (*_RUNNING, *helping))
            self.findings.see(methods, "code", f"methods of {cls.__name__}", methods.value())
            if has_dict(cls):
                settings = Attributes(each)
                stored = settings.value()
                self.findings.see(settings, "attribute", f"settings of {cls.__name__}", stored)
                done.add(id(each))
                todo += [part for part in _parts_of(stored) if id(part) not in done]

    def config_item(self, key: Value, frame: Expressions, node: ast.AST) -> Value:
        """An item of the run's configuration, which is the same for every node but for LangGraph's own entries."""
        self.findings.configure(key.texts)
        if key.texts is None:
            return CONFIG
        for name in key.texts:
            if name == "store" or name.startswith(("__", "checkpoint")):
                self.findings.touch(f"{frame.place(node)} {name!r} of the run")
        return CONFIG if key.texts == {"configurable"} else data()


@lru_cache(maxsize=1024)
def _global_names(code: CodeType) -> tuple[str, ...]:
    """Names that a function, and those within it, may look up outside of themselves."""
    names = dict.fromkeys(code.co_names)
    for inner in code.co_consts:
        if type(inner) is CodeType:
            names |= dict.fromkeys(_global_names(inner))
    return tuple(names)


def _parts_of(settings: tuple[Any, ...]) -> list[Any]:
    """What a Runnable is made of: other Runnables, and the messages of prompts, by themselves or in a list."""
    parts: list[Any] = []
    for setting in settings:
        held = setting.values() if type(setting) is dict else setting
        parts += held if type(setting) in (list, tuple, dict) else [setting]
    return [part for part in parts if isinstance(part, Runnable | BaseMessagePromptTemplate)]


def _is_steady(name: str, value: Any) -> bool:
    """Whether an attribute keeps its value: objects stay, and nobody assigns a scalar under this name."""
    return type(value) not in SCALARS or not is_stored(name)


def is_steady(values: tuple[Any, ...]) -> bool:
    """Whether none of these can change."""
    return CONTAINERS.isdisjoint(map(type, values))
