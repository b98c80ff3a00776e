"""Places behind attributes: looking at them changes them."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import functools
import itertools
from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def call_of_an_object() -> Shared:
    class Next:
        number = 0

        def __call__(self) -> int:
            Next.number += 1
            return Next.number

    following = Next()
    return Shared(lambda held: following())


@place
def descriptor() -> Shared:
    class Next:
        def __init__(self) -> None:
            self.number = 0

        def __get__(self, instance: Any, owner: Any = None) -> int:
            self.number += 1
            return self.number

    class Sequence:
        number = Next()

    sequence = Sequence()
    return Shared(lambda held: sequence.number)


@place
def descriptor_in_a_class() -> Shared:
    tick = ticker()

    class Next:
        def __get__(self, instance: Any, owner: Any = None) -> int:
            return int(tick())

    class Sequence:
        number = Next()

    return Shared(lambda held: Sequence.number)


@place
def property_of_a_partial() -> Shared:
    tick = ticker()

    class Sequence:
        number = property(lambda self: tick())

    sequence = Sequence()
    return Shared(lambda held: sequence.number)


@place
def property_of_a_c_function() -> Shared:
    following = itertools.count().__next__

    class Counted:
        value = property(lambda self: following())

    counted = Counted()
    return Shared(lambda held: counted.value)


@place
def cached_property() -> Shared:
    tick = ticker()

    class App:
        @functools.cached_property
        def client(self) -> str:
            return f"client {tick()}"

    apps = itertools.cycle((App(), App(), App()))
    return Shared(lambda held: next(apps).client)


@place
def a_client_made_when_first_needed() -> Shared:
    """Made by whichever node needs it first."""
    made: list[str] = []

    class App:
        @functools.cached_property
        def client(self) -> str:
            made.append("client")
            return f"client {len(made)}"

    app = App()
    return Shared(lambda held: app.client, made.clear)


@place
def attribute_made_up() -> Shared:
    tick = ticker()

    class Settings:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return tick()

    settings = Settings()
    return Shared(lambda held: settings.anything)


@place
def every_attribute_made_up() -> Shared:
    tick = ticker()

    class Settings:
        name = "a"

        def __getattribute__(self, name: str) -> Any:
            return tick() if name == "name" else object.__getattribute__(self, name)

    settings = Settings()
    return Shared(lambda held: settings.name)


@place
def attribute_of_a_metaclass() -> Shared:
    tick = ticker()

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            return tick() if name == "number" else super().__getattribute__(name)

    class Settings(metaclass=Meta):
        number = 0

    return Shared(lambda held: Settings.number)


@place
def attribute_made_up_by_a_module() -> Shared:
    import types

    tick = ticker()
    module: Any = types.ModuleType("hidden_lazy")
    module.__getattr__ = lambda name: tick()
    return Shared(lambda held: module.number)


@place
def attribute_of_a_module_subclass() -> Shared:
    import types

    tick = ticker()

    class Lazy(types.ModuleType):
        number = 0

        def __getattribute__(self, name: str) -> Any:
            return tick() if name == "number" else super().__getattribute__(name)

    module = Lazy("hidden_lazier")
    module.__dict__["number"] = 0
    return Shared(lambda held: module.number)


@place
def slots_and_getattr() -> Shared:
    tick = ticker()

    class Slotted:
        __slots__ = ("number",)

        def __getattr__(self, name: str) -> Any:
            if name == "number":
                return tick()
            raise AttributeError(name)

    slotted = Slotted()
    return Shared(lambda held: getattr(slotted, "number", 0))
