"""Which parts of LangGraph are built upon, and whether they are what they were when this was written."""

from __future__ import annotations

import hashlib
import json
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache, update_wrapper
from importlib import import_module
from importlib.resources import files
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

__all__ = ["Originals", "digest", "known_digests", "names_used", "rebound", "stands_in_for", "why_unknown"]

CallableT = TypeVar("CallableT")


def rebound(function: CallableT, **names: Any) -> CallableT:
    """The same function with other objects behind some of its module's names.

    What LangGraph does stays written in LangGraph alone, and its modules stay as they are for everybody else.

    Args:
        function: A function written in Python.
        **names: What its code shall find under which global name.
    """
    plain: Any = function
    same = FunctionType(
        plain.__code__, {**plain.__globals__, **names}, plain.__name__, plain.__defaults__, plain.__closure__
    )
    same.__kwdefaults__ = plain.__kwdefaults__
    same.__annotations__ = plain.__annotations__
    same.__qualname__ = plain.__qualname__
    same.__doc__ = plain.__doc__
    return cast("CallableT", same)


def stands_in_for(original: type[Any], methods: Sequence[str]) -> Callable[[type[Any]], Any]:
    """Decorate a subclass whose instances are to be taken for the original's.

    A drawing (``get_graph().to_json()``) and a repr show the class, and whoever inspects the methods sees their
    parameters and documentation: nothing that LangGraph shows may change.

    Args:
        original: The class that it takes the place of.
        methods: Names of the methods that it overrides.
    """

    def disguised(subclass: type[Any]) -> type[Any]:
        for name in methods:
            update_wrapper(getattr(subclass, name), getattr(original, name))
        subclass.__name__ = original.__name__
        subclass.__qualname__ = original.__qualname__
        subclass.__module__ = original.__module__
        return subclass

    return disguised


def names_used(*functions: Any) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """The functions and classes of a module that functions of it use, those within them too: namespace, names."""
    used: dict[int, set[str]] = {}
    spaces = {id(function.__globals__): function.__globals__ for function in functions}
    for function in functions:
        names = used.setdefault(id(function.__globals__), set())
        codes = [function.__code__]
        while codes:
            code = codes.pop()
            names.update(code.co_names)
            codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    for at, space in spaces.items():
        yield space, sorted(name for name in used[at] if isinstance(space.get(name), FunctionType | type))


class Originals:
    """What was found under some names at first, to see whether somebody replaced it since: a tracer or a test does.

    Args:
        *places: Namespaces, and names in them.
    """

    def __init__(self, *places: tuple[Mapping[str, Any], Sequence[str]]) -> None:
        self._found = [(space, names, tuple(map(space.get, names))) for space, names in places]

    def intact(self) -> bool:
        """Whether every one is still in its place; a hundred names take a few microseconds."""
        for space, names, found in self._found:  # noqa: SIM110 - a generator takes as long as the names
            if tuple(map(space.get, names)) != found:
                return False
        return True


def known_digests() -> Mapping[str, list[str]]:
    """What the parts of LangGraph that are built upon were: each place as `digest` takes it -> its digests."""
    text = files("optiflow.dispatch").joinpath("known_internals.json").read_text(encoding="utf-8")
    known: Mapping[str, list[str]] = json.loads(text)
    return known


def digest(place: str) -> str:
    """The digest of a module's or function's source or of the fields of a dataclass; empty where there is none.

    Args:
        place: ``module``, or ``module:dotted.name``.
    """
    module, _, dotted = place.partition(":")
    try:
        found: Any = import_module(module)
        for name in filter(None, dotted.split(".")):
            found = vars(found)[name]
        if isinstance(found, type):
            text = ",".join(field.name for field in fields(found))
        elif type(found) is FunctionType:
            # Of its code: a function that somebody wrapped is another one, whatever it says of itself.
            text = _source(found.__code__)
        else:
            text = "".join(linecache.getlines(found.__file__))
    except (ImportError, KeyError, TypeError, AttributeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _source(code: CodeType) -> str:
    """The lines of a function: `inspect.getsource` reads every token of them, which takes milliseconds for each."""
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    indented = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    inside = False
    for at, line in enumerate(lines):
        begins = line.strip() and len(line) - len(line.lstrip()) <= indented
        if inside and begins and not line.lstrip().startswith(")"):
            return "".join(lines[:at])
        inside = inside or line.lstrip().startswith(("def ", "async def "))
    return "".join(lines)


@cache
def why_unknown() -> str | None:
    """Why nothing can be left out with the LangGraph that is installed; None where it can."""
    from importlib.metadata import version

    from optiflow.dispatch.managers import is_known_langchain

    for place, known in known_digests().items():
        if digest(place) not in known:
            name = place.replace(":", ".")
            return f"LangGraph {version('langgraph')} is built another way than is known: {name} differs"
    if not is_known_langchain():
        return f"LangChain {version('langchain-core')} hands down callbacks another way than is known"
    return None
