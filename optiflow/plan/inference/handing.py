"""What a call does with its arguments: functions are called, the state is read, times are asked for."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import functools
import time
from abc import abstractmethod
from dataclasses import is_dataclass
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import Any

from optiflow.plan.guards.content import is_plain
from optiflow.plan.guards.reads import Computed
from optiflow.plan.inference.clocks import is_coarse, quarter_of_an_hour, reads_clock
from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.knowledge import called_arguments, qualified, refused_keywords, takes_text
from optiflow.plan.inference.objects import Arguments, Objects
from optiflow.plan.inference.operations import computed_attributes
from optiflow.plan.inference.operators import ANY, hidden_operator, is_inert
from optiflow.plan.inference.values import DATA, Value, fresh, plain_class
from optiflow.plan.inference.vouching import name_of_class

__all__ = ["CALLED_BY_OTHERS", "Handing", "at", "look_at_codec"]

CALLED_BY_OTHERS = (
    FunctionType, MethodType, functools.partial, BuiltinFunctionType, MethodDescriptorType, MethodWrapperType,
    WrapperDescriptorType,
)  # fmt: skip
"""Types of functions, which whoever is handed one may call."""


class Handing(Objects):
    """Looks at arguments; a subclass follows calls."""

    @abstractmethod
    def run_nested(self, code: Any, arguments: Arguments, caller: Any) -> Value:
        """Follow a nested function or lambda."""

    @abstractmethod
    def _look_into(self, cls: type, made: Value, arguments: Arguments, frame: Any, node: Any) -> None:
        """Follow the code that making an instance of a class runs."""

    def _look_at_time(self, obj: Any, frame: Any, node: Any) -> None:
        """Waiting for a timer, and reading a clock: only what does not change for a while may be read early."""
        if obj is time.sleep or obj is asyncio.sleep:
            self.findings.sleeps = True
            self.findings.waits = self.findings.waits or obj is time.sleep
        if reads_clock(obj):
            if frame is not None and is_coarse(frame, node, obj):
                self.findings.see(Computed(quarter_of_an_hour), "clock", "the date", quarter_of_an_hour())
            else:
                self.findings.clock = self.findings.clock or at(frame, node, f"calls {'.'.join(qualified(obj))}")

    def _absorb_state(self, arguments: Arguments, frame: Any, node: Any) -> None:
        self._absorb_input(arguments, frame, node)
        if any(value.kind == "config" for value in arguments.all):
            self.findings.configure(None)

    def _absorb_input(self, arguments: Arguments, frame: Any, node: Any) -> None:
        if arguments.has_state:
            self.findings.read_whole(at(frame, node, ast.unparse(node)[:60] if node is not None else "a call"))

    def _hand_over(self, arguments: Arguments, frame: Any, node: Any) -> None:
        # What a model makes of the run's configuration is the same for every node that asks it.
        self._absorb_input(arguments, frame, node)
        self._look_at_functions(arguments, frame, node)
        self.findings.observed = self.findings.observed or _brings_observers(arguments)
        for value in arguments.all:
            if value.kind == "object" and isinstance(value.obj, type) and name_of_class(value.obj) is None:
                # An answer may be made an instance of it.
                self._look_into(value.obj, fresh(value.obj), Arguments((), {}, more=True), frame, node)

    def _look_at_called(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> None:
        """What a pure function surely calls has to be known."""
        places, keywords = called_arguments(obj)
        refused = refused_keywords(obj)
        if arguments.more and (keywords or refused):
            raise UnknownCodeError(at(frame, node, "unpacks arguments that may hand over a function"))
        for name in refused & arguments.named.keys():
            if arguments.named[name].kind != "object" or arguments.named[name].obj is not None:
                raise UnknownCodeError(at(frame, node, f"hands over a class as {name!r}, whose methods are called"))
        called = [arguments.named[name] for name in keywords if name in arguments.named]
        called += [value for place, value in enumerate(arguments.values) if place in places]
        for value in called:
            if value.kind == "object" and isinstance(value.obj, type):
                self.call_object(value.obj, Arguments((DATA,), {}, more=True), frame, node)
            elif value.kind != "object" and value.code is None and not takes_text(obj):
                raise UnknownCodeError(at(frame, node, "hands over a function that is not known"))
        if obj is type and (len(arguments.values) != 1 or arguments.named):
            raise UnknownCodeError(at(frame, node, "makes a class"))
        if obj is dataclasses.replace and arguments.values:
            cls = plain_class(arguments.values[0].typ)
            if cls is None or not is_dataclass(cls):
                raise UnknownCodeError(at(frame, node, "makes an instance of a class that is not known"))
            self._look_into(cls, fresh(cls), Arguments((), {}, more=True), frame, node)

    def _look_at_attributes(self, arguments: Arguments, frame: Any, node: Any) -> None:
        """A text with ``{x.name}`` reads attributes of what it is formatted with."""
        for value in arguments.all:
            cls = plain_class(value.typ)
            if cls is not None and computed_attributes(cls):
                raise UnknownCodeError(at(frame, node, f"may read what {cls.__name__} computes when it is asked"))

    def _look_at_functions(self, arguments: Arguments, frame: Any, node: Any) -> None:
        """Functions that are handed over will be called, with nobody knows what."""
        self._follow_functions(arguments, frame, node)
        for value in arguments.all:
            if value.code is not None or (value.kind == "object" and isinstance(value.obj, CALLED_BY_OTHERS)):
                continue
            if value.kind == "object" and not (is_plain(value.obj) or is_inert(value.obj)):
                raise UnknownCodeError(at(frame, node, f"hands over a {type(value.obj).__name__}, which has state"))
            if hidden := hidden_operator(value, ANY):
                raise UnknownCodeError(at(frame, node, f"hands over what has a {hidden}"))

    def _follow_functions(self, arguments: Arguments, frame: Any, node: Any) -> None:
        for value in arguments.all:
            if value.code is not None and frame is not None:
                self.run_nested(value.code, Arguments((DATA,) * _parameters(value.code), {}), frame)
            elif value.kind == "object" and isinstance(value.obj, CALLED_BY_OTHERS):
                self.call_object(value.obj, Arguments((DATA,), {}, more=True), frame, node)


_ENCODINGS = frozenset(
    {"utf8", "utf16", "utf32", "utf8sig", "ascii", "latin1", "iso88591", "cp1252", "cp437", "utf16le", "utf16be"}
)
_ERRORS = frozenset(
    {
        "strict", "ignore", "replace", "backslashreplace", "xmlcharrefreplace", "namereplace", "surrogateescape",
        "surrogatepass",
    }
)  # fmt: skip


def look_at_codec(arguments: Arguments, first: int, frame: Any, node: Any) -> None:
    """An application may register codecs, and what they do with errors.

    Args:
        arguments: Of a method that encodes or decodes.
        first: Position of the encoding among them; what is done with errors follows.
        frame: The function that calls it.
        node: The call.
    """
    names = (("encoding", _ENCODINGS), ("errors", _ERRORS))
    for place, (name, known_ones) in enumerate(names, start=first):
        value = arguments.values[place] if place < len(arguments.values) else arguments.named.get(name)
        if value is None and not arguments.more:
            continue
        texts = None if value is None else value.texts
        if texts is None or not all(text.lower().replace("-", "").replace("_", "") in known_ones for text in texts):
            raise UnknownCodeError(at(frame, node, f"the {name} is not known"))


def _brings_observers(arguments: Arguments) -> bool:
    """Whether a Runnable may be asked with callback handlers that the run does not know of."""
    configs = [*arguments.values[1:2], *filter(None, [arguments.named.get("config")])]
    return "callbacks" in arguments.named or any(
        value.kind in ("data", "object") and value.obj is None and (value.keys is None or "callbacks" in value.keys)
        for value in configs
        if value.typ is not type(None)
    )


def _parameters(code: Any) -> int:
    return len(code.args.posonlyargs) + len(code.args.args)


def at(frame: Any, node: Any, what: str) -> str:
    """A reason, with the place in the code where there is one."""
    return what if frame is None or node is None else f"{frame.place(node)} {what}"
