"""Attributes, items and other objects in a node's code."""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from optiflow.plan.inference.classes import changing_attributes, is_message, is_users
from optiflow.plan.inference.findings import Findings
from optiflow.plan.inference.knowledge import MUTATORS
from optiflow.plan.inference.values import CONFIG, DATA, Value, data, field_of, known, plain_class

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


class Objects:
    """Looks at objects; a subclass follows calls."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    @abstractmethod
    def call_object(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        """Call a known object."""

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
        prop = inspect.getattr_static(plain_class(owner.typ), name, None) if owner.typ is not None else None
        if isinstance(prop, property) and is_users(prop.fget):
            return self.call_object(prop.fget, Arguments((owner,), {}), frame, node)
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
        if not isinstance(obj, type) and name in changing_attributes(cast(Hashable, type(obj))):
            self.findings.touch(f"{frame.place(node)} .{name} changes as {type(obj).__name__} is used")
        return self.of_object(found, name, frame, node)

    def config_item(self, key: Value, frame: Expressions, node: ast.AST) -> Value:
        """An item of the run's configuration, which is the same for every node but for LangGraph's own entries."""
        self.findings.configure(key.texts)
        if key.texts is None:
            return CONFIG
        for name in key.texts:
            if name == "store" or name.startswith(("__", "checkpoint")):
                self.findings.touch(f"{frame.place(node)} {name!r} of the run")
        return CONFIG if key.texts == {"configurable"} else data()
