"""Makes a LangGraph application faster and cheaper without touching its code, and proves its answers.

Everything here is imported when it is first used: ``import optiflow`` itself imports neither LangGraph nor
Hydra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from optiflow.errors import (
    BaselineFailedError,
    ConfigurationError,
    GraphReferenceError,
    IncompatibleTogglesError,
    InputError,
    OptiflowError,
    ProviderError,
    RunFailedError,
    RunInterruptedError,
    StoreError,
    StoreVersionError,
    ToggleFailedError,
)

if TYPE_CHECKING:
    from optiflow.api import compile, explain, optimize, status
    from optiflow.optimizations.base import Decision, Optimization, Options
    from optiflow.plan.declare import effects
    from optiflow.plan.effects import Effects
    from optiflow.plan.graph_plan import GraphPlan

__all__ = [
    "BaselineFailedError",
    "ConfigurationError",
    "Decision",
    "Effects",
    "GraphPlan",
    "GraphReferenceError",
    "IncompatibleTogglesError",
    "InputError",
    "OptiflowError",
    "Optimization",
    "Options",
    "ProviderError",
    "RunFailedError",
    "RunInterruptedError",
    "StoreError",
    "StoreVersionError",
    "ToggleFailedError",
    "compile",
    "effects",
    "explain",
    "optimize",
    "status",
]

_LAZY = {
    "Decision": "optiflow.optimizations.base",
    "Effects": "optiflow.plan.effects",
    "GraphPlan": "optiflow.plan.graph_plan",
    "Optimization": "optiflow.optimizations.base",
    "Options": "optiflow.optimizations.base",
    "compile": "optiflow.api",
    "effects": "optiflow.plan.declare",
    "explain": "optiflow.api",
    "optimize": "optiflow.api",
    "status": "optiflow.api",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
