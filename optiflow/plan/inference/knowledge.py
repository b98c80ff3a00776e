"""What the analysis takes for granted: which functions, classes and methods are known to be harmless, or not.

*Movable* (may happen earlier without changing an answer): pure computation; waiting; reading the clock or making a
UUID, whose outcome differs from run to run anyway; asking a chat model or an embedding model; printing to the standard
streams and log records of ``logging``, which `optiflow.plan.dataflow.output` holds back until the node's turn.

*Outside* (stays in its place, while others may overlap with it): other loggers, files, processes, sockets and HTTP, the
environment, random numbers (which share a seed), retrievers, stream writers and stores.

`optiflow.plan.inference.allowed` has the names. Everything else is *unknown*: it may change what the state refers to,
so nothing moves across it.
"""

from __future__ import annotations

import asyncio
import time
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
from typing import Any

from langgraph.graph.message import add_messages

from optiflow.plan.inference.allowed import CALLED, CLASSES, FUNCTIONS, METHODS, MODULES, REFUSED_KEYWORDS
from optiflow.plan.inference.vouching import attribute_of, home, name_of_class, vouched_name

__all__ = [
    "FILLING",
    "MAKERS",
    "MUTATORS",
    "Plain",
    "called_arguments",
    "data_class_methods",
    "is_outside",
    "is_print",
    "is_pure",
    "pure_methods",
    "qualified",
    "refused_keywords",
    "takes_text",
    "varies",
]


_ADD_MESSAGES: Any = add_messages
"""Made by a decorator, so that its name leads nowhere."""


class Plain:
    """Stands for the type of JSON-like data: what parsing gives, whose methods all only compute."""


_PURE_BUILTINS = frozenset(
    {
        "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id", "isinstance",
        "issubclass", "iter", "len", "max", "min", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
    }
)  # fmt: skip
"""Builtin functions that only compute; functions given to them are looked at."""

MAKERS: dict[Any, Any] = {
    bool: bool, bytes: bytes, dict: dict, float: float, format: str, frozenset: frozenset, int: int, len: int,
    list: list, repr: str, round: float, set: set, sorted: list, str: str, sum: None, tuple: tuple,
}  # fmt: skip
"""Pure builtins whose result is new, and its class."""

FILLING = frozenset({"shuffle", "readinto", "readinto1", "recv_into"})
"""Methods that touch the world and change what they are given."""

_FUNCTION_TYPES = frozenset(
    {
        BuiltinFunctionType, ClassMethodDescriptorType, FunctionType, MethodDescriptorType, MethodType,
        MethodWrapperType, WrapperDescriptorType,
    }
)  # fmt: skip

_OUTSIDE_BUILTINS = frozenset({"_io.open", "builtins.open", "io.open", "builtins.input"})

OUTSIDE_MODULES = frozenset(
    {
        "random", "secrets", "os", "posix", "genericpath", "io", "_io", "pathlib", "shutil", "tempfile", "glob", "csv",
        "_csv", "subprocess", "socket", "_socket", "ssl", "http.client", "urllib.request", "requests", "requests.api",
        "requests.sessions", "requests.models", "httpx", "httpx._api", "httpx._client", "httpx._models",
        "aiohttp.client", "sqlite3", "smtplib", "getpass", "platform", "sys",
    }
)  # fmt: skip
"""Modules whose functions touch the world but never the values that they are given."""

_TEXT_METHODS = frozenset(
    {
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "join", "lower", "upper", "title", "capitalize",
        "casefold", "swapcase", "startswith", "endswith", "isdigit", "isalpha", "isalnum", "isspace", "isupper",
        "islower", "isnumeric", "isdecimal", "isidentifier", "isascii", "partition", "rpartition", "zfill", "ljust",
        "rjust", "center", "expandtabs", "removeprefix", "removesuffix",
    }
)  # fmt: skip
"""Methods whose names belong to text alone, so that the type need not be known."""

_SCALAR_METHODS = _TEXT_METHODS | {
    "replace", "format", "format_map", "find", "rfind", "index", "rindex", "count", "encode", "decode", "istitle",
    "isprintable", "translate", "maketrans", "hex", "bit_length", "is_integer", "as_integer_ratio", "conjugate",
    "to_bytes", "from_bytes", "fromhex",
}  # fmt: skip
_CONTAINER_METHODS = frozenset(
    {
        "get", "keys", "values", "items", "copy", "index", "count", "union", "intersection", "difference",
        "symmetric_difference", "issubset", "issuperset", "isdisjoint", "most_common", "elements", "total",
    }
)  # fmt: skip
MUTATORS = frozenset(
    {
        "append", "extend", "insert", "pop", "popitem", "remove", "clear", "sort", "reverse", "update", "setdefault",
        "add", "discard", "appendleft", "extendleft", "popleft", "rotate", "intersection_update", "difference_update",
        "symmetric_difference_update", "subtract", "move_to_end", "write", "writelines",
    }
)  # fmt: skip
"""Methods that change their object: nobody's business where the code made it, never allowed otherwise."""

_DATA_CLASS_METHODS = frozenset(
    {"text", "pretty_repr", "model_dump", "model_dump_json", "model_copy", "model_validate", "model_json_schema"}
    | {
        "model_validate_json",
        "dict",
        "json",
        "copy",
        "model_construct",
        "_asdict",
        "_replace",
        "type",
        "content_blocks",
    }
)
_SCALARS = frozenset({str, bytes, int, float, bool, complex})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset, bytearray})
_LIBRARY_DATA = ("langchain_core.messages.", "langchain_core.documents.", "langchain_core.outputs.")
_LIBRARY_CLASSES = (
    *_LIBRARY_DATA, "langchain_core.output_parsers.", "langchain_core.prompt_values.", "langchain_core.prompts.",
)  # fmt: skip
"""Packages whose classes only store what they are given."""

_EXCEPTIONS = frozenset({"builtins", "json", "re", "decimal", "_decimal", "zlib", "binascii", "struct", "asyncio",
                         "statistics", "langchain_core", "pydantic_core"})  # fmt: skip
"""Packages whose exceptions only store what they are given."""


def pure_methods(cls: type | None) -> frozenset[str]:
    """Names of the methods of a class that only compute; of an unknown class, those that can only be text's."""
    if cls is None:
        return _TEXT_METHODS
    if cls is Plain:
        return _SCALAR_METHODS | _CONTAINER_METHODS
    if cls in _SCALARS:
        return _SCALAR_METHODS
    if cls in _CONTAINERS:
        return _CONTAINER_METHODS
    name = name_of_class(cls)
    if name is not None:
        if name in METHODS:
            return frozenset(METHODS[name].split())
        if name.startswith(_LIBRARY_DATA):
            return _DATA_CLASS_METHODS
    for base in type.__getattribute__(cls, "__mro__"):
        if base in _SCALARS or base in _CONTAINERS:
            # What a subclass has of its own is followed like any code.
            return frozenset(each for each in pure_methods(base) if attribute_of(cls, each) is attribute_of(base, each))
    return frozenset()


def data_class_methods() -> frozenset[str]:
    """Methods that pydantic, dataclasses and named tuples give to a data class, all of which only compute."""
    return _DATA_CLASS_METHODS


def qualified(obj: Any) -> tuple[str, str]:
    """Module and name that a function or class goes by, for a reason that a person reads; empty where it has none."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(module, str):
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, ModuleType):
            module = owner.__name__
        else:
            module = (owner if isinstance(owner, type) else type(owner)).__module__
    return module, name if isinstance(name, str) else ""


def is_pure(obj: Any) -> bool:
    """Whether calling a function or class only computes or waits, but for functions that it is given."""
    if obj is _ADD_MESSAGES:
        return home(obj) == "langgraph.graph.message"
    name = _vouched(obj)
    if name is None:
        return False
    if isinstance(obj, type):
        return _is_pure_class(obj, name)
    if type(obj) is FunctionType or type(getattr(obj, "__self__", None)) is ModuleType:
        module, _, last = name.rpartition(".")
        return name in FUNCTIONS or module in MODULES or (module == "builtins" and last in _PURE_BUILTINS)
    return name in FUNCTIONS or _is_pure_method(obj, name)


def _vouched(obj: Any) -> str | None:
    return vouched_name(obj) if type(obj) in _FUNCTION_TYPES or isinstance(obj, type) else None


def _is_pure_class(cls: type, name: str) -> bool:
    if not issubclass(cls, BaseException):
        return name in CLASSES or name.startswith(_LIBRARY_CLASSES)
    made = (attribute_of(cls, "__init__"), attribute_of(cls, "__new__"))
    return name.partition(".")[0] in _EXCEPTIONS or not any(map(_is_function, made))


def _is_function(value: Any) -> bool:
    return isinstance(value, FunctionType | staticmethod)


def _is_pure_method(obj: Any, name: str) -> bool:
    """Whether a method of a library's class, bound or not, only computes."""
    owner = obj.__objclass__ if hasattr(obj, "__objclass__") else obj.__self__
    cls = owner if isinstance(owner, type) else type(owner)
    last = name.rpartition(".")[2]
    if cls is type(None):
        return last == "maketrans"
    return last in pure_methods(cls) or (last == "fromkeys" and cls is dict)


def called_arguments(obj: Any) -> tuple[frozenset[int], frozenset[str]]:
    """Which arguments a pure function calls: places, and keywords."""
    return CALLED.get(_vouched(obj) or "", (frozenset(), frozenset()))


def refused_keywords(obj: Any) -> frozenset[str]:
    """Keywords of a pure function that hand over a class whose methods nobody sees being called."""
    return REFUSED_KEYWORDS.get(_vouched(obj) or "", frozenset())


def takes_text(obj: Any) -> bool:
    """Whether what a pure function calls may be a text as well, which it then only copies."""
    return (_vouched(obj) or "").startswith("re.")


def is_print(obj: Any) -> bool:
    """Whether an object is ``print``, also as it is once it holds back what early work prints."""
    return _vouched(obj) == "builtins.print"


def is_outside(obj: Any) -> bool:
    """Whether calling a function or class touches the world, and nothing that a state can refer to."""
    name = _vouched(obj)
    if name is None:
        return False
    if name in _OUTSIDE_BUILTINS or is_print(obj):
        return True
    return _module_of(name) in OUTSIDE_MODULES and name.rpartition(".")[2] not in FILLING


def _module_of(name: str) -> str:
    """The longest part of a vouched name that is a module of `OUTSIDE_MODULES`."""
    while name and name not in OUTSIDE_MODULES:
        name = name.rpartition(".")[0]
    return name


_MOMENTS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "uuid6", "uuid7"})
"""Functions of ``datetime`` and ``uuid`` that give something else each time."""


def varies(obj: Any) -> bool:
    """Whether a pure function gives something else each time, so that calling it twice is not calling it once."""
    name = _vouched(obj)
    if name is None or obj is time.sleep or obj is asyncio.sleep:
        return False
    module, _, last = name.rpartition(".")
    return module == "time" or (module.partition(".")[0] in ("datetime", "uuid") and last in _MOMENTS)
