"""What the analysis takes for granted: the one place with every list of things known to be harmless, or not.

*Movable* (may happen earlier without changing an answer): pure computation; waiting; reading the clock or making a
UUID, whose outcome differs from run to run anyway; asking a chat model or an embedding model; printing to the standard
streams and log records of ``logging``, which `optiflow.plan.dataflow.output` holds back until the node's turn.

*Outside* (stays in its place, while others may overlap with it): other loggers, files, processes, sockets and HTTP, the
environment, random numbers (which share a seed), retrievers, stream writers and stores.

Everything else is *unknown*: it may change what the state refers to, so nothing moves across it.
"""

from __future__ import annotations

import functools
import itertools
from types import ModuleType
from typing import Any

__all__ = [
    "CALLED_KEYWORDS",
    "FILLING",
    "HIGHER_ORDER",
    "MAKERS",
    "MUTATORS",
    "Plain",
    "is_outside",
    "is_print",
    "is_pure",
    "pure_methods",
    "qualified",
    "varies",
]


class Plain:
    """Stands for the type of JSON-like data: what parsing gives, whose methods all only compute."""


PURE_BUILTINS = frozenset(
    {
        abs, all, any, ascii, bin, bool, bytearray, bytes, callable, chr, complex, dict, divmod, enumerate, filter,
        float, format, frozenset, hash, hex, id, int, isinstance, issubclass, iter, len, list, map, max, min, object,
        oct, ord, pow, range, repr, reversed, round, set, slice, sorted, str, sum, tuple, type, zip,
    }
)  # fmt: skip
"""Builtins that only compute; functions given to them are looked at."""

MAKERS: dict[Any, Any] = {
    bool: bool, bytes: bytes, dict: dict, float: float, format: str, frozenset: frozenset, int: int, len: int,
    list: list, repr: str, round: float, set: set, sorted: list, str: str, sum: None, tuple: tuple,
}  # fmt: skip
"""Pure builtins whose result is new, and its class."""

HIGHER_ORDER = (
    map, filter, functools.reduce, itertools.starmap, itertools.takewhile, itertools.dropwhile, itertools.filterfalse,
)  # fmt: skip
"""Pure functions that call their first argument."""

CALLED_KEYWORDS = ("key", "func", "function", "default_factory", "object_hook", "parse_float", "parse_int")
"""Keywords of pure functions that take a function."""

FILLING = frozenset({"shuffle", "readinto", "readinto1", "recv_into"})
"""Methods that touch the world and change what they are given."""

OUTSIDE_BUILTINS = frozenset({open, input})

PURE_MODULES = frozenset(
    {
        "_collections", "_collections_abc", "_datetime", "_decimal", "_functools", "_json", "_operator", "_struct",
        "_hashlib", "_blake2", "_md5", "_sha1", "_sha256", "_sha512", "_sha2", "_sha3", "base64", "binascii",
        "calendar", "cmath", "collections", "collections.abc", "colorsys", "dataclasses", "datetime", "decimal",
        "difflib", "enum", "fractions", "functools", "hashlib", "html", "itertools", "json", "json.decoder",
        "json.encoder", "math",
        "numbers", "operator", "re", "statistics", "_statistics", "string", "struct", "textwrap", "typing",
        "typing_extensions", "unicodedata", "urllib.parse", "uuid", "zlib", "zoneinfo", "langchain_core.messages",
    }
)  # fmt: skip
"""Modules whose functions and classes only compute, but for those named in `IMPURE_NAMES`."""

IMPURE_NAMES = frozenset(
    {
        "dump",
        "load",
        "setitem",
        "delitem",
        "singledispatch",
        "lru_cache",
        "cache",
        "cached_property",
        "call",
        "methodcaller",
    }
)
"""Names in pure modules that write, remember, or call what can't be seen."""

PURE_FUNCTIONS = frozenset(
    {
        "ast.literal_eval", "asyncio.tasks.gather", "asyncio.tasks.sleep", "asyncio.tasks.wait_for", "bisect.bisect",
        "_bisect.bisect_left", "_bisect.bisect_right", "contextlib.nullcontext",
        "contextlib.suppress", "copy.copy", "copy.deepcopy", "heapq.merge", "heapq.nlargest",
        "heapq.nsmallest", "langchain_openai.chat_models.base._oai_structured_outputs_parser",
        "langgraph.config.get_config", "langgraph.graph.message.add_messages",
        "langgraph.types.Overwrite", "posixpath.basename", "posixpath.dirname", "posixpath.join", "posixpath.normpath",
        "posixpath.split", "posixpath.splitext", "time.gmtime", "time.localtime", "time.monotonic",
        "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.process_time", "time.sleep",
        "time.strftime", "time.time", "time.time_ns", "traceback.format_exc",
    }
)  # fmt: skip
"""Single functions, by module and name, that only compute or wait."""

PURE_CLASSES = (
    "langchain_core.messages.",
    "langchain_core.documents.",
    "langchain_core.output_parsers.",
    "langchain_core.outputs.",
    "langchain_core.prompt_values.",
    "langchain_core.prompts.",
    "langgraph.channels.",
)
"""Packages whose classes and functions only compute."""

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
_CONTAINERS = (list, tuple, dict, set, frozenset)
_SCALARS = (str, bytes, int, float, bool, complex)


def pure_methods(cls: type | None) -> frozenset[str]:
    """Names of the methods of a class that only compute; of an unknown class, those that can only be text's."""
    if cls is None:
        return _TEXT_METHODS
    if cls is Plain:
        return _SCALAR_METHODS | _CONTAINER_METHODS
    if issubclass(cls, _SCALARS):
        return _SCALAR_METHODS
    if issubclass(cls, _CONTAINERS):
        return _CONTAINER_METHODS
    if cls.__module__ in PURE_MODULES:
        return frozenset(name for name in dir(cls) if name not in MUTATORS)
    if cls.__module__.startswith(("langchain_core.messages", "langchain_core.documents")):
        return _DATA_CLASS_METHODS
    return frozenset()


def data_class_methods() -> frozenset[str]:
    """Methods that pydantic, dataclasses and named tuples give to a data class, all of which only compute."""
    return _DATA_CLASS_METHODS


def qualified(obj: Any) -> tuple[str, str]:
    """Module and name of a function or class; empty where it has none."""
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
    if not callable(obj) or type(obj).__hash__ is None:
        return False
    if isinstance(obj, type) and issubclass(obj, BaseException):
        return obj.__init__ in (BaseException.__init__, Exception.__init__) or obj.__module__ == "builtins"
    if obj in PURE_BUILTINS:
        return True
    owner = getattr(obj, "__objclass__", None) or getattr(obj, "__self__", None)
    if isinstance(owner, type) and owner in PURE_BUILTINS and not isinstance(obj, type):
        return obj.__name__ == "fromkeys" or obj.__name__ in pure_methods(owner)
    module, name = qualified(obj)
    last = name.rpartition(".")[2]
    if last in IMPURE_NAMES or last in MUTATORS:
        return False
    if (
        module in ("_operator", "operator")
        and last.startswith("i")
        and last not in ("inv", "invert", "index", "is_", "is_not", "itemgetter")
    ):
        return False
    return module in PURE_MODULES or f"{module}.{name}" in PURE_FUNCTIONS or f"{module}.".startswith(PURE_CLASSES)


def is_print(obj: Any) -> bool:
    """Whether an object is ``print``, also as it is once it holds back what early work prints."""
    return obj is not None and qualified(obj) == ("builtins", "print")


def is_outside(obj: Any) -> bool:
    """Whether calling a function or class touches the world, and nothing that a state can refer to."""
    if not callable(obj) or type(obj).__hash__ is None:
        return False
    module, name = qualified(obj)
    return (
        obj in OUTSIDE_BUILTINS
        or is_print(obj)
        or (module in OUTSIDE_MODULES and name.rpartition(".")[2] not in FILLING)
    )


_MOMENTS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "uuid6", "uuid7", "getnode"})
"""Functions of ``datetime`` and ``uuid`` that give something else each time."""


def varies(obj: Any) -> bool:
    """Whether a pure function gives something else each time, so that calling it twice is not calling it once."""
    module, name = qualified(obj)
    if module in ("datetime", "_datetime", "uuid"):
        return name.rpartition(".")[2] in _MOMENTS
    return (module == "time" and name != "sleep") or module == "_io"
