"""What the first run would spend on imports, spent before it.

Imports are done in line, not in a thread: a package that two threads enter at different places, with a circular import
in it, fails with an ImportError or KeyError that neither would have met alone (``docs/adr/0010``).
"""

from __future__ import annotations

import dis
import functools
import gc
import importlib
import importlib.util
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType
from typing import Any

from optiflow.log import get_logger
from optiflow.plan.inference.classes import is_users

__all__ = ["WarmUp", "Warmth", "fewer_collections", "lazy_imports"]

_log = get_logger(__name__)

_ENVIRONMENT = frozenset({"environ", "putenv", "load_dotenv", "dotenv_values"})
"""Names in code that may change the environment, which a package may look at when it is imported."""

MOST_FUNCTIONS = 200
"""Functions that are looked at for a node."""

_IMPORT = dis.opmap["IMPORT_NAME"]

COLD_THRESHOLD = 50_000
"""New objects between two garbage collections while packages are imported: what they make stays, and Python's own 700
looks through all of it again and again, which is a sixth of the time (``benchmarks/clients.py``)."""


def lazy_imports(runnable: Any, packages: Collection[str]) -> tuple[tuple[str, ...], str]:
    """Modules that a node's code imports when it runs.

    Args:
        runnable: The node's work, as LangGraph holds it.
        packages: What may be imported ahead; modules within them count.

    Returns:
        The modules that are installed and not imported yet, in the order in which the code names them, and why there
        are none where the code stands against it.
    """
    found: dict[str, None] = {}
    for code in _codes(runnable):
        if not _ENVIRONMENT.isdisjoint(code.co_names):
            return (), f"{code.co_name} may change the environment, which a package may look at when it is imported"
        found |= dict.fromkeys(_imported(code))
        if "init_chat_model" in code.co_names:
            found |= dict.fromkeys(f"langchain_{provider}" for provider in _providers(code))
    wanted = [name for name in found if _within(name, packages) and name not in sys.modules]
    return tuple(name for name in wanted if _is_installed(name)), ""


@dataclass
class Warmth:
    """What warming up did."""

    milliseconds: float = 0.0
    """What it took."""

    imported: list[str] = field(default_factory=list)
    """What it imported."""


@dataclass(frozen=True)
class WarmUp:
    """Imports modules once a graph is compiled."""

    modules: Sequence[str]
    warmth: Warmth

    def install(self, compiled: object) -> None:
        """Import them; one that fails is left for the program to meet, in its own place."""
        started = time.perf_counter()
        with fewer_collections():
            for name in self.modules:
                if name in sys.modules:
                    continue
                try:
                    importlib.import_module(name)
                except Exception as error:  # noqa: BLE001 - what a package raises when it is imported may be anything
                    _log.warning("not imported ahead", module=name, error=repr(error))
                else:
                    self.warmth.imported.append(name)
        self.warmth.milliseconds += (time.perf_counter() - started) * 1000


# Reentrant: a garbage collection may end a run, on this very thread, while another one begins.
_lock = threading.RLock()
_holders = 0
_before = 0


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Collect garbage less often during the block; blocks may overlap.

    A program's own larger threshold stays, and so does what it sets meanwhile.
    """
    global _holders, _before
    with _lock:
        _holders += 1
        if _holders == 1:
            _before = gc.get_threshold()[0]
            if 0 < _before < COLD_THRESHOLD:
                gc.set_threshold(COLD_THRESHOLD, *gc.get_threshold()[1:])
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders and gc.get_threshold()[0] == COLD_THRESHOLD:
                gc.set_threshold(_before, *gc.get_threshold()[1:])


def _codes(runnable: Any) -> Iterator[CodeType]:
    """The code of a node's functions, and of the program's own functions that they name or close over."""
    waiting = [getattr(runnable, at, None) for at in ("func", "afunc")]
    seen: set[FunctionType] = set()
    while waiting and len(seen) < MOST_FUNCTIONS:
        function, owner = _function(waiting.pop(0))
        if function is None or function in seen or not is_users(function):
            continue
        seen.add(function)
        cells = (cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY)
        waiting += [value for value in cells if callable(value)]
        for code in _nested(function.__code__):
            yield code
            waiting += [function.__globals__.get(name) for name in code.co_names]
            waiting += [getattr(owner, name, None) for name in code.co_names if owner is not None]


_EMPTY = type((lambda x: lambda: x)(0).__closure__[0])()  # type: ignore[index]


def _function(target: Any) -> tuple[FunctionType | None, type | None]:
    """The Python function behind a callable, and the class whose method it is."""
    while isinstance(target, functools.partial):
        target = target.func
    owner: type | None = None
    if isinstance(target, MethodType):
        owner, target = type(target.__self__), target.__func__
    elif callable(target) and not isinstance(target, type | FunctionType):
        owner, target = type(target), type(target).__call__
    return (target, owner) if isinstance(target, FunctionType) else (None, None)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _imported(code: CodeType) -> Iterator[str]:
    """Modules of absolute imports."""
    # Taking code apart is slow, and most of it imports nothing.
    if _IMPORT not in code.co_code[::2]:
        return
    instructions = list(dis.get_instructions(code))
    for at, instruction in enumerate(instructions):
        # What comes before are the level, which is 0 where the name is absolute, and the names to take.
        if instruction.opname == "IMPORT_NAME" and instructions[at - 2].argval == 0:
            yield instruction.argval


def _providers(code: CodeType) -> Iterator[str]:
    """Providers that strings of the code may name, as ``init_chat_model("openai:gpt-4o")`` does."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            provider = constant.partition(":")[0].replace("-", "_")
            if provider.isidentifier():
                yield provider


def _within(name: str, packages: Collection[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name.partition(".")[0]) is not None
