"""From a node, as LangGraph holds it, to its effects."""

from __future__ import annotations

import dis
import functools
import inspect
import typing
from collections.abc import Mapping
from types import CodeType, FunctionType, MethodType
from typing import Annotated, Any, get_args, get_origin

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableLambda
from langgraph._internal._runnable import RunnableCallable
from langgraph.graph.message import add_messages
from langgraph.pregel.protocol import PregelProtocol

from optiflow.plan.declare import DECLARED_EFFECTS
from optiflow.plan.effects import Effects
from optiflow.plan.guards.reads import Cell
from optiflow.plan.inference.analysis import Analysis
from optiflow.plan.inference.findings import Findings, NodeState, UnknownCodeError
from optiflow.plan.inference.kept import kept_effects
from optiflow.plan.inference.objects import Arguments
from optiflow.plan.inference.runnables import is_runnable
from optiflow.plan.inference.static import class_attribute, is_executor
from optiflow.plan.inference.values import CONFIG, STATE, Value, data, plain_class
from optiflow.plan.schema import computed_fields, fields_of

__all__ = ["declared_classes", "infer_effects", "is_pure_function", "may_wait"]

_AWAIT = dis.opmap["GET_AWAITABLE"]
_CONSTANTS = frozenset({str, int, float, bool, bytes, tuple, list, dict, set, frozenset, type(None)})


def infer_effects(runnable: Any, input_schema: Any, visible: frozenset[str]) -> Effects:
    """Find out what a node reads, writes and touches.

    Args:
        runnable: The node's work, as LangGraph holds it.
        input_schema: The schema of its input.
        visible: The state keys of that schema: more it can't read.

    Returns:
        Declared effects where the callable carries some; else what its code shows; else unknown, with the reason.
    """
    declared = _declared(runnable)
    if declared is not None:
        return declared
    function = _only_function(runnable)
    if function is None:
        return _infer(runnable, input_schema, visible)
    return kept_effects(function, (input_schema, visible), lambda: _infer(runnable, input_schema, visible))


def _only_function(runnable: Any) -> FunctionType | None:
    """The one function that a node is, where it is no more than that."""
    if type(runnable) is not RunnableCallable:
        return None
    given = [each for each in (runnable.func, runnable.afunc) if each is not None and not is_executor(each)]
    return given[0] if len(given) == 1 and type(given[0]) is FunctionType else None


def _infer(runnable: Any, input_schema: Any, visible: frozenset[str]) -> Effects:
    findings = Findings(
        NodeState(visible, _types(input_schema), fields_of(input_schema) is not None, computed_fields(input_schema))
    )
    try:
        writes = _follow(runnable, findings)
    except UnknownCodeError as unknown:
        return Effects.unknown(str(unknown))
    except Exception as error:  # noqa: BLE001 - an application must compile whatever its code looks like; the reason says so
        return Effects.unknown(f"the analysis failed: {error!r}")
    reason = findings.outside or findings.whole or "read from its code"
    if writes is None:
        reason = findings.outside or "which keys it writes is not known"
    outside = findings.outside is not None
    return Effects(
        reads=frozenset(findings.reads),
        writes=writes,
        touches_outside=outside,
        source="inferred",
        reason=reason,
        waits=findings.waits or outside,
        speaks=findings.speaks,
        varies=findings.varies,
        paces=findings.sleeps and not writes and not findings.asks,
        observed=findings.observed,
        clock=findings.clock,
        seen=tuple(findings.seen.values()),
        settings=None if findings.settings is None else frozenset(findings.settings),
    )


def declared_classes(input_schema: Any) -> Mapping[str, tuple[type, ...]]:
    """State key -> the class that it is annotated with, whose code was followed for values of exactly that class."""
    classes = {key: plain_class(typ) for key, typ in _types(input_schema).items()}
    return {key: (cls,) for key, cls in classes.items() if cls is not None}


def is_pure_function(function: Any, *types: Any) -> bool:
    """Whether calling a function with values of these types has no effect and the same outcome each time."""
    findings = Findings(NodeState(frozenset(), {}, attributes=False))
    try:
        Analysis(findings).call_object(function, Arguments(tuple(data(typ) for typ in types), {}), None, None)
    except UnknownCodeError:
        return False
    return not (findings.outside or findings.varies or findings.speaks or findings.waits)


def may_wait(runnable: Any) -> bool:
    """Whether a node could possibly wait for anything, at a glance: what only reads its arguments can't.

    Much cheaper than `infer_effects`, and never False for a node that has a model, a timer or a helper to call.
    """
    targets = _targets(runnable)
    return not targets or any(not isinstance(t, FunctionType) or _reaches_out(t) for t in targets)


def _reaches_out(function: FunctionType) -> bool:
    code = function.__code__
    return (
        DECLARED_EFFECTS in vars(function)
        or _AWAIT in code.co_code[::2]
        or any(isinstance(constant, CodeType) for constant in code.co_consts)
        or any(name in function.__globals__ for name in code.co_names)
        or any(type(Cell(cell).value()) not in _CONSTANTS for cell in function.__closure__ or ())
    )


def _declared(runnable: Any) -> Effects | None:
    for target in _targets(runnable):
        effects = inspect.getattr_static(target, DECLARED_EFFECTS, None)
        if isinstance(target, MethodType):
            effects = inspect.getattr_static(target.__func__, DECLARED_EFFECTS, None)
        if isinstance(effects, Effects):
            return effects
    return None


def _targets(runnable: Any) -> list[Any]:
    """The user's callables behind a Runnable, outermost first."""
    found: list[Any] = []
    for at in ("func", "afunc"):
        target = vars(runnable).get(at) if hasattr(runnable, "__dict__") else None
        if target is None or is_executor(target):
            continue
        found.append(target)
        while isinstance(target, functools.partial):
            target = target.func
            found.append(target)
    return found


def _follow(runnable: Any, findings: Findings) -> frozenset[str] | None:
    if isinstance(runnable, PregelProtocol):
        raise UnknownCodeError("it is a graph of its own")
    analysis = Analysis(findings)
    module = type(runnable).__module__
    if not (module.startswith("langgraph._internal") or isinstance(runnable, RunnableLambda)):
        if is_runnable(runnable):
            findings.read_whole("the Runnable")
            analysis.answer(runnable)
            return None
        raise UnknownCodeError(f"a {type(runnable).__name__} is not followed")
    if getattr(runnable, "recurse", False) is True and not callable(
        getattr(runnable, "func", None) or getattr(runnable, "afunc", None)
    ):
        raise UnknownCodeError("it has no code")
    targets = [
        t for t in (vars(runnable).get("func"), vars(runnable).get("afunc")) if t is not None and not is_executor(t)
    ]
    if not targets:
        raise UnknownCodeError(f"a {type(runnable).__name__} is not followed")
    writes: frozenset[str] | None = frozenset()
    for target in targets:
        more = _written(analysis, target)
        writes = writes | more if writes is not None and more is not None else None
    return writes


def _written(analysis: Analysis, target: Any) -> frozenset[str] | None:
    result = analysis.call_object(target, _arguments(target), None, None)
    if result.kind == "object" and result.obj is None:
        return frozenset()
    if result.kind == "data" and not result.shapes:
        return None
    return result.keys


def _arguments(target: Any) -> Arguments:
    """The state first; LangGraph passes everything else by its name."""
    parameters = _parameters(target)
    named: dict[str, Value] = {}
    for parameter in parameters[1:]:
        if parameter.name in ("config", "runtime"):
            named[parameter.name] = CONFIG
        elif parameter.name in ("store", "writer", "previous", "error"):
            raise UnknownCodeError(f"it takes the run's {parameter.name}")
    return Arguments((STATE,) if parameters else (), named)


def _parameters(target: Any) -> list[inspect.Parameter]:
    """The parameters of a callable, without asking an object for anything."""
    if not isinstance(target, FunctionType | MethodType | functools.partial | type):
        call = class_attribute(type(target), "__call__")
        target = MethodType(call, target) if isinstance(call, FunctionType) else None
    try:
        return list(inspect.signature(target).parameters.values()) if target is not None else []
    except (TypeError, ValueError):
        return []


@functools.lru_cache(maxsize=16)  # a graph has few schemas, and an application may make new ones for every run
def _types(schema: Any) -> Mapping[str, Any]:
    try:
        hints = typing.get_type_hints(schema, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are the user's code; without types the analysis knows less
        return {}
    return {key: _message_list(hint) for key, hint in hints.items()}


def _message_list(hint: Any) -> Any:
    if get_origin(hint) is Annotated and add_messages in get_args(hint)[1:]:
        return list[BaseMessage]
    return hint
