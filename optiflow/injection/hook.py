"""Waits until a program imports LangGraph, and patches it then.

Loaded by path when an interpreter starts, so this file stands alone: the standard library only, nothing of
OptiFlow until LangGraph is imported, and syntax that older Pythons read too.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

__all__ = ["CONFIGURATION", "STRICT", "TARGETS", "install", "is_strict"]

CONFIGURATION = "OPTIFLOW_EXEC"
"""Environment variable with the resolved options of the toggles as JSON; without it nothing is installed."""

STRICT = "OPTIFLOW_STRICT"
"""Environment variable that is set where a failure of OptiFlow must be raised in the program; a setting like others."""

_FALSE = ("", "0", "false", "no", "off")

TARGETS = ("langgraph.graph.state", "langgraph.func")
"""Modules that are patched once they are imported: the graph builder's and the functional API's."""


def is_strict() -> bool:
    """Whether a failure of OptiFlow must be raised in the program."""
    return os.environ.get(STRICT, "").lower() not in _FALSE


def install() -> None:
    """Patch what is imported already, and whatever of LangGraph is imported later."""
    if not os.environ.get(CONFIGURATION):
        return
    for name in TARGETS:
        if name in sys.modules:
            _patch(sys.modules[name])
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds LangGraph where the other finders do, and adds the patch to its loader."""

    def __init__(self) -> None:
        self._finding: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Another instrumentation's finder may ask the whole of sys.meta_path in turn: it must not meet us
        # twice.
        if name not in TARGETS or name in self._finding:
            return None
        self._finding.add(name)
        try:
            for finder in sys.meta_path:
                if finder is self or not hasattr(finder, "find_spec"):
                    continue
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                    return spec
        finally:
            self._finding.discard(name)
        return None


class _Loader:
    """A module's own loader, and the patch after it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Whoever looks at the module afterwards (inspect, pkgutil, a reload) sees its own loader.
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _patch(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _patch(module: ModuleType) -> None:
    try:
        from optiflow.injection.patch import apply
    except ImportError as error:
        text = f"optiflow: not usable in {sys.executable}, so LangGraph runs as it is there: {error}"
        if is_strict():
            raise ImportError(text) from error
        if module.__name__ == TARGETS[0]:  # once a process: every LangGraph program imports this one
            sys.stderr.write(text + "\n")
    else:
        apply(module)
