"""The analysis of one node, across all functions that its code calls."""

from __future__ import annotations

from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any

from optiflow.plan.inference import runnables
from optiflow.plan.inference.calls import Calls
from optiflow.plan.inference.findings import Findings, UnknownCodeError
from optiflow.plan.inference.frame import Frame
from optiflow.plan.inference.objects import Arguments
from optiflow.plan.inference.parts import look
from optiflow.plan.inference.values import DATA, Value, known, model
from optiflow.plan.source import syntax_of

__all__ = ["Analysis"]

_DEEPEST = 12
"""How deep calls of the application's functions may nest."""


class Analysis(Calls):
    """Follows functions, and remembers where it has been."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self._stack: list[object] = []
        self._memo: dict[object, Value] = {}
        self._asked: list[int] = []

    def run(self, function: FunctionType, arguments: Arguments, owner: Value | None) -> Value:
        """Follow a Python function.

        Raises:
            UnknownCodeError: The function, or what it calls, can't be followed.
        """
        values = arguments.values if owner is None else (owner, *arguments.values)
        key = (
            function,
            tuple(value.signature for value in values),
            tuple((name, value.signature) for name, value in arguments.named.items()),
            arguments.more,
        )
        # Once a dict is shared with a callee, its keys grow by reference: such calls are looked at each time.
        if key in self._memo and not any(value.shapes for value in arguments.all):
            return self._memo[key]
        if key in self._stack:
            return self._again(arguments)
        syntax = syntax_of(function)
        if syntax is None:
            raise UnknownCodeError(f"the source of {function.__qualname__!r} is not available")
        if len(self._stack) > _DEEPEST:
            raise UnknownCodeError(f"calls nest deeper than {_DEEPEST} at {function.__qualname__!r}")
        self.see_function(function)
        frame = Frame(self, function, {})
        frame.bind(syntax.args, replace(arguments, values=values), _defaults(function))
        self._stack.append(key)
        result = frame.result(syntax.body)
        self._stack.pop()
        self._memo[key] = result
        return result

    @staticmethod
    def _again(arguments: Arguments) -> Value:
        # What a recursive call gives is not known yet; it must not be the state under another name.
        if arguments.has_state:
            raise UnknownCodeError("a recursive function gets the state")
        return DATA

    def run_nested(self, code: Any, arguments: Arguments, caller: Frame) -> Value:
        """Follow a nested function or lambda."""
        key = (id(code), tuple(value.signature for value in arguments.all))
        if key in self._stack:
            return self._again(arguments)
        if len(self._stack) > _DEEPEST:
            raise UnknownCodeError(f"calls nest deeper than {_DEEPEST}")
        frame = Frame(self, caller.function, {})
        frame.outer = [caller.env, *caller.outer]
        frame.bind(code.args, arguments, {})
        self._stack.append(key)
        result = frame.result(code.body)
        self._stack.pop()
        return result

    def chained(self, left: Value, right: Value) -> Value | None:
        """``prompt | model | parser``, where every part only computes or asks a model."""
        kinds = []
        for value in (left, right):
            if value.kind == "model":
                kinds.append(value.typ)
            elif value.kind == "object" and runnables.is_runnable(value.obj):
                kinds.append(self.answer(value.obj))
            elif value.kind == "object" and isinstance(value.obj, FunctionType):
                self.run_callable(value.obj)
                kinds.append(None)
            else:
                return None
        return (
            model(kinds[1]) if any(v.kind == "model" or runnables.is_runnable(v.obj) for v in (left, right)) else None
        )

    def answer(self, runnable: Any) -> Any:
        """Look at a Runnable's parts.

        Returns:
            The type of what it gives, where known.

        Raises:
            UnknownCodeError: A part may do what can't be followed.
        """
        parts = look(runnable)
        self.findings.waits = self.findings.asks = True
        self.findings.observed = self.findings.observed or bool(parts.observers)
        self.see_runnable(runnable)
        if parts.outside is not None:
            self.findings.touch(parts.outside)
        if id(runnable) not in self._asked:
            # A model's methods may call each other.
            self._asked.append(id(runnable))
            for function in parts.functions:
                self.run_callable(function)
            self._asked.pop()
        return parts.answer

    def run_callable(self, function: Any) -> None:
        """Follow a callable that somebody else calls with data."""
        if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            # Not by its name: asking a Runnable is taken for granted once its methods were followed.
            self.call_function(
                function.__func__, Arguments((DATA,), {}, more=True), known(function.__self__), None, None
            )
            return
        self.call_object(function, Arguments((DATA,), {}), None, None)


def _defaults(function: FunctionType) -> dict[str, Value]:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    positional = function.__defaults__ or ()
    # A default is one object for all calls: a mutable one is state of its own.
    pairs = [
        *zip(names[len(names) - len(positional) :], positional, strict=True),
        *(function.__kwdefaults__ or {}).items(),
    ]
    return {name: known(value) for name, value in pairs}
