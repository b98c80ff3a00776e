"""Whether an async node makes blocking calls, and whether others may run while it waits for them.

A node that blocks is atomic from one ``await`` to the next: nothing else on its loop runs meanwhile. It may lose that
only where nobody can tell, so its whole code has to be known to work on its own values and the state alone, and what
it does outside has to be safe in any order: waiting, asking models, printing, and reading by HTTP (GET and HEAD are
safe methods, RFC 9110, section 9.2.1).
"""

from __future__ import annotations

import ast
import asyncio
import dis
import functools
import inspect
import sys
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from optiflow.plan.inference import runnables
from optiflow.plan.inference.analysis import Analysis
from optiflow.plan.inference.expressions import Expressions
from optiflow.plan.inference.findings import Findings, NodeState, UnknownCodeError
from optiflow.plan.inference.frame import Frame
from optiflow.plan.inference.infer import _arguments, _types
from optiflow.plan.inference.knowledge import Plain, qualified
from optiflow.plan.inference.objects import Arguments
from optiflow.plan.inference.values import Value, data, known, plain_class
from optiflow.plan.schema import fields_of

__all__ = ["BlockingCalls", "find_blocking_calls"]

_READS = frozenset(
    {"requests.api.get", "requests.api.head", "httpx._api.get", "httpx._api.head", "httpx.get", "httpx.head"}
)
_READ_OPTIONS = frozenset({"params", "headers", "timeout", "verify", "allow_redirects", "follow_redirects"})
"""Keywords of a request that hand over values, and no functions to call and no cookies to keep."""

_RESPONSES = (("requests", "Response"), ("httpx", "Response"))
_RESPONSE_METHODS = frozenset({"json", "raise_for_status", "read", "close"})
_AWAITING = frozenset({"GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "BEFORE_ASYNC_WITH"})


@dataclass(frozen=True, slots=True)
class BlockingCalls:
    """The blocking calls in a node whose effects allow others to run meanwhile."""

    calls: tuple[str, ...]
    """Their names, in the order of the code; empty where it makes none."""

    awaits: bool
    """Whether the node also uses the event loop, so that it has to stay on the loop's thread."""


def find_blocking_calls(function: Any, input_schema: Any, visible: frozenset[str]) -> BlockingCalls:
    """Follow an async node's code.

    Args:
        function: The user's async callable.
        input_schema: The schema of the node's input.
        visible: The state keys of that schema.

    Raises:
        UnknownCodeError: The code does, or may do, what others must not come between; the text says what and where.
    """
    findings = Findings(NodeState(visible, _types(input_schema), fields_of(input_schema) is not None))
    analysis = _Analysis(findings)
    analysis.call_object(function, _arguments(function), None, None)
    if findings.outside is not None:
        raise UnknownCodeError(findings.outside)
    awaits = analysis.uses_loop or _awaits(function)
    if awaits and analysis.renamed is not None:
        raise UnknownCodeError(
            f"{analysis.renamed!r} reaches time.sleep by a name of its own, where it can't be put aside"
        )
    if analysis.has_tasks and analysis.shares:
        raise UnknownCodeError("tasks within it may share values, which a call that blocks keeps to one of them")
    return BlockingCalls(tuple(dict.fromkeys(analysis.blocking)), awaits)


class _Analysis(Analysis):
    """Notes the calls that block, and takes reading by HTTP and printing for harmless."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.blocking: list[str] = []
        self.uses_loop = False
        self.renamed: str | None = None
        self.has_tasks = self.shares = False

    def call_object(self, obj: Any, arguments: Arguments, frame: Any, node: Any) -> Value:
        name = ".".join(qualified(obj))
        if obj is asyncio.to_thread:
            noted = len(self.blocking)
            result = super().call_object(obj, arguments, frame, node)
            del self.blocking[noted:]
            self.uses_loop = True
            return result
        if obj is asyncio.wait_for:
            raise UnknownCodeError("it limits the time of what it waits for, which a blocked loop does not notice")
        if name.startswith("asyncio."):
            self.uses_loop = True
            self.has_tasks = self.has_tasks or name == "asyncio.tasks.gather"
        elif name == "time.sleep":
            self.blocking.append("time.sleep")
            if not isinstance(getattr(node, "func", None), ast.Attribute):
                self.renamed = "the node itself" if node is None else ast.unparse(node)[:60]
        elif obj is print and arguments.named.keys() <= {"sep", "end", "flush"}:
            self._absorb_state(arguments, frame, node)
            return known(None)
        elif name in _READS and arguments.named.keys() <= _READ_OPTIONS and not arguments.more:
            self._absorb_state(arguments, frame, node)
            self.blocking.append(name.replace("._api", "").replace(".api", ""))
            return data(sys.modules[name.partition(".")[0]].Response)
        return super().call_object(obj, arguments, frame, node)

    def run(self, function: FunctionType, arguments: Arguments, owner: Value | None) -> Value:
        if inspect.iscoroutinefunction(function) and any(map(_may_change, (*arguments.all, *filter(None, [owner])))):
            self.shares = True
        return super().run(function, arguments, owner)

    def run_nested(self, code: Any, arguments: Arguments, caller: Frame) -> Value:
        self.shares = self.shares or isinstance(code, ast.AsyncFunctionDef)
        return super().run_nested(code, arguments, caller)

    def _call_method(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if owner.kind == "model" and name == "invoke":
            self.blocking.append("the model's invoke")
        return super()._call_method(owner, name, arguments, frame, node)

    def _call_bound(self, obj: MethodType, arguments: Arguments, frame: Any, node: Any) -> Value:
        if runnables.asked(obj.__self__, obj.__name__) and obj.__name__ == "invoke":
            self.blocking.append("the model's invoke")
        return super()._call_bound(obj, arguments, frame, node)

    def _call_on_data(self, owner: Value, name: str, arguments: Arguments, frame: Expressions, node: ast.Call) -> Value:
        if name in _RESPONSE_METHODS and owner.typ in _response_types() and not arguments.all:
            return data(Plain)
        return super()._call_on_data(owner, name, arguments, frame, node)


def _may_change(value: Value) -> bool:
    """Whether a function that is given the value may change it: only what the node made itself, and no scalar."""
    return value.fresh and plain_class(value.typ) not in (str, bytes, int, float, bool)


def _response_types() -> tuple[type, ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _RESPONSES if module in sys.modules)


def _awaits(function: Any) -> bool:
    """Whether an async callable's own code awaits, which what it calls can't do without it."""
    while isinstance(function, functools.partial):
        function = function.func
    if not isinstance(function, FunctionType | MethodType):
        function = type(function).__call__
    return any(instruction.opname in _AWAITING for instruction in dis.get_instructions(function))
