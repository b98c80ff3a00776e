"""LangGraph's own ways to make a graph, patched so that each graph comes out optimized.

The program's own compile always runs first, so its errors and side effects stay as they are and there is a
plain graph to fall back on: whatever fails in OptiFlow costs one line on standard error, never the program.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from optiflow.injection.hook import CONFIGURATION, is_strict

if TYPE_CHECKING:
    from optiflow.activation import AnyPregel
    from optiflow.optimizations.base import Optimization

__all__ = ["apply"]

_MARK = "__optiflow_plain__"


def apply(module: ModuleType) -> None:
    """Patch one of the hook's targets; a module that is patched already stays as it is."""
    owner, name, wrap = {
        "langgraph.graph.state": (getattr(module, "StateGraph", None), "compile", _compile),
        "langgraph.func": (getattr(module, "entrypoint", None), "__call__", _call),
    }[module.__name__]
    plain = getattr(owner, name, None)
    if plain is None:
        _report(f"this LangGraph has no {module.__name__} to patch, so it runs as it is")
    elif not hasattr(plain, _MARK):
        patched = functools.wraps(plain)(wrap(plain))
        setattr(patched, _MARK, plain)
        setattr(owner, name, patched)


def _compile(plain: Callable[..., AnyPregel]) -> Callable[..., AnyPregel]:
    def compile(builder: Any, *args: Any, **kwargs: Any) -> AnyPregel:
        return _optimized(plain(builder, *args, **kwargs))

    return compile


def _call(plain: Callable[..., AnyPregel]) -> Callable[..., AnyPregel]:
    def call(decorator: Any, function: Callable[..., Any]) -> AnyPregel:
        return _optimized(plain(decorator, function))

    return call


def _optimized(compiled: AnyPregel) -> AnyPregel:
    configuration = os.environ.get(CONFIGURATION)
    if configuration is None:  # taken away by a program that wants its graphs as they are, such as OptiFlow itself
        return compiled
    what = "no graph is optimized"
    try:
        from optiflow.api import building, optimize_fresh

        toggles = _toggles(configuration)
        what = f"graph {compiled.get_name()!r} runs as it is"
        # OptiFlow compiles too, while it builds: what it is building must come out as it asks.
        return compiled if building() else optimize_fresh(compiled, toggles)
    except Exception as error:  # noqa: BLE001 - nothing of ours may stop the program
        _report(f"{what}: {type(error).__name__}: {error}", error)
        return compiled


@cache
def _toggles(configuration: str) -> tuple[Optimization[Any], ...]:
    from optiflow.optimizations.registry import resolve
    from optiflow.settings import get_settings

    return resolve(json.loads(configuration), get_settings().disable, strict=is_strict())


def _report(text: str, error: Exception | None = None) -> None:
    if is_strict():
        raise RuntimeError(f"optiflow: {text}") from error
    _write_once(f"optiflow: {' '.join(text.split())}\n")


@cache
def _write_once(line: str) -> None:
    sys.stderr.write(line)
