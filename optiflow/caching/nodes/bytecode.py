"""What code objects are, and which modules are the application's own."""

from __future__ import annotations

import dis
import functools
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from types import CodeType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import ormsgpack

from optiflow.plan.inference.classes import is_users_file

__all__ = ["Code", "code_of", "is_application", "version_of"]

Tree = Any
_VARIED = frozenset({"temperature", "seed"})


@dataclass(frozen=True)
class Code:
    """What a code object and those within it are."""

    digest: bytes
    names: frozenset[str]
    """Every global and attribute that is named, in order of the alphabet."""
    global_names: tuple[str, ...]
    assigned: frozenset[str]
    """Globals and outer variables that the code itself assigns."""
    tunes: bool


_codes: WeakKeyDictionary[CodeType, Code] = WeakKeyDictionary()


def code_of(code: CodeType) -> Code:
    """What a code object is; remembered, for it never changes."""
    known = _codes.get(code)
    if known is None:
        known = _codes[code] = _look(code)
    return known


def _look(code: CodeType) -> Code:
    inner = [_look(const) for const in code.co_consts if isinstance(const, CodeType)]
    tree = [
        code.co_name, code.co_code, [_constant(const) for const in code.co_consts], list(code.co_names),
        list(code.co_varnames), list(code.co_freevars), list(code.co_cellvars), code.co_flags, code.co_argcount,
        code.co_kwonlyargcount, code.co_posonlyargcount, code.co_exceptiontable, [each.digest for each in inner],
    ]  # fmt: skip
    instructions = list(dis.get_instructions(code))
    loaded = {i.argval for i in instructions if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    assigned = {
        i.argval
        for i in instructions
        if i.opname in ("STORE_GLOBAL", "STORE_DEREF") and i.argval not in code.co_cellvars
    }
    texts = {text for const in code.co_consts for text in (const if isinstance(const, tuple) else (const,))}
    names = frozenset(code.co_names).union(*(each.names for each in inner))
    return Code(
        digest=sha256(ormsgpack.packb(tree)).digest(),
        names=names,
        global_names=tuple(sorted(loaded.union(*(each.global_names for each in inner)))),
        assigned=frozenset(assigned).union(*(each.assigned for each in inner)),
        tunes=bool(_VARIED & {*names, *(text for text in texts if isinstance(text, str))})
        or any(e.tunes for e in inner),
    )


def _constant(const: Any) -> Tree:
    if isinstance(const, CodeType):
        return None
    if isinstance(const, tuple):
        return ["tuple", *map(_constant, const)]
    if isinstance(const, frozenset):
        return ["frozenset", *sorted(ormsgpack.packb(_constant(each)) for each in const)]
    return [type(const).__name__, repr(const)]


def is_application(module: ModuleType | None) -> bool:
    """Whether a module is the user's own, whose code may change from day to day."""
    if module is None:
        # Run from a file, without being imported.
        return True
    if module.__name__.partition(".")[0] == "optiflow":
        return False
    file = getattr(module, "__file__", None)
    return module.__name__ == "__main__" if file is None else is_users_file(file)


@functools.cache
def version_of(module: str | None) -> str:
    """The version of a library, by the name of one of its modules."""
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:3]))
    found = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(found, str):
        return found
    try:
        return version(top.replace("_", "-"))
    except (PackageNotFoundError, ValueError):
        return ""
