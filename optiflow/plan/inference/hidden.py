"""Code of the application's that runs although nobody calls it: when an instance of a class is made, dumped or used.

Default factories, validators, serializers and computed fields (as pydantic's core schema has them), constructors,
descriptors, operators and properties. What is a library's own is known to be harmless; the application's has to be
followed, and whatever else may run is a reason to give up.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing
from collections.abc import Hashable
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any, cast

import typing_extensions
from pydantic import BaseModel

from optiflow.plan.inference.core_schema import functions_of
from optiflow.plan.inference.knowledge import is_pure, varies
from optiflow.plan.inference.operations import FIXED, hidden_operations, inert, metaclass_is_known
from optiflow.plan.inference.vouching import (
    ABSENT,
    attribute_of,
    home,
    is_generated,
    is_users,
    is_users_file,
    name_of_class,
)

__all__ = ["Hidden", "hidden_code", "is_typed_dict"]

_LIBRARIES = frozenset({"pydantic", "pydantic_core", "langchain_core", "langgraph", "annotated_types", "typing"})
"""Packages whose own validators and factories only compute."""


@dataclass(frozen=True)
class Hidden:
    """What runs when an instance of a class is made, copied or dumped."""

    init: Any = None
    """The application's ``__init__``: called with the instance and the arguments."""
    after: tuple[FunctionType, ...] = ()
    """Functions of the application's that are called with the new instance."""
    functions: tuple[Any, ...] = ()
    """Other functions and classes of the application's that are called, with data: validators, factories."""
    refused: str | None = None
    """Why nobody can say what runs, if so."""

    @property
    def first(self) -> str | None:
        """What runs of the application's, in words; None where nothing does."""
        if self.refused is not None:
            return self.refused
        for each in (self.init, *self.after, *self.functions):
            if each is not None:
                return str(getattr(each, "__name__", type(each).__name__))
        return None


@dataclass
class _Looking:
    """What is found in one class."""

    init: Any = None
    after: list[FunctionType] = field(default_factory=list)
    functions: list[Any] = field(default_factory=list)
    nested: set[type] = field(default_factory=set)
    refused: str | None = None

    def refuse(self, why: str) -> None:
        self.refused = self.refused or why

    def call(self, function: Any, what: str) -> None:
        """A function or class is called, with data or with nothing."""
        if type(function) is functools.partial:
            for part in (*function.args, *function.keywords.values()):
                _look_at_value(part, self)
            self.call(function.func, what)
            return
        if is_pure(function) and not varies(function):
            return
        plain = function.__func__ if isinstance(function, MethodType) else function
        if isinstance(plain, FunctionType) and not is_users(plain):
            origin = home(plain) or ""
            if origin.partition(".")[0] not in _LIBRARIES and not is_generated(plain):
                self.refuse(f"{what} is a function of a library that is not known")
            return
        if isinstance(function, FunctionType | MethodType | type) or is_pure(function):
            if function not in self.functions:
                self.functions.append(function)
            return
        self.refuse(f"{what} is a {type(function).__name__}, which is not known")


def hidden_code(cls: type) -> Hidden:
    """Find out what runs when an instance of a class is made, copied or dumped."""
    looking = _Looking()
    _look(cls, looking)
    return Hidden(looking.init, tuple(looking.after), tuple(looking.functions), looking.refused)


def _look(cls: type, looking: _Looking) -> None:
    name = cls.__name__
    if is_typed_dict(cls):
        return
    if not metaclass_is_known(cls):
        looking.refuse(f"the class of {name} has a say in how instances are made")
        return
    if attribute_of(cls, "__del__") is not ABSENT and is_users(attribute_of(cls, "__del__")):
        looking.refuse(f"{name}.__del__ runs when an instance is dropped")
    if isinstance(cls, enum.EnumMeta):
        _look_at_enum(cls, looking)
    elif issubclass(cls, BaseModel):
        _look_at_model(cls, looking)
    elif dataclasses.is_dataclass(cls):
        _look_at_dataclass(cls, looking)
    else:
        _look_at_class(cls, looking)


def is_typed_dict(cls: type) -> bool:
    """Whether calling a class makes a plain dict."""
    return type(cls).__name__ == "_TypedDictMeta" and (typing.is_typeddict(cls) or typing_extensions.is_typeddict(cls))


def _look_at_enum(cls: Any, looking: _Looking) -> None:
    if not cls.__members__:
        looking.refuse(f"calling {cls.__name__} makes a class")
    missing = attribute_of(cls, "_missing_")
    function = getattr(missing, "__func__", missing)
    if is_users(function):
        looking.functions.append(MethodType(function, cls) if type(missing) is classmethod else function)
    if issubclass(cls, enum.Flag) and is_users(attribute_of(cls, "_new_member_")):
        looking.refuse(f"{cls.__name__}.__new__ runs for combined flags")
    for member in cls.__members__.values():
        _look_at_value(member.value, looking)


def _look_at_model(cls: Any, looking: _Looking) -> None:
    _refuse_makers(cls, looking)
    for name in ("model_dump", "model_copy", "copy", "dict", "json", "__iter__", "__copy__", "__deepcopy__"):
        if is_users(attribute_of(cls, name)):
            looking.refuse(f"{cls.__name__}.{name} is the application's own")
    init = attribute_of(cls, "__init__")
    if isinstance(init, FunctionType) and (home(init) or "").partition(".")[0] not in _LIBRARIES:
        looking.refuse(f"{cls.__name__}.__init__ runs before its fields are validated")
    post = attribute_of(cls, "model_post_init")
    if is_users(post):
        looking.after.append(post)
    elif cls.__pydantic_post_init__ and isinstance(post, FunctionType):
        # With private attributes, pydantic wraps the application's function.
        for cell in post.__closure__ or ():
            if is_users(cell.cell_contents):
                looking.after.append(cell.cell_contents)
    for private in cls.__private_attributes__.values():
        if private.default_factory is not None:
            looking.call(private.default_factory, "the factory of a private attribute")
        _look_at_value(private.default, looking)
    _look_at_schema(cls, looking)


def _look_at_schema(cls: Any, looking: _Looking) -> None:
    schema = attribute_of(cls, "__pydantic_core_schema__")
    if type(schema) is not dict:
        looking.refuse(f"the schema of {cls.__name__} is not complete yet")
        return
    found = functions_of(schema)
    if found.refused is not None:
        looking.refuse(f"{cls.__name__}: {found.refused}")
    for value in found.defaults:
        _look_at_value(value, looking)
    for function in found.functions:
        looking.call(function, f"a validator or factory of {cls.__name__}")
    for each in found.computed:
        value = attribute_of(*each)
        function = value.fget if type(value) is property else getattr(value, "func", None)
        looking.call(function, f"the computed field {each[1]}")
    for inner in found.classes:
        if inner is not cls:
            _look_at_nested(inner, looking)


def _look_at_nested(cls: Any, looking: _Looking) -> None:
    """A class that is named in the schema of another one."""
    if cls in looking.nested or name_of_class(cls) is not None:
        return
    looking.nested.add(cls)
    inner = _Looking(nested=looking.nested)
    _look(cls, inner)
    # It is called with an instance of another class than the one that is asked about.
    looking.functions += [each for each in (inner.init, *inner.after, *inner.functions) if each is not None]
    if inner.refused is not None:
        looking.refuse(inner.refused)


def _look_at_value(value: Any, looking: _Looking, depth: int = 0) -> None:
    """A value that a class keeps is copied, compared or handed out."""
    cls = type(value)
    if cls in FIXED or isinstance(value, type):
        return
    parts: Any = ()
    if cls in (list, tuple, set, frozenset):
        parts = value
    elif cls is dict:
        parts = [each for pair in value.items() for each in pair]
    elif isinstance(value, enum.Enum):
        # A member is handed out as it is, and at most compared.
        if any(name[:2] == "__" for name in hidden_operations(cls)):
            looking.refuse(f"{cls.__name__} compares its members by code of its own")
    elif not inert(cast(Hashable, cls)):
        looking.refuse(f"a {cls.__name__} is kept in a class, which may run code of its own when it is used")
    else:
        parts = (*(tuple.__iter__(value) if isinstance(value, tuple) else ()), *getattr(value, "__dict__", {}).values())
    if depth > _DEEPEST:
        looking.refuse("values are nested too deep in a class")
        return
    for part in parts:
        _look_at_value(part, looking, depth + 1)


_DEEPEST = 4


def _look_at_dataclass(cls: Any, looking: _Looking) -> None:
    init = attribute_of(cls, "__init__")
    if attribute_of(cls, "__pydantic_core_schema__") is not ABSENT:
        _look_at_schema(cls, looking)
    elif type(init) is not FunctionType or not is_generated(init):
        _look_at_class(cls, looking)
        return
    _refuse_makers(cls, looking)
    post = attribute_of(cls, "__post_init__")
    if post is not ABSENT:
        if any(each._field_type is dataclasses._FIELD_INITVAR for each in cls.__dataclass_fields__.values()):  # type: ignore[attr-defined]
            looking.refuse(f"{cls.__name__}.__post_init__ takes arguments")
        elif isinstance(post, FunctionType):
            looking.after.append(post)
        else:
            looking.refuse(f"{cls.__name__}.__post_init__ is not known")
    for each in cls.__dataclass_fields__.values():
        if each.default_factory is not dataclasses.MISSING:
            looking.call(each.default_factory, f"the factory of {cls.__name__}.{each.name}")
        stored = attribute_of(cls, each.name)
        if stored is not ABSENT and is_users(attribute_of(type(stored), "__set__")):
            looking.refuse(f"{cls.__name__}.{each.name} is stored by code of its own")
        if type(stored) is property and is_users(stored.fset):
            looking.refuse(f"{cls.__name__}.{each.name} is stored by code of its own")


def _look_at_class(cls: type, looking: _Looking) -> None:
    """A plain class, a named tuple, an exception, or a subclass of a builtin."""
    _refuse_makers(cls, looking)
    init = attribute_of(cls, "__init__")
    if isinstance(init, FunctionType):
        if is_users_file(init.__code__.co_filename) and not is_generated(init):
            looking.init = init
        elif not is_generated(init) and not is_pure(_owner_of(cls, "__init__")):
            looking.refuse(f"{cls.__name__}.__init__ is a library's, which is not known")
    elif not _is_builtins(init):
        looking.refuse(f"{cls.__name__}.__init__ is not known")


def _refuse_makers(cls: type, looking: _Looking) -> None:
    """Functions that run before, or instead of, what stores the fields."""
    for name in ("__new__", "__setattr__", "__getattribute__"):
        function = attribute_of(cls, name)
        function = getattr(function, "__func__", function)
        owner = _owner_of(cls, name)
        if isinstance(function, FunctionType) and not is_generated(function):
            if home(function) is None or name_of_class(owner) is None:
                looking.refuse(f"{cls.__name__}.{name} is the application's own")
        elif not isinstance(function, FunctionType) and not _is_builtins(function):
            looking.refuse(f"{cls.__name__}.{name} is not known")


def _is_builtins(method: Any) -> bool:
    """Whether a method is that of a builtin class: of ``object``, an exception, a container or a scalar."""
    owner = getattr(method, "__objclass__", None) or getattr(method, "__self__", None)
    if not isinstance(owner, type):
        return False
    return issubclass(owner, BaseException) or owner in _BUILTINS or is_pure(owner)


_BUILTINS = frozenset({object, tuple, list, dict, set, frozenset, str, bytes, int, float, complex, bool, type})


def _owner_of(cls: type, name: str) -> type:
    return next(base for base in cls.__mro__ if name in vars(base))
