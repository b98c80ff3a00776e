"""Names that the application's code assigns to while it runs: attributes, and items of containers that it names.

Read off the code of every module of the application's that is loaded, without running any of it. An attribute that is
only assigned where its object is made, and a dict that nobody's code both names and changes, stay what they are for as
long as a graph runs. What is missed here is still compared; only a change that is undone before that goes unnoticed.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, ModuleType

from optiflow.plan.inference.knowledge import MUTATORS
from optiflow.plan.inference.vouching import is_users_file

__all__ = ["is_changed", "is_stored"]

_MAKING = frozenset({"__init__", "__post_init__", "__new__", "model_post_init", "__set_name__", "<module>"})
_STORING = frozenset({dis.opmap["STORE_ATTR"], dis.opmap["DELETE_ATTR"]})
_ITEMS = frozenset({dis.opmap["STORE_SUBSCR"], dis.opmap["DELETE_SUBSCR"]})
_BY_NAME = frozenset({"setattr", "delattr", "__setattr__", "__dict__", "vars", "globals"})
"""Names by which attributes are assigned that are not written as such."""


@dataclass(slots=True)
class _Names:
    """What the code of one module assigns to."""

    attributes: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    """Names that stand in a function which changes items of something."""
    any: bool = False
    """Whether a handler in it assigns attributes whose names do not show, or its code is not there to be read."""


_by_module: dict[str, tuple[ModuleType, _Names]] = {}
_together: tuple[tuple[int, str], _Names] = ((0, ""), _Names())
"""How many modules there were and the newest, and what all of them assign to."""


def is_stored(name: str) -> bool:
    """Whether any code of the application's may assign an attribute of this name, other than to an object it makes."""
    names = _all()
    return names.any or name in names.attributes


def is_changed(name: str) -> bool:
    """Whether any function of the application's names a container like this and changes items of something."""
    names = _all()
    return names.any or name in names.containers


def _all() -> _Names:
    global _together
    known, names = _together
    modules = len(sys.modules), next(reversed(sys.modules))
    if known != modules:
        names = _Names()
        for each in _users_modules():
            names.attributes |= each.attributes
            names.containers |= each.containers
            names.any = names.any or each.any
        _together = modules, names
    return names


def _users_modules() -> Iterator[_Names]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if type(module) is ModuleType else None
        if not isinstance(file, str) or not file.endswith(".py") or _is_own(name) or not is_users_file(file):
            continue
        kept = _by_module.get(name)
        if kept is None or kept[0] is not module:
            kept = _by_module[name] = module, _read(name, module, file)
        yield kept[1]


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == "optiflow"


def _read(name: str, module: ModuleType, file: str) -> _Names:
    names = _Names()
    code = _code(name, module, file)
    if code is None:
        names.any = True
        return names
    todo = [code]
    while todo:
        code = todo.pop()
        todo += [each for each in code.co_consts if isinstance(each, CodeType)]
        if code.co_name not in _MAKING:
            _note(code, names)
    return names


def _code(name: str, module: ModuleType, file: str) -> CodeType | None:
    """The code of a module, from its loader, which has it compiled; of a script, compiled from its file."""
    get_code = getattr(getattr(module.__spec__, "loader", None), "get_code", None)
    try:
        found = get_code(name) if get_code is not None else None
        if found is None:
            with open(file, encoding="utf-8") as source:  # noqa: PTH123 - a string, and pathlib is not needed for it
                found = compile(source.read(), file, "exec", dont_inherit=True)
    except (ImportError, OSError, SyntaxError, ValueError):
        return None
    return found if isinstance(found, CodeType) else None


def _note(code: CodeType, names: _Names) -> None:
    operations = set(code.co_code[::2])
    if operations & _STORING:
        names.attributes.update(i.argval for i in dis.get_instructions(code) if i.opcode in _STORING)
    if operations & _ITEMS or not MUTATORS.isdisjoint(code.co_names):
        names.containers.update(code.co_names)
        names.containers.update(code.co_freevars)
    by_name = _BY_NAME.intersection(code.co_names)
    if by_name:
        texts = {each for each in code.co_consts if isinstance(each, str) and each.isidentifier()}
        names.attributes |= texts
        # A handler's ``setattr(self, name, value)``: any name at all.
        names.any = names.any or (not texts and code.co_name.startswith("on_"))
