"""Methods, bases, modules and functions that something else replaces."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import contextvars
import itertools
import sys
import threading
import types
from typing import Any

from hiding.scene import Shared, place

VARIABLE: contextvars.ContextVar[list[int]] = contextvars.ContextVar("VARIABLE")
LOCAL = threading.local()


@place
def a_method_that_is_replaced() -> Shared:
    class Service:
        def name(self) -> str:
            return "old"

    service = Service()
    names = itertools.count()

    def move() -> None:
        number = next(names)
        Service.name = lambda self: f"new {number}"  # type: ignore[method-assign]

    return Shared(lambda held: service.name(), move)


@place
def a_method_that_an_instance_comes_to_have() -> Shared:
    class Service:
        def name(self) -> str:
            return "old"

    service = Service()
    names = itertools.count()

    def move() -> None:
        number = next(names)
        service.name = lambda: f"new {number}"  # type: ignore[method-assign]

    return Shared(lambda held: service.name(), move)


@place
def a_base_class_that_is_replaced() -> Shared:
    class One:
        kind = "one"

    class Two:
        kind = "two"

    class Service(One):
        pass

    def move() -> None:
        Service.__bases__ = (Two,) if Service.__bases__ == (One,) else (One,)

    return Shared(lambda held: Service.kind, move)


@place
def a_slot() -> Shared:
    class Slotted:
        __slots__ = ("number",)

        def __init__(self) -> None:
            self.number = 0

    slotted = Slotted()

    def move() -> None:
        slotted.number += 1

    return Shared(lambda held: slotted.number, move)


@place
def an_attribute_of_a_module() -> Shared:
    module: Any = types.ModuleType("hidden_settings")
    module.number = 0
    sys.modules["hidden_settings"] = module

    def look(held: Any) -> int:
        import hidden_settings  # type: ignore[import-not-found]

        return int(hidden_settings.number)

    def move() -> None:
        module.number += 1

    return Shared(look, move)


@place
def a_module_that_is_closed_over() -> Shared:
    module: Any = types.ModuleType("hidden_flags")
    module.NAME = "a"

    def move() -> None:
        module.NAME += "a"

    return Shared(lambda held: module.NAME, move)


@place
def a_module_that_is_replaced() -> Shared:
    def made(number: int) -> Any:
        module: Any = types.ModuleType("hidden_other")
        module.number = number
        return module

    sys.modules["hidden_other"] = made(0)

    def look(held: Any) -> int:
        from hidden_other import number  # type: ignore[import-not-found]

        return int(number)

    def move() -> None:
        sys.modules["hidden_other"] = made(sys.modules["hidden_other"].number + 1)

    return Shared(look, move)


@place
def a_namespace() -> Shared:
    space = types.SimpleNamespace(number=0)

    def move() -> None:
        space.number += 1

    return Shared(lambda held: space.number, move)


@place
def a_list_in_a_context_variable() -> Shared:
    VARIABLE.set([])
    kept = VARIABLE.get()
    return Shared(lambda held: len(VARIABLE.get()), lambda: kept.append(1))


@place
def a_value_of_a_thread() -> Shared:
    LOCAL.number = 0

    def move() -> None:
        # Of other threads it is chance whether one of them was used before.
        if hasattr(LOCAL, "number"):
            LOCAL.number += 1

    return Shared(lambda held: getattr(LOCAL, "number", "none"), move)
