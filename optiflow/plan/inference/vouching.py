"""Names that an object goes by, believed only where the module that it names really holds this object.

``functools.wraps``, mocks and patched modules copy names: a function is from where its globals, its code and its module
say the same. Nothing of the object's own is run to find out.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
from collections.abc import Hashable, Iterator
from operator import is_
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, cast

__all__ = [
    "ABSENT",
    "attribute_of",
    "home",
    "is_generated",
    "is_users",
    "is_users_file",
    "members",
    "name_of_class",
    "own_code",
    "vouched_name",
]

_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")})
_FROZEN = "<frozen "
_HEAP = 1 << 9
"""Flag of classes that are made while a program runs; any other is built into the interpreter or a C module."""

_OF_A_CLASS = (MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)
_ALIASES = {"hashlib.__hash_new": "new"}
"""Functions that their module keeps under another name than their own."""

_MOST = 1024
ABSENT: Any = object()


def is_users(function: Any) -> bool:
    """Whether a function is the application's own, not a library's."""
    return isinstance(function, FunctionType) and is_users_file(function.__code__.co_filename)


@functools.lru_cache(maxsize=1024)
def is_users_file(file: str) -> bool:
    """Whether a source file is the application's own, not a library's."""
    return not file.startswith((*_LIBRARIES, _FROZEN)) and "site-packages" not in Path(file).parts


def is_generated(function: FunctionType) -> bool:
    """Whether ``dataclasses`` or ``namedtuple`` made a method out of text, to store, compare or show fields."""
    code = function.__code__
    if code.co_filename.startswith("<string") and code.co_qualname.startswith("__create_fn__.<locals>."):
        return True
    variables = function.__globals__
    return (
        code.co_filename.startswith("<string")
        and str(variables.get("__name__")).startswith("namedtuple_")
        and variables.get("_tuple_new") is tuple.__new__
    )


def home(function: FunctionType) -> str | None:
    """The library's module that a function was written in; None for the application's own, and for copied names."""
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if module is None or _variables(module) is not function.__globals__:
        return None
    return None if is_users_file(function.__code__.co_filename) else name


def vouched_name(obj: Any) -> str | None:
    """Module and qualified name of a function or class, where it really is what is known by that name; else None."""
    cls = type(obj)
    if cls is FunctionType:
        return _name_of_function(obj)
    if cls is BuiltinFunctionType or cls is MethodWrapperType:
        return _name_of_builtin(obj)
    if cls in _OF_A_CLASS:
        owner = name_of_class(obj.__objclass__)
        return None if owner is None else f"{owner}.{obj.__name__}"
    if cls is MethodType:
        return _name_of_bound(obj)
    return name_of_class(obj) if isinstance(obj, type) else None


def _name_of_function(function: FunctionType) -> str | None:
    module, name = function.__module__, function.__qualname__
    if type(module) is not str or type(name) is not str:
        return None
    path = f"{module}.{name}"
    if _held(module, _ALIASES.get(path, name)) is not function:
        return None
    if _is_ours(function):
        # A function that OptiFlow itself has replaced for a while does what the original does.
        original = vars(function).get("__wrapped__")
        if type(original) is BuiltinFunctionType:
            return _name_of_builtin(original)
        return path if type(original) is FunctionType and home(original) == module else None
    return path if _package(home(function) or "") == _package(module) else None


def _is_ours(function: FunctionType) -> bool:
    name = function.__globals__.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    ours = module is not None and _package(module.__name__) == "optiflow"
    return ours and module is not None and _variables(module) is function.__globals__


def _name_of_builtin(function: Any) -> str | None:
    owner = function.__self__
    if type(owner) is ModuleType:
        name = _variables(owner).get("__name__")
        # Some modules in C go by the name of the module that stands for them: ``_io`` is called ``io``.
        if type(name) is not str or owner not in (sys.modules.get(name), sys.modules.get(f"_{name}")):
            return None
        return f"{name}.{function.__name__}"
    if owner is None:
        # A static method of a builtin class.
        name = function.__qualname__
        return f"builtins.{name}" if _held("builtins", name) is function else None
    cls = name_of_class(owner if isinstance(owner, type) else type(owner))
    return None if cls is None else f"{cls}.{function.__name__}"


def _name_of_bound(method: MethodType) -> str | None:
    owner, function = method.__self__, method.__func__
    if not isinstance(owner, type) or type(function) is not FunctionType or home(function) is None:
        return None
    cls = name_of_class(owner)
    name = function.__name__
    if cls is None or _unwrapped(attribute_of(owner, name)) is not function:
        return None
    return f"{cls}.{name}"


def name_of_class(cls: Any) -> str | None:
    """Module and qualified name of a library's class that is what its library made of it; else None."""
    module, name = type.__getattribute__(cls, "__module__"), type.__getattribute__(cls, "__qualname__")
    if type(module) is not str or type(name) is not str or _held(module, name) is not cls:
        return None
    if not _is_of_library(module):
        return None
    if type.__getattribute__(cls, "__flags__") & _HEAP and next(own_code(cls), None) is not None:
        return None
    return f"{module}.{name}"


def _is_of_library(module: str) -> bool:
    file = _variables(sys.modules[module]).get("__file__")
    return module in sys.builtin_module_names if type(file) is not str else not is_users_file(file)


def own_code(cls: type) -> Iterator[str]:
    """Names under which a class, or one that it inherits from, holds code that is no library's."""
    return iter(_own_code(cls))


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Every attribute of a class and of those that it inherits from but ``object``, as they are stored."""
    for base in type.__getattribute__(cls, "__mro__")[:-1]:
        yield from type.__getattribute__(base, "__dict__").items()


def attribute_of(cls: type, name: str) -> Any:
    """What a class holds or inherits under a name, as it is stored; `ABSENT` where it has nothing."""
    for base in type.__getattribute__(cls, "__mro__"):
        found = type.__getattribute__(base, "__dict__").get(name, ABSENT)
        if found is not ABSENT:
            return found
    return ABSENT


_looked: dict[type, tuple[tuple[Any, ...], tuple[str, ...]]] = {}


def _own_code(cls: type) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for base in type.__getattribute__(cls, "__mro__"):
        # What is built in can't be changed.
        if type.__getattribute__(base, "__flags__") & _HEAP:
            found += _code_of_one(base)
    return found


def _code_of_one(cls: type) -> tuple[str, ...]:
    stored = type.__getattribute__(cls, "__dict__")
    held = tuple(stored.values())
    before = _looked.get(cls)
    # Replacing an attribute of a class is as good as another class.
    if before is not None and len(before[0]) == len(held) and all(map(is_, before[0], held)):
        return before[1]
    found = tuple(name for name, value in stored.items() if not _is_librarys(value))
    if len(_looked) >= _MOST:
        _looked.clear()
    _looked[cls] = held, found
    return found


def _is_librarys(value: Any) -> bool:
    """Whether an attribute of a class is a library's code, or plain data."""
    cls = type(value)
    if cls is FunctionType:
        return home(value) is not None or is_generated(value)
    if cls is staticmethod or cls is classmethod:
        return _is_librarys(value.__func__)
    if cls is property:
        return all(part is None or _is_librarys(part) for part in (value.fget, value.fset, value.fdel))
    if cls is functools.cached_property:
        return _is_librarys(value.func)
    if cls is functools.partialmethod or cls is functools.partial:
        return _is_librarys(value.func)
    if cls is MethodType:
        return _is_librarys(value.__func__)
    if not type.__getattribute__(cls, "__flags__") & _HEAP or isinstance(value, type):
        return True
    return _package(type.__getattribute__(cls, "__module__")) in _SUPPORTING and _is_supporting(cast(Hashable, cls))


_SUPPORTING = frozenset(
    {
        "_abc", "_thread", "abc", "builtins", "collections", "contextvars", "_contextvars", "enum", "functools", "re",
        "threading", "types", "typing", "typing_extensions", "weakref", "_weakref", "pydantic", "pydantic_core",
        "langchain_core", "logging", "operator", "_operator", "_functools", "dataclasses",
    }
)  # fmt: skip
"""Packages whose objects stand as attributes in classes of libraries."""


@functools.lru_cache(maxsize=256)
def _is_supporting(cls: Any) -> bool:
    module, name = type.__getattribute__(cls, "__module__"), type.__getattribute__(cls, "__qualname__")
    return _held(module, name) is cls or not _own_code(cls)


def _held(module: str, name: str) -> Any:
    """What a loaded module holds under a qualified name."""
    found = sys.modules.get(module)
    if found is None or not isinstance(found, ModuleType):
        return None
    first, *rest = name.split(".")
    value = _variables(found).get(first)
    for part in rest:
        if not isinstance(value, type):
            return None
        value = _unwrapped(type.__getattribute__(value, "__dict__").get(part))
    return value


def _unwrapped(value: Any) -> Any:
    return value.__func__ if type(value) in (staticmethod, classmethod) else value


def _variables(module: ModuleType) -> dict[str, Any]:
    variables: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return variables


def _package(module: str) -> str:
    return module.partition(".")[0]
